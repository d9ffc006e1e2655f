"""A run under faults ends with the artifacts of an undisturbed one."""

from __future__ import annotations

import os
import pickle
import shutil
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from penstock.testing import HttpStoreServer
from penstock.testing.flow_suite import FLOWS
from plugins.aws_batch.tests.endpoint import Endpoint, Switches
from plugins.aws_batch.tests.endpoint.jobs import ENDED, RUNNING, Job
from plugins.aws_batch.tests.proxy import BUSY, BatchProxy
from tests.services.proxy import CUT, LOST, RESET, TWICE, Asked
from tests.services.waiting import until

LIMIT_S = 120.0
Fault = Callable[[Asked], str]
FLOW = """
import time
from penstock import FlowSpec, current, retry, step


class FaultyFlow(FlowSpec):
    @step
    def start(self):
        self.items = [1, 2, 3]
        self.next(self.work, foreach="items")

    @retry(times=1, minutes_between_retries=0)
    @step
    def work(self):
        if SLOW and self.input == 2 and current.retry_count == 0:
            time.sleep(600)
        self.square = self.input ** 2
        self.attempt = current.retry_count
        self.next(self.join)

    @step
    def join(self, inputs):
        self.squares = [one.square for one in inputs]
        self.attempts = [one.attempt for one in inputs]
        self.next(self.end)

    @step
    def end(self):
        print("the end")
"""


class World:
    """An endpoint, a store, and the command line."""

    def __init__(self, folder: Path, endpoint: Endpoint, store: str, image: str) -> None:
        self.folder, self.endpoint = folder, endpoint
        self.variables = endpoint.environment()
        self._options = [
            "--executor=aws-batch", f"--aws-batch-queue={endpoint.queue}", f"--aws-batch-image={image}",
            "--aws-batch-poll-s=0.2", "--aws-batch-default-memory=256",
            "--datastore=penstock.testing.http_store:HttpDatastore", f"--datastore-url={store}",
        ]  # fmt: skip

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "penstock", *words, *self._options]
        environment = {**os.environ, **self.variables, "PENSTOCK_USER": "suite"}
        return subprocess.Popen(
            command, cwd=self.folder, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )  # fmt: skip

    def flow(self, *words: str, expect: int = 0) -> str:
        process = self.start(*words)
        said = process.communicate(timeout=LIMIT_S)[0].decode()
        assert process.returncode == expect, said
        return said

    def run(self, slow: bool = False) -> subprocess.Popen[bytes]:
        (self.folder / "faulty.py").write_text(FLOW.replace("SLOW", str(slow)))
        return self.start("run", "faulty.py", "--run-id-file=id")

    def finish(self, process: subprocess.Popen[bytes], expect: int = 0) -> str:
        said = process.communicate(timeout=LIMIT_S)[0].decode()
        assert process.returncode == expect, said
        return said

    @property
    def pathspec(self) -> str:
        return f"FaultyFlow/{(self.folder / 'id').read_text()}"

    def artifacts(self) -> dict[str, Any]:
        self.flow("dump", f"{self.pathspec}/end", "--file=dumped")
        (found,) = pickle.loads((self.folder / "dumped").read_bytes()).values()
        return dict(found)

    def jobs(self, step: str = "") -> list[Job]:
        return [job for job in list(self.endpoint.batch.jobs.values()) if job.name.startswith(f"faultyflow-{step}")]

    def slow_job(self) -> Job:
        """The job of the second item, once it runs."""
        return until(lambda: next((job for job in self.jobs("work-1-0") if job.status == RUNNING), None))

    def living(self) -> list[Job]:
        return [job for job in self.jobs() if job.status not in ENDED]


@pytest.fixture
def world(tmp_path: Path, endpoint: Endpoint, image: str) -> Iterator[World]:
    with HttpStoreServer() as store:
        yield World(tmp_path, endpoint, store.url, image)


