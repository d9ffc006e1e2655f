"""How an engine is reached: from elsewhere, or not at all by this user."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from penstock.contracts.executor import Job, RunInfo
from penstock.errors import PenstockError
from penstock.testing import HttpStoreServer
from penstock.testing.http_store import TOKEN_VARIABLE
from penstock_docker.executor import DockerExecutor
from plugins.docker.tests.flow_shell import DockerShell
from plugins.docker.tests.test_faults import ONE_STEP
from tests.engine import engines
from tests.engine.gate import Gate

NOBODY = 65534
STORE = "--datastore=penstock.testing.http_store:HttpDatastore"


@pytest.fixture
def elsewhere() -> Iterator[Gate]:
    """An engine at a port: it is not known whose files it sees."""
    with Gate(None, engines.url()) as gate:
        yield gate


@pytest.fixture
def shell(tmp_path: Path, engine: docker.DockerClient, image: str, elsewhere: Gate) -> DockerShell:
    shell = DockerShell(tmp_path / "work", engine, "", image)
    shell.options(volumes="", network="host")
    shell.environment["DOCKER_HOST"] = elsewhere.url
    shell.write("one.py", ONE_STEP.format(decorator="", body="pass"))
    return shell


def test_an_engine_elsewhere_can_not_use_a_store_of_this_machine(shell: DockerShell, elsewhere: Gate) -> None:
    answer = shell.flow("run", "one.py")
    shell.told(answer, f"the engine at {elsewhere.url} sees no folder of this machine", "next: --datastore=", code=1)
    assert list(shell.store.iterdir()) == []
    shell.told(shell.flow("doctor"), "FAIL", "an engine elsewhere sees no", "next: --datastore=", code=1)


def test_an_engine_elsewhere_runs_tasks_with_a_store_that_reaches_there(shell: DockerShell) -> None:
    with HttpStoreServer(token="hidden") as server:
        shell.environment[TOKEN_VARIABLE] = "hidden"
        answer = shell.flow("run", "one.py", STORE, f"--datastore-url={server.url}")
    shell.told(answer, "was well", code=0)


def test_who_may_not_use_the_engine_is_told_so(tmp_path: Path) -> None:
    with Gate(tmp_path, engines.url()) as gate:
        os.chmod(gate.url.removeprefix("unix://"), 0o600)
        said = as_nobody(lambda: DockerExecutor(RunInfo(flow="F", run="", user="nobody"), url=gate.url))
        assert said == (
            f"no permission to use the container engine at {gate.url}\n"
            "sudo usermod --append --groups docker $USER   # and log in again"
        )


def as_nobody(make) -> str:
    """Message and hint of what keeps this executor from working for a user without any right."""
    if os.geteuid() != 0:
        pytest.skip("needs root: another user is asked for")
    read, write = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            try:
                make().check(Job(name="start", message=""))
                said = "nothing keeps it"
            except PenstockError as error:
                said = f"{error.message}\n{error.hint}"
            os.write(write, said.encode())
        finally:
            os._exit(0)
    os.close(write)
    with open(read) as answer:
        said = answer.read()
    os.waitpid(pid, 0)
    return said
