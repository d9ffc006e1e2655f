"""How a command's process is left: what others rely on is done first."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

LEAVE = "from penstock.cli.process import leave\n"


def left(source: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", LEAVE + source], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("code", [0, 1, 130])
def test_the_exit_code_is_kept(code: int) -> None:
    assert left(f"leave({code})").returncode == code


def test_exit_functions_are_called_and_streams_flushed() -> None:
    done = left("import atexit, sys\natexit.register(print, 'bye')\nsys.stdout.write('half')\nleave(0)")
    assert (done.returncode, done.stdout, done.stderr) == (0, "halfbye\n", "")


def test_a_thread_that_still_works_is_waited_for() -> None:
    source = """
import threading
gate = threading.Event()
threading.Thread(target=lambda: (gate.wait(), print("done"))).start()
gate.set()
leave(3)
"""
    done = left(source)
    assert (done.returncode, done.stdout) == (3, "done\n")


def test_a_closed_stream_is_no_error() -> None:
    done = left("import sys\nsys.stdout.close()\nleave(0)")
    assert (done.returncode, done.stderr) == (0, "")


INTERRUPTED = """
import sys
from pathlib import Path
from penstock.cli import entry

class Interrupting:
    seen = False
    def find_spec(self, name, path, target=None):
        if name == "click.formatting" and not self.seen:
            self.seen = True
            raise KeyboardInterrupt

sys.meta_path.insert(0, Interrupting())
entry()
"""


def test_ctrl_c_while_the_command_line_itself_is_loaded(tmp_path: Path) -> None:
    """A package whose import was cut short has not all its attributes the next time."""
    said = subprocess.run(
        [sys.executable, "-c", INTERRUPTED, "runs"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (said.returncode, said.stdout, said.stderr) == (130, "", "interrupted\n")
