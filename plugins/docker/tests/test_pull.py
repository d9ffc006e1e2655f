"""Images that have to be pulled, from a registry that takes its time."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import docker
import docker.errors
import pytest

from plugins.docker.tests.flow_shell import DockerShell
from plugins.docker.tests.registry import Registry
from plugins.docker.tests.test_faults import ONE_STEP
from tests.engine import engines

LIMIT_S = 90.0


@pytest.fixture
def registry(engine: docker.DockerClient, image: str) -> Iterator[Registry]:
    with Registry(engine, image) as registry:
        yield registry
    try:
        engine.images.remove(registry.reference, force=False, noprune=True)
    except docker.errors.ImageNotFound:
        pass


@pytest.fixture
def shell(tmp_path: Path, engine: docker.DockerClient, registry: Registry) -> DockerShell:
    made = DockerShell(tmp_path / "work", engine, engines.url(), registry.reference)
    made.write("one.py", ONE_STEP.format(decorator="", body="pass"))
    return made


def test_a_missing_image_is_pulled_once_with_progress(shell, registry):
    registry.gate.set()
    answer = shell.flow("run", "one.py")
    shell.told(answer, f"pulling the image {registry.reference}", f"pulled {registry.reference}", "was well", code=0)
    assert answer.err.count("pulling the image") == 1
    digest = shell.attempts("OneFlow/latest/start/0")[0]["facts"]["digest"]
    assert digest.startswith(registry.reference.removesuffix(":1") + "@sha256:")


def test_a_pull_that_takes_too_long_can_be_interrupted(shell, registry):
    with shell.start(sys.executable, "-m", "penstock", "run", "one.py") as process:
        while not registry.half.wait(0.1):
            assert process.poll() is None, process.communicate()
        process.send_signal(signal.SIGINT)
        assert process.wait(LIMIT_S) == 130
        process.communicate()
    assert shell.containers() == []
