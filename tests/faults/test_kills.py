"""SIGKILL at random instants: of the scheduler, of a host, of an attempt. What enumeration can't reach is sampled.

PENSTOCK_KILLS: how many (default 100).
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.faults.crashes import FLOW, LIMIT_S, Folder

KILLS = int(os.environ.get("PENSTOCK_KILLS", "100"))
PARTS = 10
ISOLATED = "--executor=isolated"


def _children(pid: int) -> list[int]:
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            fields = Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid:
            found.append(int(name))
    return found


def _victim(scheduler: int, kind: str) -> int | None:
    """The scheduler, its host, or an attempt of the host; None where there is none at this instant."""
    if kind == "scheduler":
        return scheduler
    hosts = _children(scheduler)
    if kind == "host":
        return hosts[0] if hosts else None
    attempts = [attempt for host in hosts for attempt in _children(host)]
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
    command = folder.command("run", "reference.py", f"--folder={folder.path}", *folder.options)
    process = subprocess.Popen(
        command, cwd=folder.path, env=folder.environment(), stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
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
        shown = json.loads(folder.flow("runs", FLOW, "--json").stdout)
        assert "died" in json.dumps(shown), shown
        done = folder.flow("continue", f"{FLOW}/{run}")
        assert done.returncode == 0 or folder.ended(run) == "failed", f"{kind}: {done.stdout}{done.stderr}"
    if folder.ended(run) == "failed" and "_parameters/0" in folder.finished(run):
        done = folder.flow("resume", "reference.py", f"--origin-run-id={run}", "--run-id-file=id", *folder.options)
        assert done.returncode == 0, f"{kind}: {done.stdout}{done.stderr}"
        run = (folder.path / "id").read_text()
    if folder.ended(run) == "succeeded":
        folder.assert_answer(run, before, finished)
