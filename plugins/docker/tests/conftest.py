"""The engine of this machine, Podman's service, and images made from the Pythons that are here."""

from __future__ import annotations

import pytest

from tests.engine.fixtures import (  # noqa: F401
    bare_image,
    engine,
    foreign_image,
    image,
    old_image,
    other_image,
    own_engine,
    podman_url,
)

pytest.register_assert_rewrite("penstock.testing")


def pytest_configure(config: pytest.Config) -> None:
    from tests import skips

    skips.watch(config)
