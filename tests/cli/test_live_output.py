"""Jobs elsewhere are heard while they run."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.bad_input.shell import Shell

FLOW = """
import sys, time
from pathlib import Path
from penstock import FlowSpec, step

class TalkFlow(FlowSpec):
    @step
    def start(self):
        print("on the way")
        print("and a half", end="", flush=True)
        print("trouble", file=sys.stderr)
        while not Path(HERE, "go").exists():
            time.sleep(0.01)
        print(" at last")
        self.next(self.end)

    @step
    def end(self):
        pass
"""


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    shell = Shell(tmp_path / "work")
    shell.write("talk.py", FLOW.replace("HERE", repr(str(shell.folder))))
    return shell


def test_lines_are_shown_while_their_task_runs_and_once(shell: Shell) -> None:
    command = (sys.executable, "-m", "penstock", "run", "talk.py")
    with shell.start(*command, "--executor=penstock.testing.isolated_executor:IsolatedExecutor") as process:
        assert process.stdout is not None
        first = process.stdout.readline()  # while the task waits for the file
        (shell.folder / "go").touch()
        out, err = process.communicate()
        assert process.returncode == 0, err
    assert (first + out).splitlines() == [b"start  on the way", b"start  and a half at last"]
    assert err.count(b"trouble") == 1
