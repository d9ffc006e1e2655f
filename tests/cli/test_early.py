"""Which flow is opened before the command line is understood, and that its host never outlives the command."""

from __future__ import annotations

from pathlib import Path

import pytest

from penstock.cli import early
from penstock.cli.session import Session


@pytest.mark.parametrize(
    ("words", "certain"),
    [
        ("run pets.py", True),
        ("run pets.py:PetsFlow --alpha=3", True),
        ("resume pets.py train", True),
        ("run --tag blue pets.py", False),
        ("run pets.py --metaflow", False),
        ("run pets.py --with retry", False),
        ("run pets.py --with=retry:times=3", False),
        ("run", False),
        ("--quiet run pets.py", False),
        ("check pets.py", False),
        ("show run", False),
        ("", False),
    ],
)
def test_only_what_is_certain_is_begun(words: str, certain: bool) -> None:
    assert early.is_certain(words.split(), script=False) is certain


@pytest.mark.parametrize(
    ("words", "certain"), [("run --alpha=3", True), ("resume", True), ("run --with retry", False), ("show", False)]
)
def test_a_script_is_its_own_file(words: str, certain: bool) -> None:
    assert early.is_certain(words.split(), script=True) is certain


def test_a_file_that_is_not_there_is_left_to_the_command(tmp_path: Path) -> None:
    session = Session()
    early.begin(session, ["run", str(tmp_path / "nothing.py")])  # the command says what is wrong, and how
    session.close()


@pytest.fixture
def slow(tmp_path: Path) -> Path:
    file = tmp_path / "slow.py"
    file.write_text("import time\ntime.sleep(600)\n")
    return file


def test_a_host_that_no_command_takes_is_ended(slow: Path) -> None:
    session = Session()
    early.begin(session, ["run", str(slow)])
    host = session.open_flow(session.flow_file(str(slow))).host.process  # the same: nothing is begun twice
    with pytest.raises(TimeoutError):
        host.wait(0.0)
    session.close()
    host.wait(0.0)


def test_a_file_that_is_read_otherwise_is_opened_anew(slow: Path) -> None:
    session = Session()
    first = session.open_flow(session.flow_file(str(slow))).host.process
    second = session.open_flow(session.flow_file(f"{slow}:SlowFlow")).host.process
    first.wait(0.0)
    with pytest.raises(TimeoutError):
        second.wait(0.0)
    session.close()
