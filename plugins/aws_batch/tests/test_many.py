"""Many jobs in flight: what they cost in calls and memory. They stay in the queue: no container is part of this."""

from __future__ import annotations

import tracemalloc
from collections import Counter

import pytest

from penstock.contracts.executor import Gang, Job, JobState, RunInfo
from penstock_aws_batch.executor import CALLERS, BatchExecutor
from plugins.aws_batch.tests.endpoint import Endpoint, Switches
from tests.services.waiting import until

MANY = 400


@pytest.fixture
def switches() -> Switches:
    return Switches(hold=True)


def executor(endpoint: Endpoint) -> BatchExecutor:
    return BatchExecutor(RunInfo(flow="F", run="r", user="u"), queue=endpoint.queue, image="any")


def jobs(count: int, step: str = "work") -> list[Job]:
    return [
        Job(name=f"f-{step}-{number}-0-0123456789abcdef", message="", command=("python3", "-c", "pass", str(number)))
        for number in range(count)
    ]


def calls(endpoint: Endpoint) -> Counter[str]:
    return Counter({action: count for (_, action), count in endpoint.gate.calls.items()})


def test_calls_and_memory(endpoint: Endpoint) -> None:
    first = executor(endpoint)
    first.submit_many(jobs(CALLERS, "warm"))  # connections are there from now on
    many, before = jobs(MANY), calls(endpoint)
    tracemalloc.start()
    handles = [str(one) for one in first.submit_many(many)]
    assert calls(endpoint) - before == Counter({"batch:SubmitJob": MANY, "batch:TagResource": MANY})
    before = calls(endpoint)
    found = first.poll(handles, 0.0)
    own = tracemalloc.take_snapshot().filter_traces([tracemalloc.Filter(True, "*/penstock_aws_batch/*")])
    tracemalloc.stop()
    assert set(found) == set(handles) and {one.state for one in found.values()} == {JobState.QUEUED}
    assert calls(endpoint) - before == Counter({"batch:DescribeJobs": MANY // 100})
    assert sum(one.size for one in own.statistics("filename")) / MANY < 2000  # bytes a job
    first.close()

    second, before = executor(endpoint), calls(endpoint)
    assert dict(second.adopt([job.name for job in many])) == {
        job.name: handle for job, handle in zip(many, handles, strict=True)
    }
    assert calls(endpoint) - before == Counter({"batch:ListJobs": MANY // 100, "batch:DescribeJobQueues": 1})
    second.cancel(handles)
    assert {one.state for one in second.poll(handles, 0.0).values()} == {JobState.FAILED}
    second.close()


def test_more_than_a_look_can_ask_for_are_asked_in_turns(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each look costs so many calls and no more; after enough of them every job was asked for."""
    monkeypatch.setattr("penstock_aws_batch.executor.CALLS_A_POLL", 1)
    asking = executor(endpoint)
    handles = [str(one) for one in asking.submit_many(jobs(250))]
    endpoint.batch.CancelJob({"jobId": handles[-1], "reason": "test"})
    before, looks = calls(endpoint), 0
    while asking.poll(handles, 0.0)[handles[-1]].state is not JobState.FAILED:
        looks += 1
        assert looks < 4
    assert calls(endpoint) - before == Counter({"batch:DescribeJobs": looks + 1})
    asking.close()


def test_jobs_of_a_queue_that_a_step_named_are_adopted(endpoint: Endpoint) -> None:
    endpoint.batch.queues["other"] = "ENABLED"
    first = executor(endpoint)
    (one,) = jobs(1)
    (other,) = jobs(1, "other")
    handles = {one.name: first.submit(one), other.name: first.submit(other.changed(options={"queue": "other"}))}
    first.close()
    for queue in (endpoint.queue, None):
        second = BatchExecutor(RunInfo(flow="F", run="r", user="u"), queue=queue, image="any")
        assert dict(second.adopt([one.name, other.name, "nobody-0"])) == handles
        second.close()


def gang(step: str = "train") -> list[Job]:
    made = jobs(3, step)
    return [job.changed(gang=Gang(lead=made[0].name, index=at, size=3)) for at, job in enumerate(made)]


@pytest.mark.parametrize("others", [0, 20])
def test_nodes_are_adopted(endpoint: Endpoint, others: int) -> None:
    """One by one or by one listing, each as the node that it is, in whatever order; to cancel one ends them all."""
    first, nodes = executor(endpoint), gang()
    handles = dict(zip([job.name for job in nodes], first.submit_many(nodes), strict=True))
    first.submit_many(gang("another"))
    first.close()
    for job in endpoint.batch.jobs.values():
        job.unseen = int(not job.is_node)
    second = executor(endpoint)
    found = second.adopt([job.name for job in (*jobs(others), *reversed(nodes))])
    assert dict(found) == handles
    second.cancel([found[nodes[1].name]])
    (whole,) = {handle.partition("#")[0] for handle in found.values()}
    assert [one.id for one in endpoint.batch.jobs.values() if one.terminated and one.is_gang] == [whole]
    until(lambda: {one.state for one in second.poll(list(found.values()), 0.0).values()} == {JobState.FAILED})
    second.close()


def test_nodes_whose_job_does_not_tell_them_are_found_by_the_first(endpoint: Endpoint) -> None:
    first, nodes = executor(endpoint), gang()
    handles = first.submit_many(nodes)
    first.close()
    (whole,) = (job for job in endpoint.batch.jobs.values() if job.is_gang)
    del whole.request["parameters"]
    second = executor(endpoint)
    assert dict(second.adopt([job.name for job in nodes])) == {nodes[0].name: handles[0]}
    assert list(second.submit_many(nodes[1:])) == handles[1:]
    assert sum(job.is_gang for job in endpoint.batch.jobs.values()) == 1
    second.close()


def test_a_reason_to_wait_names_the_queue_that_jobs_wait_in(endpoint: Endpoint, switches: Switches) -> None:
    endpoint.batch.queues["other"] = "ENABLED"
    switches.waiting_reason = "because"
    notes: list[str] = []
    asking = BatchExecutor(RunInfo(flow="F", run="r", user="u", note=notes.append), queue=endpoint.queue, image="any")
    handles = [asking.submit(job.changed(options={"queue": "other"})) for job in jobs(2)]
    until(lambda: asking.poll(handles, 0.0) and "2 jobs wait in other: because" in notes)
    assert all("penstock" not in note for note in notes)
    asking.close()
