"""What is ordered of an executor: names that every scheduler computes alike, and what a join reads in one object."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.authoring.graph_source import graph_of_source
from penstock.contracts.executor import Executor, Job, RunInfo
from penstock.errors import ChunkDamaged
from penstock.running.message import Message
from penstock.running.orders import Orders, driver_job_name, job_name
from penstock.running.placement import StepPlan
from penstock.running.plan import Attempt, Policy, Ready
from penstock.running.spool import RecordSpool
from penstock.storage import keys, records
from penstock.values import PARAMETERS_STEP, SUCCEEDED, Record, Resources
from tests.unit.dict_datastore import DictDatastore

GRAPH = graph_of_source(
    """
class F(FlowSpec):
    @step
    def start(self):
        self.next(self.a, self.b)
    @step
    def a(self):
        self.next(self.join)
    @step
    def b(self):
        self.next(self.join)
    @step
    def join(self, inputs):
        self.next(self.end)
    @step
    def end(self):
        pass
""",
    "f.py",
)
NAMES = st.text(min_size=1, max_size=80)


@given(st.lists(st.tuples(NAMES, NAMES, NAMES, NAMES, st.integers(0, 10**9)), unique=True, max_size=8))
def test_a_job_s_name_fits_every_platform_and_is_its_own(places: list[tuple[str, str, str, str, int]]) -> None:
    names = [job_name(*place) for place in places]
    assert names == [job_name(*place) for place in places]
    for name in names:
        assert re.fullmatch(r"[a-z0-9-]{1,63}", name)
        assert not name.startswith("-")
    full = {"/".join(map(str, place)) for place in places}
    assert len(set(names)) == len(full)
    assert driver_job_name("F", "r") not in names


class Here(Executor):
    uses_hosts = True

    def submit(self, job: Job) -> str: ...
    def poll(self, job_ids: Any, timeout_s: float) -> Any: ...
    def cancel(self, job_ids: Any) -> None: ...


@pytest.fixture
def store() -> DictDatastore:
    return DictDatastore()


def ordered(store: DictDatastore, ready: Ready, *, typed: dict[str, str] | None = None, limit_s: float = 1.0) -> Job:
    orders = Orders(graph=GRAPH, run="r", datastore=store, spool=RecordSpool(store), given=typed or {}, launches=None)
    step = StepPlan(
        executor="here", options={"o": 1}, policy=Policy(), resources=Resources(cpu=2), environment={"E": "1"},
        timeout_s=limit_s,
    )  # fmt: skip
    return orders.job(ready, Attempt(3, last=True), step, Here(RunInfo(flow="F", run="r", user="ann")), "constants")


def parents(store: DictDatastore) -> tuple[str, ...]:
    made = [
        Record(flow="F", run="r", step=step, place="0", attempt=0, outcome=SUCCEEDED, token="t") for step in ("a", "b")
    ]
    for one in made:
        records.claim_record(store, one)
    return tuple(records.key_of(one) for one in made)


def test_a_step_gets_its_parent_s_key_and_what_its_decorators_grant(store: DictDatastore) -> None:
    job = ordered(store, Ready("a", "0", ("parent",)), typed={"alpha": "3"}, limit_s=10.0)
    message = Message.of(json.loads(job.message))
    assert (message.step, message.place, message.attempt, message.last) == ("a", "0", 3, True)
    assert (message.constants, tuple(message.parents)) == ("constants", ("parent",))
    assert message.inputs is message.given is None
    assert (job.environment, job.options, job.resources.cpu) == ({"E": "1"}, {"o": 1}, 2)
    assert job.timeout_s == 100.0, "the platform is the last of three to end it"
    assert (job.command, job.secrets, job.mounts) == ((), {}, ()), "a host needs none"
    assert (job.name, job.pathspec) == (job_name("F", "r", "a", "0", 3), "F/r/a/0/3")
    assert store.calls == []


def test_only_the_parameters_task_is_told_what_was_typed(store: DictDatastore) -> None:
    job = ordered(store, Ready(PARAMETERS_STEP, "0"), typed={"alpha": "3"})
    assert Message.of(json.loads(job.message)).given == {"alpha": "3"}


@pytest.mark.parametrize("before", [None, b"torn", "whole"])
def test_a_join_reads_one_object_whoever_has_written_it(store: DictDatastore, before: Any) -> None:
    ready = Ready("join", "0", parents(store))
    key = keys.inputs("F", "r", "join", "0")
    if before == "whole":
        ordered(store, ready)
    elif before is not None:
        store.put(key, before)
    message = Message.of(json.loads(ordered(store, ready).message))
    assert (message.inputs, tuple(message.parents)) == (key, ())
    assert [one.step for one in records.decode_bundle(store.get(key), key)] == ["a", "b"]


def test_a_parent_that_is_gone_is_named(store: DictDatastore) -> None:
    with pytest.raises(ChunkDamaged, match=r"the record gone/a\.record is missing"):
        ordered(store, Ready("join", "0", ("gone/a.record",)))
