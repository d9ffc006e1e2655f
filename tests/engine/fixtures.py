"""Engines and images as fixtures. A conftest takes those that its tests need:

    from tests.engine.fixtures import engine, image, other_image  # noqa: F401

Without an engine tests skip and say why; where a machine tests for everybody (`CI`) they fail.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import NoReturn

import docker
import pytest

from tests.engine import engines, images, pythons


@pytest.fixture(scope="session")
def engine() -> Iterator[docker.DockerClient]:
    """A client of this machine's engine. Remove what you make there; others use it too."""
    try:
        client = engines.connect(engines.url())
    except engines.NoEngine as error:
        _absent(error)
    with contextlib.closing(client):
        yield client


@pytest.fixture(scope="session")
def image(engine: docker.DockerClient) -> str:
    """An image with the Python of the tests."""
    return images.python_image(engine, pythons.supported()[0])


@pytest.fixture(scope="session")
def other_image(engine: docker.DockerClient) -> str:
    """An image with another supported Python."""
    found = pythons.supported()[1:]
    if not found:
        pytest.skip("other Python version: this machine has only one that is supported")
    return images.python_image(engine, found[0])


@pytest.fixture(scope="session")
def old_image(engine: docker.DockerClient) -> str:
    """An image with a Python that is too old for tasks."""
    found = pythons.too_old()
    if found is None:
        pytest.skip("other Python version: this machine has none that is too old")
    return images.python_image(engine, found)


@pytest.fixture(scope="session")
def bare_image(engine: docker.DockerClient) -> str:
    """An image without Python."""
    return images.bare_image(engine)


@pytest.fixture(scope="session")
def foreign_image(engine: docker.DockerClient) -> str:
    """An image for another kind of machine than this."""
    return images.foreign_image(engine, "s390x")


@pytest.fixture
def own_engine() -> Iterator[engines.Engine]:
    """An engine of this test's own, which it may kill."""
    with contextlib.ExitStack() as stack:
        try:
            found = stack.enter_context(engines.own_engine())
        except engines.NoEngine as error:
            _absent(error)
        yield found


@pytest.fixture(scope="session")
def podman_url() -> Iterator[str]:
    """Where a Podman service of this session's own listens."""
    with contextlib.ExitStack() as stack:
        try:
            found = stack.enter_context(engines.podman_service())
        except engines.NoEngine as error:
            _absent(error)
        yield found


def _absent(error: engines.NoEngine) -> NoReturn:
    if os.environ.get("CI"):
        pytest.fail(f"{error}; .ci/engine installs and starts one")
    pytest.skip(str(error))