@pytest.fixture
def switches() -> Switches:
    return Switches(second_s=0.05, slots=4)


def some(action: str, kind: str, numbers: range) -> Fault:
    """A fault for some requests of one action."""
    return lambda asked: kind if asked.kind == action and asked.before in numbers else ""


FAULTS: dict[str, Fault] = {
    "answers of SubmitJob are lost": some("submitjob", LOST, range(0, 100, 2)),
    "SubmitJob never arrives": some("submitjob", RESET, range(0, 100, 2)),
    "SubmitJob arrives twice": some("submitjob", TWICE, range(100)),
    "the service is busy": lambda asked: BUSY if asked.before % 3 == 1 else "",
    "answers break off": lambda asked: CUT if asked.kind != "submitjob" and asked.before % 3 == 1 else "",
    "the service is down": some("describejobs", RESET, range(4, 15)),
}


@pytest.mark.parametrize("name", FAULTS)
def test_answers(world: World, endpoint: Endpoint, name: str) -> None:
    with BatchProxy(endpoint.url, FAULTS[name]) as proxy:
        world.variables = proxy.environment(endpoint.environment())
        said = world.finish(world.run())
        assert proxy.faults.total() > 2
        assert world.artifacts()["squares"] == [1, 4, 9]
        assert "Traceback" not in said
    names = Counter(job.name for job in world.jobs())
    assert set(names.values()) == ({2} if "twice" in name else {1})


def test_a_lost_answer_and_a_listing_that_lags(world: World, endpoint: Endpoint, switches: Switches) -> None:
    """Then a job may be there twice: one of the copies claims the attempt, the other ends."""
    switches.unseen = 4
    with BatchProxy(endpoint.url, some("submitjob", LOST, range(1))) as proxy:
        world.variables = proxy.environment(endpoint.environment())
        world.finish(world.run())
        assert world.artifacts()["squares"] == [1, 4, 9]
        assert world.artifacts()["attempts"] == [0, 0, 0]


def test_throttled(world: World, switches: Switches) -> None:
    switches.calls_a_second = {"DescribeJobs": 2, "SubmitJob": 2}
    world.finish(world.run())
    assert world.artifacts()["squares"] == [1, 4, 9]


def test_a_host_is_lost(world: World, endpoint: Endpoint) -> None:
    """The task runs again, and this is none of the tries that `@retry` grants."""
    process = world.run(slow=True)
    endpoint.batch.lose_host(world.slow_job().id)
    said = world.finish(process)
    assert "Host EC2" in said and "terminated" in said
    found = world.artifacts()
    assert (found["squares"], found["attempts"]) == ([1, 4, 9], [0, 1, 0])


def test_a_job_is_killed(world: World, endpoint: Endpoint) -> None:
    process = world.run(slow=True)
    endpoint.batch.kill(world.slow_job().id)
    world.finish(process)
    assert world.artifacts()["attempts"] == [0, 1, 0]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_terminates_the_jobs(world: World, number: int, code: int) -> None:
    process = world.run(slow=True)
    job = world.slow_job()
    process.send_signal(number)
    world.finish(process, expect=code)
    assert (job.terminated, world.living()) == (True, [])
    assert "cancelled" in world.flow("runs", "FaultyFlow")


def test_a_dead_scheduler_s_jobs_are_adopted(world: World) -> None:
    process = world.run()
    until(lambda: world.jobs("work-2"))
    process.send_signal(signal.SIGKILL)
    process.communicate()
    world.flow("continue", world.pathspec)
    assert world.artifacts()["squares"] == [1, 4, 9]
    assert set(Counter(job.name for job in world.jobs()).values()) == {1}


def test_a_dead_scheduler_s_run_is_cancelled_from_elsewhere(world: World) -> None:
    process = world.run(slow=True)
    job = world.slow_job()
    process.send_signal(signal.SIGKILL)
    process.communicate()
    world.flow("cancel", world.pathspec)
    until(lambda: not world.living())
    assert job.terminated
    assert "cancelled" in world.flow("runs", "FaultyFlow")


