"""Drivers that come after one another: one that slept while another took its run over writes no outcome, a cancelled
one stops in good order, and a task that was at work when they died keeps all its attempts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from penstock.running.plan import FREE_LOSSES
from penstock.storage import keys, records
from penstock.values import LOST, SUCCEEDED
from penstock_local.file_datastore import FileDatastore

LIMIT_S = 60.0
FLOW = """
import os, signal, sys, time
from penstock import FlowSpec, step

class SlowFlow(FlowSpec):
    @step
    def start(self):
        def tidy(*_):
            time.sleep(0.7)
            open("tidied", "w").close()
            sys.exit(1)
        signal.signal(signal.SIGTERM, tidy)
        open("begun", "w").close()
        time.sleep(600 if not os.path.exists("quick") else 0)
        self.next(self.end)

    @step
    def end(self):
        pass
"""


TALKING = """
import os, time
from penstock import FlowSpec, step

class TalkingFlow(FlowSpec):
    @step
    def start(self):
        print("x" * 40_000, flush=True)
        while not os.path.exists("go"):
            time.sleep(0.01)
        self.next(self.end)

    @step
    def end(self):
        pass
"""


def test_a_dead_driver_costs_a_task_none_of_its_free_losses(tmp_path: Path) -> None:
    (tmp_path / "talking.py").write_text(TALKING)
    (tmp_path / ".penstock").mkdir()
    flow = [sys.executable, "-m", "penstock"]
    for number in range(FREE_LOSSES + 2):
        if number == 0:
            arguments = ["run", "talking.py", "--run-id-file=id"]
        else:
            arguments = ["continue", f"TalkingFlow/{(tmp_path / 'id').read_text()}"]
        with subprocess.Popen([*flow, *arguments], cwd=tmp_path, stdout=subprocess.DEVNULL) as driver:
            _until(lambda begun=f".penstock/logs/*/*/start/0/{number}.stdout": list(tmp_path.glob(begun)))
            driver.kill()
    (tmp_path / "go").touch()
    run = (tmp_path / "id").read_text()
    done = subprocess.run([*flow, "continue", f"TalkingFlow/{run}"], cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    store = FileDatastore(str(tmp_path / ".penstock"))
    found = records.fold(records.read_records(store, records.list_records(store, "TalkingFlow", run)))
    assert [one.outcome for one in found["start", "0"]] == [LOST] * (FREE_LOSSES + 2) + [SUCCEEDED]


def _until(there: Callable[[], object]) -> None:
    until = time.monotonic() + LIMIT_S
    while not there():
        assert time.monotonic() < until
        time.sleep(0.01)


def _begun(folder: Path) -> subprocess.Popen[str]:
    (folder / "slow.py").write_text(FLOW)
    (folder / ".penstock").mkdir()
    process = subprocess.Popen(
        [sys.executable, "-m", "penstock", "run", "slow.py", "--run-id-file=id"], cwd=folder, text=True,
        stdin=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip
    until = time.monotonic() + LIMIT_S
    while not (folder / "begun").exists():
        assert process.poll() is None and time.monotonic() < until
        time.sleep(0.01)
    return process


def test_cancel_lets_a_step_tidy_up(tmp_path: Path) -> None:
    process = _begun(tmp_path)
    run = (tmp_path / "id").read_text()
    done = subprocess.run([sys.executable, "-m", "penstock", "cancel", f"SlowFlow/{run}"], cwd=tmp_path, check=False)
    process.communicate(timeout=LIMIT_S)
    assert done.returncode == 0
    assert (tmp_path / "tidied").exists()
    store = FileDatastore(str(tmp_path / ".penstock"))
    assert records.read(store, keys.run_outcome("SlowFlow", run))["outcome"] == "cancelled"  # type: ignore[index]
    assert store.exists(keys.record("SlowFlow", run, "start", "0", 0))


def test_a_driver_that_lost_its_lease_says_so_and_writes_no_outcome(tmp_path: Path) -> None:
    process = _begun(tmp_path)
    run = (tmp_path / "id").read_text()
    store = FileDatastore(str(tmp_path / ".penstock"))
    lease = {"token": "other", "host": "elsewhere", "pid": 1, "user": "bob", "since_s": time.time()}
    assert store.put(keys.lease("SlowFlow", run, 2), records.encode("lease", lease))
    said = process.communicate(timeout=LIMIT_S)[1]  # it looks at its lease every ten seconds
    assert process.returncode == 1
    assert "bob on elsewhere" in said
    assert records.read(store, keys.run_outcome("SlowFlow", run)) is None
    shown = subprocess.run(
        [sys.executable, "-m", "penstock", "runs", "SlowFlow", "--json"], cwd=tmp_path, capture_output=True, check=True
    )
    assert json.loads(shown.stdout)["runs"][0]["status"] == "running"
    assert not [pid for pid in os.listdir("/proc") if pid.isdigit() and _runs_in(pid, tmp_path)]


def _runs_in(pid: str, folder: Path) -> bool:
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
        return f"{folder}/slow.py" in command and Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except OSError:
        return False
