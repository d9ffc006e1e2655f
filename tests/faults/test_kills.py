"""SIGKILL at random instants: of the scheduler, of a host, of an attempt. What enumeration can't reach is sampled.

PENSTOCK_KILLS: how many (default 100).
"""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

import pytest

from tests.faults.crashes import FLOW, LIMIT_S, Folder, children

KILLS = int(os.environ.get("PENSTOCK_KILLS", "100"))
PARTS = 10
ISOLATED = "--executor=isolated"


def _victim(scheduler: int, kind: str) -> int | None:
    """The scheduler, its host, or an attempt of the host; None where there is none at this instant."""
    if kind == "scheduler":
        return scheduler
    hosts = list(children(scheduler))
    if kind == "host":
        return hosts[0] if hosts else None
    attempts = [attempt for host in hosts for attempt in children(host)]
    return attempts[0] if attempts else None


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("elsewhere", [False, True], ids=["local", "isolated"])
def test_kills_at_random_instants(part: int, elsewhere: bool, tmp_path: Path) -> None:
    chooser = random.Random(f"{part} {elsewhere}")
    for number in range(KILLS // PARTS // (5 if elsewhere else 1)):
        path = tmp_path / f"kill-{number}"
        jobs = (ISOLATED, f"--isolated-folder={path}/jobs") if elsewhere else ()
        folder = Folder(path, *jobs)
        kind = chooser.choice(["scheduler", "scheduler", "host", "attempt"])
        _kill_once(folder, kind, chooser.uniform(0.05, 1.6 if elsewhere else 0.45))
        if not elsewhere:
            folder.assert_no_process()
        folder.assert_whole()
        for run in folder.runs():
            _finish(folder, run, kind)
        folder.assert_no_process()


def _kill_once(folder: Folder, kind: str, after_s: float) -> None:
    process = folder.begin()
    until = time.monotonic() + after_s
    while time.monotonic() < until and process.poll() is None:
        time.sleep(0.001)
    victim = _victim(process.pid, kind)
    while victim is None and process.poll() is None:
        victim = _victim(process.pid, kind)
    if victim is not None and process.poll() is None:
        try:
            os.kill(victim, signal.SIGKILL)
        except ProcessLookupError:
            pass
    process.wait(LIMIT_S)


def _finish(folder: Folder, run: str, kind: str) -> None:
    before, finished = folder.bodies(), folder.finished(run)
    if folder.ended(run) is None:
        folder.assert_died(run)
        done = folder.flow("continue", f"{FLOW}/{run}")
        assert done.returncode == 0 or folder.ended(run) == "failed", f"{kind}: {done.stdout}{done.stderr}"
    if folder.ended(run) == "failed" and "_parameters/0" in folder.finished(run):
        folder.assert_resumes(run, before, finished, kind, *folder.options)
    elif folder.ended(run) == "succeeded":
        folder.assert_answer(run, before, finished)