def test_a_reason_to_wait_is_explained_at_once(world: World, switches: Switches) -> None:
    switches.hold, switches.waiting_reason = True, "MISCONFIGURATION:SERVICE_ROLE_PERMISSIONS - it says"
    process, explained = world.run(), False
    assert process.stdout is not None
    with process.stdout:
        for line in process.stdout:
            if b"AWSBatchServiceRole" in line and b"it says" in line:
                explained, switches.hold = True, False
    assert (process.wait(), explained) == (0, True)


def test_the_last_words_of_a_job_that_never_reached_our_code(world: World, bare_image: str) -> None:
    world._options[2] = f"--aws-batch-image={bare_image}"
    said = world.finish(world.run(), expect=1)
    assert "python3" in said
    assert "Traceback" not in said


# -------------------------------------------------------------------------------------------------- several nodes


def run_nodes(world: World, *words: str) -> subprocess.Popen[bytes]:
    """Three that talk to the first of them, in the folder of the test."""
    shutil.copy(FLOWS / "talking_nodes.py", world.folder)
    world._options.append(f"--aws-batch-host-volumes={world.folder}")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    return world.start(
        "run", "talking_nodes.py", "--run-id-file=id", f"--port={port}", f"--folder={world.folder}", *words
    )


def heard(world: World) -> Any:
    world.flow("dump", f"TalkingNodesFlow/{(world.folder / 'id').read_text()}/join", "--file=dumped")
    (found,) = pickle.loads((world.folder / "dumped").read_bytes()).values()
    return found["result"]


def jobs_of_nodes(world: World) -> list[Job]:
    return [job for job in list(world.endpoint.batch.jobs.values()) if job.is_gang]


def test_one_node_s_host_is_lost_and_all_run_again(world: World, endpoint: Endpoint) -> None:
    process = run_nodes(world, "--slow=2")
    until((world.folder / "slow").exists)
    (job,) = jobs_of_nodes(world)
    endpoint.batch.lose_host(f"{job.id}#2")
    said = world.finish(process)
    assert "Host EC2" in said and "talk[2]  lost" in said
    assert heard(world) == [(110, 1)] * 3
    assert [len(one.children) for one in jobs_of_nodes(world)] == [3, 3]
    assert job.terminated


def test_a_dead_scheduler_s_nodes_are_found_again(world: World) -> None:
    process = run_nodes(world, "--slow=1")
    until((world.folder / "slow").exists)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    going = world.start("continue", f"TalkingNodesFlow/{(world.folder / 'id').read_text()}")
    (world.folder / "go").touch()
    world.finish(going)
    assert heard(world) == [(110, 0)] * 3
    assert len(jobs_of_nodes(world)) == 1


def test_a_dead_scheduler_s_nodes_are_ended_from_elsewhere(world: World) -> None:
    process = run_nodes(world, "--slow=1")
    until((world.folder / "slow").exists)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    (job,) = jobs_of_nodes(world)
    assert job.status == RUNNING
    world.flow("cancel", f"TalkingNodesFlow/{(world.folder / 'id').read_text()}")
    assert job.terminated
    until(lambda: job.status in ENDED)
    assert "cancelled" in world.flow("runs", "TalkingNodesFlow")


@pytest.mark.parametrize("kind", ["fargate", "spot"])
def test_where_no_nodes_run_side_by_side_no_run_begins(world: World, switches: Switches, kind: str) -> None:
    setattr(switches, kind, True)
    shutil.copy(FLOWS / "talking_nodes.py", world.folder)
    role = "--aws-batch-execution-role=arn:aws:iam::123456789012:role/x"
    said = world.finish(world.start("run", "talking_nodes.py", "--port=1", role), expect=1)
    assert "runs no multi-node jobs" in said and "talking_nodes.py:" in said
    assert not world.endpoint.batch.jobs
