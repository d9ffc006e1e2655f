"""The version, as Metaflow's module of that name gives it."""

from __future__ import annotations


def get_version() -> str:
    """Of penstock: `0.1.0`."""
    from penstock import __version__

    return __version__
