"""`flow doctor`: what it finds, what it says to type, and that it leaves nothing behind."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.bad_input.shell import Shell

SICK = """
from penstock.contracts.finding import BAD, DOUBTFUL, Finding
from penstock.errors import BackendMisconfigured
from penstock_local.process_executor import ProcessExecutor

class Sick(ProcessExecutor):
    def examine(self, mounts):
        yield Finding("ear", f"hears {len(mounts)} folder")
        yield Finding("nose", "runs", DOUBTFUL, "blow it")
        yield Finding("leg", "broken", BAD, "lie down\\x1b[2J")
        raise BackendMisconfigured("no head", hint="look for it")
"""


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path / "wörk here")


def found(shell: Shell, *arguments: str, code: int) -> list[tuple[str, str, str, str]]:
    """Subject, what, state and hint of each finding."""
    answer = shell.flow("doctor", "--json", *arguments)
    assert answer.code == code, answer
    said = json.loads(answer.out)
    assert said["good"] is (code == 0)
    return [(one["subject"], one["what"], one["state"], one["hint"]) for one in said["findings"]]


def test_of_a_healthy_place_all_is_good_and_nothing_is_made(shell):
    subjects = {subject for subject, *_ in found(shell, code=0)}
    assert {"penstock", "settings", "datastore local", "executor local"} <= subjects
    assert os.listdir(shell.folder) == []
    answer = shell.flow("doctor")
    assert answer.code == 0
    assert all(line.startswith("ok") for line in answer.out.splitlines()), answer
    assert answer.err == ""


def test_a_store_that_is_there_is_written_and_read(shell):
    shell.run_fine()
    assert ("datastore local", "round trip", "good", "") in found(shell, code=0)
    assert not (shell.store / "doctor").exists()


def test_what_a_backend_finds_is_shown_with_what_to_type(shell):
    shell.write("sick.py", SICK)
    seen = [one for one in found(shell, "--executor=sick.py:Sick", code=1) if one[0].startswith("executor")]
    assert seen[1:] == [
        ("executor sick.py:Sick", "ear", "good", ""),
        ("executor sick.py:Sick", "nose", "doubtful", "blow it"),
        ("executor sick.py:Sick", "leg", "bad", "lie down\x1b[2J"),
        ("executor sick.py:Sick", "error", "bad", "look for it"),
    ]
    answer = shell.flow("doctor", "--executor=sick.py:Sick")
    assert answer.code == 1
    assert "FAIL  executor sick.py:Sick: leg: broken\n      next: lie down\\x1b[2J\n" in answer.out
    assert answer.out.endswith("error: no head\n      next: look for it\n")


def test_a_store_that_can_not_be_made(shell):
    file = shell.write("file", "")
    assert ("datastore local", "folder", "bad", f"ls -ld {file}") in found(shell, "--local-root=file/store", code=1)


def test_an_executor_that_the_store_does_not_reach(shell):
    store = "--datastore=penstock.testing.memory_datastore:MemoryDatastore"
    seen = found(shell, store, code=1)
    assert seen[-1][:3] == ("executor local", "error", "bad")
    assert "--datastore" in seen[-1][3]


def test_a_broken_plugin_is_no_obstacle(shell):
    folder = shell.folder / "site"
    info = folder / "penstock_broken-2.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: penstock-broken\nVersion: 2.0\n")
    (info / "entry_points.txt").write_text("[penstock]\nbroken = no_such_module\n")
    shell.environment["PYTHONPATH"] = str(folder)
    expected = ("plugins", "broken", "doubtful", "pip install --upgrade penstock-broken")
    assert expected in found(shell, code=0)


def test_a_variable_that_was_probably_meant_for_another(shell):
    wrong = {"PENSTOCK_EXECUTR": "local", "PENSTOCK_LOCAL_ROT": "a b", "PENSTOCK_OF_MINE": "1", "PENSTOCK_RUN_AL": "1"}
    answer = shell.flow("doctor", env=wrong)
    assert answer.code == 0, answer
    assert "settings: PENSTOCK_EXECUTR: no setting has this variable\n" in answer.out
    assert "next: export PENSTOCK_EXECUTOR=local\n" in answer.out
    assert "next: export PENSTOCK_LOCAL_ROOT='a b'" in answer.out
    assert answer.out.count("no setting has this variable") == 2
