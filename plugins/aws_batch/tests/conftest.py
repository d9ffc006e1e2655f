"""What the tests of this plugin share: the endpoint, and an image with nothing but a Python in it."""

from __future__ import annotations

import pytest

from plugins.aws_batch.tests.endpoint import Endpoint, Switches
from tests.engine.fixtures import bare_image, engine, image  # noqa: F401

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


def pytest_configure(config: pytest.Config) -> None:
    from tests import skips

    skips.watch(config)


@pytest.fixture
def switches() -> Switches:
    """Change them before or while the endpoint is used. A minute of Batch lasts 3 s."""
    return Switches(second_s=0.05)


@pytest.fixture
def endpoint(switches: Switches, monkeypatch: pytest.MonkeyPatch) -> Iterator[Endpoint]:
    """A Batch of one's own; the SDK of this process, and of those that it starts, comes to it."""
    with Endpoint(switches) as endpoint:
        for name, value in endpoint.environment().items():
            monkeypatch.setenv(name, value)
        yield endpoint
