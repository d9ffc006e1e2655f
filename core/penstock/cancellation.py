"""End a run from anywhere: ask its driver, or where none lives take its place and end what it left."""

from __future__ import annotations

import time

from penstock import keys, lease, records
from penstock.continuation import read_header
from penstock.contracts.executor import RunInfo
from penstock.driver import end_run
from penstock.errors import RunFailed, UsageError
from penstock.graph import Graph
from penstock.launch import records_of
from penstock.lease import Lease
from penstock.placement import step_plans
from penstock.scheduler import job_name, known_of
from penstock.user_name import user_name
from penstock.values import CANCELLED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from penstock import plan
    from penstock.contracts.datastore import Datastore
    from penstock.home import Home

CANCEL_WAIT_S = 30.0


def cancel_run(home: Home, flow: str, run: str, note: Callable[[str], None]) -> str:
    """End a run from anywhere; returns the outcome that stands. Raises UsageError when it has ended.

    note: takes remarks for the user.
    """
    datastore = home.datastore
    read_header(datastore, flow, run)
    ended = records.read(datastore, keys.run_outcome(flow, run))
    if ended is not None:
        raise UsageError(f"{flow}/{run} has ended: {ended['outcome']}", hint=f"flow runs {flow}")
    wish = {"token": records.new_token(), "user": user_name(), "since_s": time.time()}
    datastore.put(keys.cancel(flow, run), records.encode("cancel", wish))
    until = time.monotonic() + CANCEL_WAIT_S
    while (state := lease.state(datastore, flow, run)).alive and time.monotonic() < until:
        lease.wake_driver(datastore, flow, run, state)
        ended = records.read(datastore, keys.run_outcome(flow, run))
        if ended is not None:
            return str(ended["outcome"])
        time.sleep(0.1)
    ended = records.read(datastore, keys.run_outcome(flow, run))
    if ended is not None:
        return str(ended["outcome"])
    if state.alive:
        raise RunFailed(
            f"{flow}/{run} was asked to end; its driver ({state}) has not answered yet",
            hint=f"flow runs {flow}   # it obeys at its next beat",
        )
    return _cancel_orphaned(home, flow, run, note)


def _cancel_orphaned(home: Home, flow: str, run: str, note: Callable[[str], None]) -> str:
    """Nobody drives it: take the lease, cancel the jobs that may still run elsewhere, say the outcome."""
    own = Lease(home.datastore, flow, run, user_name())
    own.take()
    try:
        header = read_header(home.datastore, flow, run)
        known, past = known_of(records_of(home.datastore, flow, run))
        wishes = {step: (name, options) for step, (name, options) in header["executor_for"].items()}
        steps = step_plans(Graph.of(header["graph"]), home, wishes)
        info = RunInfo(flow=flow, run=run, user=header["user"])
        for name in {step.executor for step in steps.values()}:
            if home.executor_class(name).starts_once:
                continue
            executor = home.executor(name, info, home.settings.options("executor", name))
            names = _frontier_names(home.datastore, flow, run, known, past)
            executor.cancel(list(executor.adopt(names).values()))
            executor.close()
        return end_run(home, header, CANCELLED, own.token, "cancelled from outside", note)
    finally:
        own.release()


def _frontier_names(
    datastore: Datastore,
    flow: str,
    run: str,
    known: Mapping[tuple[str, str], str],
    past: Mapping[tuple[str, str], plan.Past],
) -> list[str]:
    """Names of the jobs that a dead driver may have left: attempts that somebody owns and that have no record."""
    names = []
    for found in datastore.list(keys.tasks_prefix(flow, run)):
        *_, step, place, file = found.key.split("/")
        number, _, kind = file.partition(".")
        task = (keys.name(step), keys.name(place))
        if kind == "owner" and task not in known and int(number) >= (past[task].total if task in past else 0):
            names.append(job_name(flow, run, *task, int(number)))
    return names
