"""Several schedulers continue one run at the same moment: one drives, the others are told who; there is one outcome."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.faults.crashes import FLOW, LIMIT_S, Folder

ISOLATED = "--executor=isolated"
DRIVERS = 4


@pytest.mark.parametrize("elsewhere", [False, True], ids=["local", "isolated"])
@pytest.mark.parametrize("bodies", [1, 4, 7])
def test_one_drives_and_the_others_are_told_who(elsewhere: bool, bodies: int, tmp_path: Path) -> None:
    path = tmp_path / "flow"
    folder = Folder(path, *((ISOLATED, f"--isolated-folder={path}/jobs") if elsewhere else ()))
    (run,) = _killed_after(folder, bodies)
    before, finished = folder.bodies(), folder.finished(run)
    drivers = [
        subprocess.Popen(
            folder.command("continue", f"{FLOW}/{run}"), cwd=folder.path, env=folder.environment(),
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )
        for _ in range(DRIVERS)
    ]  # fmt: skip
    said = [driver.communicate(timeout=LIMIT_S)[1] for driver in drivers]
    codes = [driver.returncode for driver in drivers]
    assert codes.count(0) == 1 or folder.ended(run) == "failed", (codes, said)
    for code, text in zip(codes, said, strict=True):
        if code != 0 and "Flow/" in text and "failed:" not in text:  # not the one that drove
            assert any(word in text for word in ("is driven by", "another scheduler", "has ended")), text
    if folder.ended(run) == "succeeded":
        folder.assert_answer(run, before, finished)
    folder.assert_no_process()


def _killed_after(folder: Folder, bodies: int) -> list[str]:
    """Kill the scheduler once so many bodies have begun."""
    process = folder.begin()
    until = time.monotonic() + LIMIT_S
    while len(folder.bodies()) < bodies:
        assert process.poll() is None and time.monotonic() < until
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.wait()
    return folder.runs()
