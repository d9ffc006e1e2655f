"""An engine that can't be reached for a while: what was asked of it is done later, and nothing is told wrongly."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import docker
import docker.errors
import pytest
import requests

from penstock import contracts
from penstock.contracts.executor import JobState, JobStatus, RunInfo
from penstock.errors import BackendUnavailable
from penstock.host.elsewhere import HostOverStream
from penstock.testing.executor_suite import FLOW_NAME, Bench
from penstock.values import CANCELLED, SUCCEEDED
from penstock_docker.executor import DockerExecutor
from penstock_docker.recipe import LABEL
from tests.engine import engines, images
from tests.engine.gate import Gate
from tests.services.waiting import until

# the SDK leaves the socket of a connection that failed to the garbage collector
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket.*family=1:ResourceWarning")


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    datastore = contracts.open("penstock_local.file_datastore:FileDatastore", {"root": str(tmp_path / "store")})
    with Bench(tmp_path, datastore, DockerExecutor(RunInfo(flow=FLOW_NAME, run="none", user="suite"))) as bench:
        yield bench


@pytest.fixture
def gate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gate]:
    with Gate(tmp_path_factory.mktemp("gate"), engines.url()) as gate:
        yield gate


@pytest.fixture
def executor(bench: Bench, gate: Gate, engine: docker.DockerClient, image: str) -> Iterator[DockerExecutor]:
    executor = DockerExecutor(bench.info, url=gate.url, image=image, network="none")
    yield executor
    executor.close()
    for one in containers(engine, bench):
        one.remove(force=True)


@pytest.fixture
def warm(bench: Bench, gate: Gate, engine: docker.DockerClient, image: str) -> Iterator[DockerExecutor]:
    executor = DockerExecutor(bench.info, url=gate.url, image=image, network="none", reuse=True)
    yield executor
    executor.close()
    for one in containers(engine, bench):
        one.remove(force=True)


def containers(engine: docker.DockerClient, bench: Bench):
    return engine.containers.list(
        all=True, ignore_removed=True, filters={"label": f"{LABEL}.run={FLOW_NAME}/{bench.run}"}
    )


def asked(executor: DockerExecutor, handle: str) -> JobStatus | None:
    """The status of a job, None while the engine can't be asked."""
    try:
        return executor.poll([handle], 0.2)[handle]
    except BackendUnavailable:
        return None


def ended(executor: DockerExecutor, handle: str) -> JobStatus:
    found: list[JobStatus] = []

    def look() -> bool:
        status = asked(executor, handle)
        if status is not None and status.state.ended:
            found.append(status)
        return bool(found)

    until(look)
    return found[0]


def test_a_job_that_is_cancelled_meanwhile_is_stopped_later(bench, gate, executor):
    job, key = bench.attempt("hold")
    handle = executor.submit(job)
    until((bench.part(key) / "running").exists)
    gate.shut()
    executor.cancel([handle])
    until(lambda: asked(executor, handle) is None)
    gate.open()
    status = ended(executor, handle)
    assert (status.state, status.reason) == (JobState.FAILED, "cancelled")
    assert not bench.is_held(key)
    assert bench.record(key).outcome == CANCELLED


@pytest.mark.parametrize("which", ["executor", "warm"])
def test_a_job_that_is_handed_over_meanwhile_runs_later(request, bench, gate, which):
    executor = request.getfixturevalue(which)
    first, _ = bench.attempt("succeed")
    assert ended(executor, executor.submit(first)).state is JobState.SUCCEEDED
    gate.shut()
    job, key = bench.attempt("succeed", environment={"SUITE_FOLDER": str(bench.shared), "ANOTHER": "container"})
    handle = executor.submit(job)
    until(lambda: asked(executor, handle) is None)
    gate.open()
    assert ended(executor, handle).state is JobState.SUCCEEDED
    assert bench.record(key).outcome == SUCCEEDED


def test_what_became_of_a_warm_container_is_asked_later(bench, gate, warm, engine):
    job, key = bench.attempt("hold")
    handle = warm.submit(job)
    until((bench.part(key) / "running").exists)
    gate.shut()  # its host sees nobody any more, ends what runs there, and goes
    until(lambda: asked(warm, handle) is None)
    gate.open()
    status = ended(warm, handle)
    assert (status.state, status.reason) == (JobState.LOST, "the host in its warm container is gone")
    until(lambda: not containers(engine, bench))


