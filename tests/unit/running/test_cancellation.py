"""A run that nobody drives is ended from outside: what can be reached is ended, and what can't be is said."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from penstock.contracts.executor import Executor, Job, RunInfo
from penstock.errors import BackendError, NotFound, UsageError
from penstock.home import Home
from penstock.host.flow_file import FlowFile
from penstock.running.cancellation import cancel_run
from penstock.running.header import claim_header, make_header
from penstock.running.launch import declare
from penstock.running.orders import job_name
from penstock.running.placement import step_plans
from penstock.running.wishes import Wishes
from penstock.storage import keys, records

FLOW = """
from penstock import FlowSpec, step

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
"""
AWAY = """
from penstock.contracts.executor import Executor
from penstock.errors import BackendUnavailable

class Away(Executor):
    def submit(self, job): ...
    def poll(self, job_ids, timeout_s): ...
    def cancel(self, job_ids): ...
    def adopt(self, names):
        raise BackendUnavailable("nobody answers")
"""


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    (tmp_path / ".penstock").mkdir()
    (tmp_path / "away.py").write_text(AWAY)
    (tmp_path / "flow.py").write_text(FLOW)
    with closing(
        Home.open({"executor": "isolated", "isolated.folder": str(tmp_path / "jobs")}, folder=str(tmp_path))
    ) as found:
        yield found


def orphan(home: Home, folder: Path, executor_for: dict[str, tuple[str, dict[str, object]]]) -> str:
    """A run that was begun by somebody who is no more; its id."""
    with declare(FlowFile(str(folder / "flow.py"))) as opened:
        wishes = Wishes(executor_for=executor_for)
        steps = step_plans(opened.declaration.graph, home, wishes.executor_for)
        header = make_header(
            home, opened.declaration, steps, wishes, parameters={}, origin=None, git=None, awaited={}
        )
    return claim_header(home.datastore, header)


def left_over(home: Home, run: str) -> tuple[Executor, str]:
    """A job of the run's first task that still runs, and who has it."""
    info = RunInfo(flow="F", run=run, user="ann")
    executor = home.executor("isolated", info, home.settings.options("executor", "isolated"))
    command = (sys.executable, "-c", "import signal; signal.pause()")
    job = executor.submit(Job(name=job_name("F", run, "_parameters", "0", 0), message="", command=command))
    assert not executor.poll([job], 0.0)[job].state.ended
    return executor, job


@pytest.mark.parametrize(
    ("executor_for", "trouble"),
    [
        ({}, ""),
        ({"a": ("{folder}/away.py:Away", {})}, "away.py:Away: nobody answers"),
        ({"a": ("{folder}/away.py:Gone", {}), "end": ("nobody", {})}, "there is no executor 'nobody'"),
        ({"a": ("{folder}/gone.py:Gone", {})}, "gone.py:Gone can't be imported"),
    ],
)
def test_what_can_be_reached_is_ended_and_the_rest_is_said(
    home: Home, tmp_path: Path, executor_for: dict[str, tuple[str, dict[str, object]]], trouble: str
) -> None:
    run = orphan(home, tmp_path, {})
    chosen = {step: (name.format(folder=tmp_path), options) for step, (name, options) in executor_for.items()}
    key = keys.run_header("F", run)
    header = records.read(home.datastore, key)
    home.datastore.put(key, records.encode("run", {**header, "executor_for": chosen}), replace=True)
    executor, job = left_over(home, run)
    if trouble:
        with pytest.raises(BackendError, match=f"jobs of F/{run} may still run: .*{trouble}") as told:
            cancel_run(home, "F", run, print)
        assert f"flow cancel F/{run}" in told.value.hint
        assert records.read(home.datastore, keys.run_outcome("F", run)) is None, "one can ask again"
    else:
        assert cancel_run(home, "F", run, print) == "cancelled"
        with pytest.raises(UsageError, match="has ended: cancelled"):
            cancel_run(home, "F", run, print)
    assert executor.poll([job], 0.0)[job].state.ended
    executor.close()


def test_a_run_that_is_not_there(home: Home) -> None:
    with pytest.raises(NotFound, match="F/r has no readable header"):
        cancel_run(home, "F", "r", print)
