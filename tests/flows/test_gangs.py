"""Nodes of a `num_parallel` that talk to one another: they run side by side, and are tried again together."""

from __future__ import annotations

import os
import pickle
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from penstock.testing.flow_suite import FLOWS
from tests.services.waiting import until

EXECUTORS = ("local", "penstock.testing.isolated_executor:IsolatedExecutor")
LIMIT_S = 120.0


class World:
    """A folder with the flow, and the command line."""

    def __init__(self, folder: Path, executor: str) -> None:
        self.folder, self.executor = folder, executor
        shutil.copy(FLOWS / "talking_nodes.py", folder)
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "penstock", *words]
        return subprocess.Popen(
            command, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env={**os.environ, "PENSTOCK_USER": "suite"},
        )  # fmt: skip

    def run(self, *words: str) -> subprocess.Popen[bytes]:
        options = ("--run-id-file=id", f"--port={self.port}", f"--executor={self.executor}", *words)
        return self.start("run", "talking_nodes.py", *options)

    def finish(self, process: subprocess.Popen[bytes], expect: int = 0) -> str:
        said = process.communicate(timeout=LIMIT_S)[0].decode()
        assert process.returncode == expect, said
        return said

    @property
    def pathspec(self) -> str:
        return f"TalkingNodesFlow/{(self.folder / 'id').read_text()}"

    def result(self) -> Any:
        self.finish(self.start("dump", f"{self.pathspec}/join", "--file=dumped"))
        (found,) = pickle.loads((self.folder / "dumped").read_bytes()).values()
        return found["result"]


@pytest.fixture(params=EXECUTORS)
def world(tmp_path: Path, request: pytest.FixtureRequest) -> World:
    return World(tmp_path, request.param)


def test_nodes_meet_though_there_is_room_for_one(world: World) -> None:
    world.finish(world.run("--max-workers=1"))
    assert world.result() == [(110, 0)] * 3


@pytest.mark.parametrize("ill", [0, 2])
def test_when_one_dies_all_are_tried_again(world: World, ill: int) -> None:
    said = world.finish(world.run(f"--ill={ill}"))
    assert world.result() == [(110, 1)] * 3
    assert f"talk[{ill}]  failed" in said


def test_a_dead_scheduler_s_gang_is_gone_on_with_as_a_whole(world: World) -> None:
    """Two nodes wait for a third that is held, and then their scheduler dies."""
    process = world.run("--slow=1", f"--folder={world.folder}")
    until((world.folder / "slow").exists)
    process.send_signal(signal.SIGKILL)
    (world.folder / "go").touch()
    process.communicate()  # what it started has its descriptors
    world.finish(world.start("continue", world.pathspec))
    assert {heard for heard, _ in world.result()} == {110}
    assert len({attempt for _, attempt in world.result()}) == 1


PART = """
import os
from penstock import FlowSpec, current, parallel, step


class PartFlow(FlowSpec):
    @step
    def start(self):
        self.next(self.work, num_parallel=3)

    @parallel
    @step
    def work(self):
        self.mine = current.parallel.node_index
        if self.mine == 1:
            assert os.path.exists("mended")
        self.next(self.join)

    @step
    def join(self, inputs):
        self.result = [one.mine for one in inputs]
        self.next(self.end)

    @step
    def end(self):
        pass
"""


def test_what_is_left_of_nodes_that_ran_one_by_one_is_run_by_itself(world: World) -> None:
    (world.folder / "part.py").write_text(PART)
    world.finish(world.start("run", "part.py", "--executor=inline", "--on-failure=continue"), expect=1)
    (world.folder / "mended").touch()
    resumed = world.start("resume", "part.py", "--executor=local", "--run-id-file=id")
    world.finish(resumed)
    world.finish(world.start("dump", f"PartFlow/{(world.folder / 'id').read_text()}/join", "--file=dumped"))
    (found,) = pickle.loads((world.folder / "dumped").read_bytes()).values()
    assert found["result"] == [0, 1, 2]
