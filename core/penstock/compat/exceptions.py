"""Exceptions of Metaflow's that flows raise themselves and that penstock has no use for."""

from __future__ import annotations

from penstock.errors import PenstockError


class ExternalCommandFailed(PenstockError):
    """A program that a step started ended badly."""

    headline = "External command failed"
