"""Driver and host die together, before or after a chosen storage call of the run, whoever makes that call.

The process that comes to the call is stopped there; then driver and hosts are stopped, too, and all are killed, so that
neither of them lives to see the other die. Every twelfth call is tried; PENSTOCK_CRASH_STEP=1 tries them all.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from penstock.testing.faulty import calls
from tests.faults.crashes import FLOW, LIMIT_S, Folder, children
from tests.faults.test_crash_points import options

STEP = int(os.environ.get("PENSTOCK_CRASH_STEP", "12"))
SHIFT = {"at": 0, "after": STEP // 2}  # the two together look at every sixth


@pytest.fixture(scope="module")
def number_of_calls(tmp_path_factory: pytest.TempPathFactory) -> int:
    path = tmp_path_factory.mktemp("counted") / "flow"
    folder = Folder(path, *options(path, elsewhere=False))
    done = folder.run()
    assert done.returncode == 0, done.stderr
    return calls(f"{path}/calls")


@pytest.mark.parametrize("when", ["at", "after"])
def test_nothing_is_lost_and_nothing_done_twice(when: str, number_of_calls: int, tmp_path: Path) -> None:
    assert number_of_calls > 50
    for number in range(1 + SHIFT[when], number_of_calls + 1, STEP):
        path = tmp_path / f"kill-{number}"
        folder = Folder(path, *options(path, elsewhere=False))
        stop = [f"--faulty-{kind}-stop-{when}={number}" for kind in ("datastore", "metadata")]
        _kill_together(folder.begin(*stop))
        folder.assert_no_process()
        folder.assert_whole()
        before = folder.bodies()
        for run in folder.runs():
            finished = folder.finished(run)
            if folder.ended(run) is None:
                folder.assert_died(run)
                copy = folder.copy(tmp_path / f"resumed-{number}")
                copy.assert_resumes(run, before, finished, f"call {number}")
                done = folder.flow("continue", f"{FLOW}/{run}")
                assert done.returncode == 0, f"call {number}: {done.stdout}{done.stderr}"
            folder.assert_answer(run, before, finished)
        folder.assert_no_process()


def _kill_together(driver: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + LIMIT_S
    while not (tree := _stopped_tree(driver.pid)):
        assert driver.poll() is None, "it came to its end, and not to the call"
        assert time.monotonic() < until
        time.sleep(0.001)
    for number in (signal.SIGSTOP, signal.SIGKILL):
        for pid in tree:
            os.kill(pid, number)
    driver.wait(LIMIT_S)


def _stopped_tree(driver: int) -> list[int]:
    """Driver and hosts, once one of them or of the attempts stands still at its call; until then nothing."""
    state = Path(f"/proc/{driver}/stat").read_text().rpartition(")")[2].split()[0]
    hosts = children(driver)
    states = [state, *hosts.values(), *(one for host in hosts for one in children(host).values())]
    return [driver, *hosts] if "T" in states else []
