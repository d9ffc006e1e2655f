"""A scheduler that is killed while its host imports the flow leaves no host behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

LIMIT_S = 30.0
FLOW = """
import os, time
open("importing", "w").write(str(os.getpid()))
time.sleep(600)
"""


def test_the_host_ends_with_its_scheduler(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(FLOW)
    process = subprocess.Popen([sys.executable, "-m", "penstock", "run", "slow.py"], cwd=tmp_path)
    until = time.monotonic() + LIMIT_S
    while not (tmp_path / "importing").exists() or not (tmp_path / "importing").read_text():
        assert process.poll() is None and time.monotonic() < until
        time.sleep(0.01)
    host = int((tmp_path / "importing").read_text())
    process.send_signal(signal.SIGKILL)
    process.wait()
    while _lives(host):
        assert time.monotonic() < until, "the host is still there"
        time.sleep(0.01)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
