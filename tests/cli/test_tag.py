"""`flow tag`: both spellings, what they print and where, and what is refused before anything is changed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.bad_input.shell import Shell, is_refusal, is_tidy
from tests.cli.conftest import shell_id

SYSTEM = {"user:ann"}


@pytest.fixture
def tagged(pets: Shell, tmp_path: Path) -> Shell:
    """A copy of the store, so that each case begins alike: with the tags `blue` and `with space`."""
    shell = Shell(tmp_path / "work")
    shutil.copytree(pets.folder, shell.folder, dirs_exist_ok=True)
    return shell


def tags(shell: Shell) -> set[str]:
    found = json.loads(shell.flow("tag", f"PetsFlow/{shell_id(shell, 'first')}", "--json").out)
    assert set(found["system_tags"]) >= SYSTEM
    return set(found["tags"])


# words after `tag`, ID stands for the run; the tags afterwards
CHANGES = [
    (["add", "--run-id", "ID", "a", "ü b"], {"blue", "with space", "a", "ü b"}),
    (["add", "PetsFlow/ID", "a"], {"blue", "with space", "a"}),
    (["add", "--run-id=ID", "blue", "user:ann"], {"blue", "with space"}),
    (["remove", "--run-id", "ID", "blue", "nowhere"], {"with space"}),
    (["replace", "--run-id", "ID", "blue", "red"], {"red", "with space"}),
    (["replace", "--run-id", "ID", "--remove", "blue", "--remove=with space", "--add", "c"], {"c"}),
    (["PetsFlow/ID", "--add=x", "--remove=blue"], {"x", "with space"}),
]


@pytest.mark.parametrize(("words", "after"), CHANGES)
def test_changes(words: list[str], after: set[str], tagged: Shell) -> None:
    run = shell_id(tagged, "first")
    told = [word.replace("ID", run) for word in words]
    answer = tagged.script("pets.py", "tag", *told) if "PetsFlow/ID" not in words else tagged.flow("tag", *told)
    is_tidy(answer)
    assert answer.code == 0, answer
    assert tags(tagged) == after


REFUSED = [
    (["add", "PetsFlow/ID"], ["nothing to add"]),
    (["replace", "PetsFlow/ID"], ["nothing to replace"]),
    (["replace", "PetsFlow/ID", "blue"], ["OLD and NEW"]),
    (["remove", "PetsFlow/ID", "blue", "user:ann"], ["'user:ann' is a tag of penstock's own"]),
    (["add", "PetsFlow/ID", ""], ["can't be empty"]),
    (["add", "PetsFlow/ID", "x" * 501], ["at most 500 characters"]),
    (["PetsFlow/ID", "green"], ["what shall be done with 'green'?"]),
    (["add"], ["which run?"]),
    (["add", "PetsFlow/ID/start", "x"], ["is not a run"]),
    (["add", "PetsFlow/999", "x"], ["no run '999'"]),
]


@pytest.mark.parametrize(("words", "texts"), REFUSED)
def test_what_is_refused_changes_nothing(words: list[str], texts: list[str], pets: Shell) -> None:
    run = shell_id(pets, "first")
    is_refusal(pets.flow("tag", *(word.replace("ID", run) for word in words)), 2, *texts)
    assert tags(pets) == {"blue", "with space"}


def test_a_list_for_scripts_is_one_tag_a_line_on_standard_error(pets: Shell) -> None:
    run = shell_id(pets, "first")
    answer = pets.script("pets.py", "tag", "list", "--flat", "--hide-system-tags", "--run-id", run)
    assert answer.out == ""
    assert answer.err.splitlines()[1:] == ["blue", "with space"]
    every = pets.script("pets.py", "--quiet", "tag", "list", "--flat", "--run-id", run)
    assert {"blue", "with space", *SYSTEM} <= set(every.err.splitlines())


def test_a_list_for_people(pets: Shell) -> None:
    answer = pets.flow("tag", "PetsFlow/latest~2")
    assert (answer.code, answer.err) == (0, "")
    assert answer.out.startswith("tags  blue, with space\nof the system  ")
