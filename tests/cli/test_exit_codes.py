"""`docs/exit-codes.md`: each row of its table, and the same code for the same mistake in each command."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from penstock import errors
from penstock.errors import PenstockError
from tests.bad_input.shell import Shell, is_refusal, is_tidy
from tests.cli.conftest import PETS

PAGE = Path(__file__).parents[2] / "docs" / "exit-codes.md"

AWAY = '''
from penstock.errors import BackendUnavailable
from penstock_local.file_datastore import FileDatastore

class Away(FileDatastore):
    """A store that does not answer."""
    def __init__(self, root: str = "x"):
        super().__init__(root)
    def get(self, *args, **more):
        raise BackendUnavailable("the store does not answer", hint="try again")
    put = list = list_folders = get
'''
SLOW = PETS.replace('print("begin")', 'print("begin", flush=True); __import__("time").sleep(600)')
BAD = PETS.replace("        self.next(self.end)\n", "")

OF_A_FILE = ["run", "resume", "check", "show"]
OF_A_RUN = ["show", "logs", "dump", "tag", "continue", "cancel"]
EVERY = [*OF_A_FILE, *OF_A_RUN[1:], "runs", "config", "doctor"]
WORD = {"run": "pets.py", "resume": "pets.py", "check": "pets.py", "show": "pets.py", "runs": "", "config": "",
        "doctor": ""}  # fmt: skip


def _with(*words: str) -> list[list[str]]:
    """These words behind each command that can be in the way of them."""
    return [[one, *filter(None, [WORD.get(one, "PetsFlow/latest")]), *words] for one in EVERY]


# mistake -> code, command lines that make it
MISTAKES: dict[str, tuple[int, list[list[str]]]] = {
    "no such file": (2, [[one, "no.py"] for one in OF_A_FILE]),
    "a folder": (2, [[one, "folder.py"] for one in OF_A_FILE]),
    "no such flow in the file": (2, [[one, "pets.py:No"] for one in OF_A_FILE]),
    "no such flow in the store": (2, [[one, "NoFlow/latest"] for one in OF_A_RUN] + [["runs", "NoFlow"]]),
    "no such run": (2, [[one, "PetsFlow/nonono"] for one in OF_A_RUN] + [["resume", "pets.py", "--origin-run-id=no"]]),
    "a run that has ended": (2, [["continue", "PetsFlow/latest"], ["cancel", "PetsFlow/latest"]]),
    "no option": (2, [*_with("--xyzzy"), ["plugins", "--xyzzy"]]),
    "a flow that is not valid": (3, [[one, "bad.py"] for one in OF_A_FILE if one != "show"]),
    "no profile": (4, _with("--profile=xyzzy")),
    "no executor": (4, _with("--executor=xyzzy")),
    "no datastore": (4, _with("--datastore=xyzzy")),
    "a broken project file": (4, _with()),
    "a store that is away": (5, [
        *([one, "pets.py", "--datastore=away.py:Away"] for one in ("run", "resume")),
        *([one, "PetsFlow/latest", "--datastore=away.py:Away"] for one in OF_A_RUN),
        ["runs", "--datastore=away.py:Away"],
    ]),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_the_same_mistake_has_the_same_code(mistake: str, shell: Shell) -> None:
    code, lines = MISTAKES[mistake]
    for name, text in {"away.py": AWAY, "bad.py": BAD}.items():
        shell.write(name, text)
    (shell.folder / "folder.py").mkdir()
    assert shell.flow("run", "pets.py").code == 0
    if "project file" in mistake:
        shell.write("penstock.toml", "executor = \n")
    found = {" ".join(words): shell.flow(*words) for words in lines}
    assert {line: answer.code for line, answer in found.items()} == dict.fromkeys(found, code), found
    for answer in found.values():
        is_tidy(answer)
        if answer.err.strip():  # `check` prints what is wrong with a flow as its result
            is_refusal(answer, code)


# ------------------------------------------------------------------------------------------ rows of the table


def _ended_by(number: int) -> Callable[[Shell], int]:
    def code(shell: Shell) -> int:
        shell.write("slow.py", SLOW)
        with shell.start("flow", "run", "slow.py") as process:
            assert process.stdout is not None
            assert b"begin" in process.stdout.readline()
            process.send_signal(number)
            process.communicate(timeout=60)
        return process.returncode

    return code


def _into_a_closed_pipe(shell: Shell) -> int:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        return shell.flow("plugins", stdout=writing).code
    finally:
        os.close(writing)


ROWS: dict[int, Callable[[Shell], int]] = {
    0: lambda shell: shell.flow("run", "pets.py").code,
    1: lambda shell: shell.flow("run", "pets.py", "--break_it").code,
    2: lambda shell: shell.flow("run", "pets.py", "--xyzzy").code,
    3: lambda shell: shell.flow("run", str(shell.write("bad.py", BAD))).code,
    4: lambda shell: shell.flow("run", "pets.py", "--executor=xyzzy").code,
    5: lambda shell: shell.flow("run", "pets.py", f"--datastore={shell.write('away.py', AWAY)}:Away").code,
    130: _ended_by(signal.SIGINT),
    141: _into_a_closed_pipe,
    143: _ended_by(signal.SIGTERM),
}


@pytest.mark.parametrize("code", ROWS)
def test_a_row_of_the_table(code: int, shell: Shell) -> None:
    assert ROWS[code](shell) == code


def test_the_table_has_each_code_once() -> None:
    rows = re.findall(r"^\| (\d+) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert [int(code) for code in rows] == [*ROWS]


def test_each_error_has_a_code_of_the_table_and_the_tree_says_it() -> None:
    tree = dict(re.findall(r"^[ |`-]*(\w+) +(\d+) ", errors.__doc__ or "", re.MULTILINE))
    raised = {
        one.__name__: one.exit_code
        for one in vars(errors).values()
        if isinstance(one, type) and issubclass(one, PenstockError) and one is not PenstockError
    }
    assert {name: int(code) for name, code in tree.items()} == raised
    assert {*raised.values()} <= {*ROWS}