def refuses(monkeypatch: pytest.MonkeyPatch, executor: DockerExecutor, call: str) -> None:
    """What an engine says now and then and can't be made to say: the call of the SDK fails with its status."""
    answer = requests.Response()
    answer.status_code = 500

    def refuse(*_: object, **__: object) -> None:
        raise docker.errors.APIError("server error", response=answer, explanation="did not receive an exit event")

    monkeypatch.setattr(executor._engine.api, call, refuse)


def test_a_container_that_the_engine_can_not_stop_is_removed(bench, executor, engine, monkeypatch):
    job, key = bench.attempt("hold")
    handle = executor.submit(job)
    until((bench.part(key) / "running").exists)
    refuses(monkeypatch, executor, "stop")
    executor.cancel([handle])
    status = ended(executor, handle)
    assert (status.state, status.reason) == (JobState.FAILED, "cancelled")
    assert containers(engine, bench) == []
    assert not bench.is_held(key)


def test_a_container_that_lives_on_is_stopped_until_it_does_not(bench, executor, monkeypatch):
    job, key = bench.attempt("hold")
    handle = executor.submit(job)
    until((bench.part(key) / "running").exists)
    with monkeypatch.context() as patch:
        refuses(patch, executor, "stop")
        refuses(patch, executor, "remove_container")
        executor.cancel([handle])
        until(lambda: asked(executor, handle) is None)
    assert ended(executor, handle).reason == "cancelled"
    assert not bench.is_held(key)


def test_what_can_not_be_removed_is_told(bench, executor, engine, monkeypatch):
    job, _ = bench.attempt("succeed")
    handle = executor.submit(job)
    ended(executor, handle)
    with monkeypatch.context() as patch:
        refuses(patch, executor, "remove_container")
        with pytest.raises(BackendUnavailable, match="has not removed 1 of its containers"):
            executor.sweep()
    executor.sweep()
    assert containers(engine, bench) == []


def test_a_warm_container_that_can_not_be_spoken_to_costs_no_other(bench, gate, image):
    class Deaf(HostOverStream):
        def kill(self, name: str) -> None:
            raise OSError("nobody hears it")

    info = bench.info.changed(host_over=Deaf)
    executor = DockerExecutor(info, url=gate.url, image=image, network="none", reuse=True)
    try:
        first, key = bench.attempt("hold")
        second, other = bench.attempt("hold", environment={"SUITE_FOLDER": str(bench.shared), "ANOTHER": "container"})
        for job in (first, second):
            executor.submit(job)
        for one in (key, other):
            until((bench.part(one) / "running").exists)
        executor.cancel([first.name])
        status = ended(executor, first.name)
        assert (status.state, "nobody hears it" in status.reason) == (JobState.LOST, True)
        bench.go(other)
        assert ended(executor, second.name).state is JobState.SUCCEEDED
    finally:
        executor.sweep()
        executor.close()


def test_an_image_that_prints_into_the_talk_with_its_host_loses_attempts_and_hangs_none(
    bench, gate, engine, image
):
    noisy = images.with_startup(engine, image, "import os; os.write(1, b'Welcome to this image!\\n')")
    executor = DockerExecutor(bench.info, url=gate.url, image=noisy, network="none", reuse=True)
    try:
        job, _ = bench.attempt("succeed")
        status = ended(executor, executor.submit(job))
        assert status.state is JobState.LOST
        assert "Welcome to this image!" in status.reason
        until(lambda: not containers(engine, bench))
    finally:
        executor.close()


def test_a_warm_container_that_can_not_start_leaves_nothing(bench, gate, engine, bare_image):
    executor = DockerExecutor(bench.info, url=gate.url, image=bare_image, network="none", reuse=True)
    try:
        job, _ = bench.attempt("succeed", secrets={"SUITE_SECRET": "x"})
        status = ended(executor, executor.submit(job))
        assert status.state is JobState.FAILED
        assert "python3" in status.reason
        until(lambda: not containers(engine, bench))
    finally:
        executor.close()


def test_a_run_that_ends_while_a_warm_container_is_made_leaves_none(bench, warm, engine):
    job, _ = bench.attempt("succeed")
    warm.submit(job)
    warm.cancel([job.name])
    warm.sweep()
    warm.close()
    assert containers(engine, bench) == []


def test_what_was_handed_over_is_made_before_an_executor_is_closed(bench, executor, image):
    job, key = bench.attempt("succeed")
    handle = executor.submit(job)
    executor.close()
    again = DockerExecutor(bench.info, image=image, network="none")
    try:
        assert again.adopt([handle]) == {handle: handle}
        assert ended(again, handle).state is JobState.SUCCEEDED
    finally:
        again.close()
    assert bench.record(key).outcome == SUCCEEDED
