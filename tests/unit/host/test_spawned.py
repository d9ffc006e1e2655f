"""A process that is started without `subprocess`: what it inherits, how it ends, how it is waited for."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from penstock.host.spawned import Spawned


def spawned(program: str, *words: object, keeps: tuple[int, ...] = ()) -> Spawned:
    return Spawned([sys.executable, "-c", program, *map(str, words)], dict(os.environ, OF_US="here"), keeps)


@pytest.mark.parametrize(
    ("program", "code"),
    [("pass", 0), ("raise SystemExit(7)", 7), ("import os; os.kill(os.getpid(), 9)", -signal.SIGKILL)],
)
def test_the_exit_code(program: str, code: int) -> None:
    process = spawned(program)
    assert process.wait() == code
    assert process.wait(0.0) == process.returncode == code


def test_one_that_goes_on_is_not_waited_for_longer_than_asked() -> None:
    process = spawned("import time; time.sleep(600)")
    assert process.returncode is None
    with pytest.raises(TimeoutError):
        process.wait(0.01)
    process.kill()
    assert process.wait(60.0) == -signal.SIGKILL
    process.kill()  # its number may be another's by now: nothing happens


def test_it_has_a_session_the_variables_and_the_descriptors_that_it_shall_have(tmp_path: Path) -> None:
    kept, other = os.open(tmp_path, os.O_RDONLY), os.open(tmp_path, os.O_RDONLY)
    os.set_inheritable(other, True)  # as one that a shell has opened for us
    said = tmp_path / "said"
    program = """
import os, sys
found = [fd for fd in map(int, os.listdir("/dev/fd")) if fd > 2 and os.path.exists(f"/dev/fd/{fd}")]
facts = [os.getsid(0) == os.getpid(), os.environ["OF_US"], repr(sys.stdin.read()), found == [int(sys.argv[2])]]
with open(sys.argv[1], "w") as file:
    print(*facts, file=file)
"""
    try:
        assert spawned(program, said, kept, keeps=(kept,)).wait() == 0
    finally:
        os.close(kept)
        os.close(other)
    assert said.read_text().split() == ["True", "here", "''", "True"]


def test_what_can_not_be_started_says_so(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Spawned([str(tmp_path / "nothing")], {})
