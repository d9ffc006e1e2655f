"""End a run from anywhere: ask its driver, or where none lives take its place and end what it left."""

from __future__ import annotations

import time
from contextlib import closing

from penstock.authoring.graph import Graph
from penstock.contracts.executor import RunInfo
from penstock.errors import BackendError, PenstockError, RunFailed, UsageError
from penstock.running import lease, plan
from penstock.running.header import read_header
from penstock.running.history import known_of, records_of, standing_of
from penstock.running.lease import Lease
from penstock.running.orders import driver_job_name, job_name
from penstock.running.outcome import end_run
from penstock.running.placement import executors_said
from penstock.storage import keys, records
from penstock.user_name import user_name
from penstock.values import CANCELLED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

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
    asked = {"token": records.new_token(), "user": user_name(), "since_s": time.time()}
    datastore.put(keys.cancel(flow, run), records.encode("cancel", asked))
    until = time.monotonic() + CANCEL_WAIT_S
    state = lease.state(datastore, flow, run)
    lease.wake_driver(datastore, flow, run, state)  # once: a second signal would cut it off in the middle
    while state.alive and not state.to_come and time.monotonic() < until:
        ended = records.read(datastore, keys.run_outcome(flow, run))
        if ended is not None:
            return str(ended["outcome"])
        time.sleep(0.1)
        state = lease.state(datastore, flow, run)
    ended = records.read(datastore, keys.run_outcome(flow, run))
    if ended is not None:
        return str(ended["outcome"])
    if state.alive and not state.to_come:
        raise RunFailed(
            f"{flow}/{run} was asked to end; its driver ({state}) has not answered yet",
            hint=f"flow runs {flow}   # it obeys at its next beat",
        )
    return _cancel_orphaned(home, flow, run, note)


def _cancel_orphaned(home: Home, flow: str, run: str, note: Callable[[str], None]) -> str:
    """Nobody drives it: take the lease, cancel the jobs that may still run elsewhere, say the outcome.

    Raises BackendError where jobs could not be ended; the run has no outcome then, so that one can ask again.
    """
    own = Lease(home.datastore, flow, run, user_name())
    own.take(for_job=True)
    try:
        header = read_header(home.datastore, flow, run)
        trouble = _end_jobs(home, header)
        if trouble:
            raise BackendError(
                f"jobs of {flow}/{run} may still run: {'; '.join(trouble)}",
                hint=f"flow cancel {flow}/{run}   # again, when that is mended; all others are ended",
            )
        return end_run(home, header, CANCELLED, own.token, "cancelled from outside", note)
    finally:
        own.release()


def _end_jobs(home: Home, header: Mapping[str, Any]) -> list[str]:
    """End what every executor of the run may still have; returns, in words, what could not be ended."""
    flow, run = header["flow"], header["run"]
    graph, found = Graph.of(header["graph"]), records_of(home.datastore, flow, run)
    _, past = known_of(found)
    names = [driver_job_name(flow, run)]
    names += [
        job_name(flow, run, *ready.task, past[ready.task].total if ready.task in past else 0)
        for ready in plan.taken(graph, standing_of(found))[1]
    ]
    info = RunInfo(flow=flow, run=run, user=header["user"])
    said = [executors_said(step, header["executor_for"]) for step in graph.steps.values()]
    trouble = []
    for name in sorted({(told or own or (home.settings.executor,))[0] for told, own in said}):
        try:
            if not home.executor_class(name).starts_once:
                with closing(home.executor(name, info, home.settings.options("executor", name))) as executor:
                    executor.cancel(list(executor.adopt(names).values()))
                    executor.sweep()
        except PenstockError as error:
            trouble.append(f"{name}: {error.in_one_line}")
    return trouble
