"""A store that can't be used, or is damaged: what and where; the rest stays readable, no wrong value is shown."""

from __future__ import annotations

import json
import os
import pickle
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bad_input.shell import FINE, Shell, is_refusal, is_tidy

KEEPING = """
from penstock import FlowSpec, step

class KeepFlow(FlowSpec):
    @step
    def start(self):
        self.small = [1, 2]
        self.large = bytes(range(256)) * 20_000
        self.next(self.middle)

    @step
    def middle(self):
        self.after = len(self.large)
        self.next(self.end)

    @step
    def end(self):
        print("end of", self.after)
"""


@pytest.fixture
def kept(shell: Shell) -> Shell:
    """A store with one run of KeepFlow, which has one large artifact."""
    shell.write("keep.py", KEEPING)
    answer = shell.flow("run", "keep.py", "--run-id-file=id")
    assert answer.code == 0, answer
    return shell


def run_of(shell: Shell) -> Path:
    """The folder of the only run."""
    return shell.store / "runs" / "KeepFlow" / (shell.folder / "id").read_text()


def largest_chunk(shell: Shell) -> Path:
    return max(
        (path for path in (shell.store / "chunks").rglob("*") if path.is_file()), key=lambda path: path.stat().st_size
    )


def no_run(shell: Shell) -> bool:
    return not (shell.store / "runs").exists()


# ------------------------------------------------------------------------------------------- can't be used


def test_a_file_where_the_store_should_be(shell: Shell) -> None:
    shell.write(".penstock", "mine")
    shell.write("fine.py", FINE)
    is_refusal(shell.flow("run", "fine.py"), 4, "a file stands where the store", next_="--local-root=")
    assert shell.store.read_text() == "mine"


def test_a_file_where_a_folder_of_the_store_should_be(shell: Shell) -> None:
    shell.write(".penstock/runs", "mine")
    shell.write("fine.py", FINE)
    is_refusal(shell.flow("run", "fine.py"), 4, "a file stands where the store", next_="--local-root=")


@pytest.mark.parametrize("content", [b"", b"something else", b"penstock-format", b"\xff" * 100])
def test_a_folder_of_another_program(content: bytes, shell: Shell) -> None:
    shell.write(".penstock/format", content)
    shell.write("fine.py", FINE)
    is_refusal(shell.flow("run", "fine.py"), 4, "is not a store of penstock", next_="flow config")
    assert no_run(shell)


def test_a_store_of_a_later_version(kept: Shell) -> None:
    path = kept.store / "format"
    path.write_bytes(path.read_bytes().replace(b"penstock-format 1 ", b"penstock-format 2 "))
    is_refusal(
        kept.flow("run", "keep.py"),
        4,
        "has format 2; this penstock reads up to 1",
        next_="pip install --upgrade penstock",
    )
    assert len(list((kept.store / "runs" / "KeepFlow").iterdir())) == 1


def test_a_record_of_a_later_version(kept: Shell) -> None:
    path = run_of(kept) / "tasks" / "middle" / "0" / "0.record"
    path.write_bytes(path.read_bytes().replace(b"penstock-record 1 ", b"penstock-record 2 "))
    is_refusal(kept.flow("resume", "keep.py"), 4, "has format 2", next_="pip install --upgrade penstock")


@pytest.mark.parametrize("root", ["sub/folder", "with space", "größe", "./x/../y", "~tilde", "%41", "a" * 200])
def test_names_of_the_folder_of_a_store(root: str, shell: Shell) -> None:
    shell.run_fine(f"--local-root={root}")
    assert not shell.store.exists()
    shown = shell.flow("dump", "FineFlow/latest/end", f"--local-root={root}")
    is_tidy(shown)
    assert shown.out == "alpha = 1\nx = 1\n", shown


def test_a_folder_whose_name_is_too_long(shell: Shell) -> None:
    shell.write("fine.py", FINE)
    is_refusal(shell.flow("run", "fine.py", "--local-root=" + "x" * 300), 4, "too long", next_="--local-root=")


def test_a_store_that_was_moved_is_the_same_store(kept: Shell) -> None:
    kept.store.rename(kept.folder / "elsewhere")
    shown = kept.flow("dump", "KeepFlow/latest/end", "--local-root=elsewhere")
    assert "after = 5120000" in shown.out, shown


def _as_another_user(shell: Shell, path: Path) -> None:
    """Take away the right to write; for root, who has it anyhow, by an attribute of the file system."""
    if os.getuid() == 0:
        if subprocess.run(["chattr", "+i", str(path)], capture_output=True).returncode:
            pytest.skip("this file system has no immutable folders, and root may write everywhere")
    else:
        path.chmod(0o500)


def _allow(path: Path) -> None:
    if os.getuid() == 0:
        subprocess.run(["chattr", "-i", str(path)], capture_output=True)
    else:
        path.chmod(0o700)


def test_a_working_folder_that_may_not_be_written(shell: Shell) -> None:
    shell.write("fine.py", FINE)
    _as_another_user(shell, shell.folder)
    try:
        is_refusal(shell.flow("run", "fine.py"), 4, "may not be used by this user", next_="--local-root=")
        is_tidy(shell.flow("runs"))
    finally:
        _allow(shell.folder)


def _mounted(path: Path, *options: str) -> None:
    path.mkdir(exist_ok=True)
    done = subprocess.run(["mount", "-t", "tmpfs", *options, "none", str(path)], capture_output=True, text=True)
    if done.returncode:
        pytest.skip("a file system can be mounted by root alone")


def test_a_disk_that_is_full(shell: Shell) -> None:
    """What was kept stays readable, and the run goes on once there is room."""
    _mounted(shell.store, "-o", "size=4m")
    try:
        shell.write("keep.py", KEEPING.replace("20_000", "4_000"))
        assert shell.flow("run", "keep.py", "--run-id-file=id").code == 0
        shell.write(
            "big.py",
            KEEPING.replace(
                "bytes(range(256)) * 20_000", "__import__('os').urandom(8_000_000)"
            ).replace("KeepFlow", "BigFlow"),
        )
        answer = shell.flow("run", "big.py")
        is_tidy(answer)
        assert answer.code in (1, 4, 5), answer
        assert "no space left in" in answer.err
        assert "bytes needed" in answer.err
        assert "free" in answer.err
        shown = shell.flow("dump", "KeepFlow/latest/end")
        assert "after = 1024000" in shown.out, shown
        is_tidy(shell.flow("runs"))
        assert shell.flow("runs").code == 0
    finally:
        subprocess.run(["umount", "-l", str(shell.store)], check=True)


def test_a_disk_that_is_mounted_for_reading_alone(shell: Shell) -> None:
    _mounted(shell.store)
    try:
        shell.write("keep.py", KEEPING)
        assert shell.flow("run", "keep.py").code == 0
        subprocess.run(["mount", "-o", "remount,ro", str(shell.store)], check=True)
        is_refusal(shell.flow("run", "keep.py"), 4, "is read-only", next_="--local-root=")
        for words in (
            ["runs"], ["show", "KeepFlow/latest"], ["dump", "KeepFlow/latest/end"], ["logs", "KeepFlow/latest/end"]
        ):
            shown = shell.flow(*words)
            is_tidy(shown)
            assert shown.code == 0, shown
    finally:
        subprocess.run(["umount", "-l", str(shell.store)], check=True)


# ------------------------------------------------------------------------------------------------- damaged


DAMAGES = {
    "missing": lambda path: path.unlink(),
    "empty": lambda path: path.write_bytes(b""),
    "truncated": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "longer": lambda path: path.write_bytes(path.read_bytes() + b"x"),
    "one bit": lambda path: path.write_bytes(path.read_bytes()[:-1] + bytes([path.read_bytes()[-1] ^ 1])),
    "zeros": lambda path: path.write_bytes(bytes(path.stat().st_size)),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_chunk_is_named_and_never_shown(damage: str, kept: Shell) -> None:
    path = largest_chunk(kept)
    path.chmod(0o600)
    DAMAGES[damage](path)
    answer = kept.flow("dump", "KeepFlow/latest/start", "--include=large", "--file=out")
    if damage == "longer" and answer.code == 0:  # what belongs to it is whole
        is_tidy(answer)
        assert pickle.loads((kept.folder / "out").read_bytes()).popitem()[1] == {"large": bytes(range(256)) * 20_000}
    else:
        is_refusal(answer, 1, "artifact 'large'", next_="flow resume")
        assert not (kept.folder / "out").exists()
    readable = kept.flow("dump", "KeepFlow/latest/start", "--include=small")
    assert readable.out == "small = [1, 2]\n"
    for words in (
        ["runs"],
        ["show", "KeepFlow/latest/start/0"],
        ["dump", "KeepFlow/latest/start", "--json"],
        ["dump", "KeepFlow/latest/start"],
    ):
        shown = kept.flow(*words)
        is_tidy(shown)
        assert shown.code == 0, shown


@pytest.mark.parametrize("damage", ["empty", "truncated", "one bit", "zeros"])
def test_a_torn_record_counts_as_lost_for_every_reader(damage: str, kept: Shell) -> None:
    path = run_of(kept) / "tasks" / "middle" / "0" / "0.record"
    DAMAGES[damage](path)
    (kept.store / "catalogue.sqlite").unlink()
    for words in (
        ["runs"],
        ["show", "KeepFlow/latest"],
        ["show", "KeepFlow/latest/middle/0"],
        ["logs", "KeepFlow/latest/middle"],
        ["dump", "KeepFlow/latest/end"],
    ):
        shown = kept.flow(*words)
        is_tidy(shown)
        assert shown.code == 0, shown
    assert "lost" in kept.flow("show", "KeepFlow/latest/middle/0").out
    again = kept.flow("resume", "keep.py")
    is_tidy(again)
    assert (again.code, again.out) == (0, "end  end of 5120000\n"), again
    assert "1 taken over" in again.err


@pytest.mark.parametrize("damage", ["missing", "empty", "truncated", "one bit", "zeros", "a folder"])
@pytest.mark.parametrize("name", ["run", "outcome"])
def test_a_damaged_header_or_outcome(damage: str, name: str, kept: Shell) -> None:
    DAMAGES[damage](run_of(kept) / name)
    (kept.store / "catalogue.sqlite").unlink()
    for words in (["runs"], ["runs", "--json"]):
        shown = kept.flow(*words)
        is_tidy(shown)
        assert shown.code == 0, shown
    for words in (
        ["show", "KeepFlow/latest"],
        ["dump", "KeepFlow/latest/end"],
        ["continue", "KeepFlow/latest"],
        ["cancel", "KeepFlow/latest"],
    ):
        shown = kept.flow(*words)
        is_tidy(shown)
        assert shown.code in (0, 1, 2, 5), shown
    fresh = kept.flow("run", "keep.py")
    is_tidy(fresh)
    assert fresh.code == 0, fresh


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_catalogue(damage: str, kept: Shell) -> None:
    """It decides nothing: listing may say that it is damaged and how to have it made again; then all is there."""
    path = kept.store / "catalogue.sqlite"
    before = json.loads(kept.flow("runs", "--json").out)
    for beside in kept.store.glob("catalogue.sqlite-*"):
        beside.unlink()
    DAMAGES[damage](path)
    for words in (
        ["runs", "--json"],
        ["show", "KeepFlow/latest"],
        ["dump", "KeepFlow/latest/end"],
        ["logs", "KeepFlow/latest/end"],
    ):
        shown = kept.flow(*words)
        is_tidy(shown)
        assert shown.code in (0, 5), shown
        if shown.code:
            is_refusal(shown, 5, "catalogue.sqlite", next_="mv .penstock/catalogue.sqlite")
    if path.exists():
        path.rename(kept.store / "catalogue.sqlite.damaged")
    assert json.loads(kept.flow("runs", "--json").out) == before


def test_a_catalogue_that_is_locked_by_another_program(kept: Shell) -> None:
    connection = sqlite3.connect(kept.store / "catalogue.sqlite", isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    try:
        for words in (["runs"], ["show", "KeepFlow/latest"]):
            shown = kept.flow(*words)
            is_tidy(shown)
            assert shown.code == 0, shown
    finally:
        connection.close()


def test_a_code_archive_that_is_damaged(kept: Shell) -> None:
    (archive,) = [path for path in (kept.store / "code").iterdir() if path.is_file()]
    archive.write_bytes(b"PK")
    (run_of(kept) / "outcome").unlink()
    is_refusal(kept.flow("continue", "KeepFlow/latest"), 1, "code archive", "damaged", next_="flow resume")
    assert "after = 5120000" in kept.flow("dump", "KeepFlow/latest/end").out


def test_foreign_files_in_the_store_are_passed_over(kept: Shell) -> None:
    for name in ("README", "runs/stray", "runs/KeepFlow/stray", "chunks/stray", "runs/.DS_Store", "runs/KeepFlow/x/y"):
        kept.write(f".penstock/{name}", "mine")
    before = kept.flow("runs")
    is_tidy(before)
    assert before.code == 0, before
    assert "KeepFlow/" in before.out
    assert kept.flow("run", "keep.py").code == 0
    assert kept.flow("dump", f"KeepFlow/{run_of(kept).name}/end").code == 0


# ------------------------------------------------------------------------------------------------- leases


def _lease(shell: Shell, **changes: object) -> None:
    """Make the run look unfinished, with a driver as described."""
    from penstock.storage import records

    (run_of(shell) / "outcome").unlink()
    for catalogue in shell.store.glob("catalogue.sqlite*"):
        catalogue.unlink()
    path = max((run_of(shell) / "lease").iterdir())
    data = {**records.decode(path.read_bytes()), **changes}
    path.write_bytes(records.encode("lease", data))


def test_a_run_that_another_machine_drives(kept: Shell) -> None:
    _lease(kept, host="elsewhere", user="bob", pid=1)
    is_refusal(
        kept.flow("continue", "KeepFlow/latest"),
        2,
        "is driven by bob on elsewhere, process 1, since",
        next_="--takeover",
    )
    is_refusal(kept.flow("resume", "keep.py"), 2, "still runs: it is driven by bob on elsewhere", next_="flow cancel")
    assert "running" in kept.flow("runs").out
    done = kept.flow("continue", "KeepFlow/latest", "--takeover")
    is_tidy(done)
    assert done.code == 0, done
    assert "succeeded" in kept.flow("runs").out


def test_a_run_whose_driver_died_here(kept: Shell) -> None:
    _lease(kept)
    assert "died" in kept.flow("runs").out
    shown = kept.flow("show", "KeepFlow/latest").out
    assert "flow continue KeepFlow/" in shown
    done = kept.flow("continue", "KeepFlow/latest")
    is_tidy(done)
    assert done.code == 0, done


def test_a_run_that_is_driven_on_this_machine(shell: Shell) -> None:
    shell.write(
        "slow.py",
        KEEPING.replace('print("end of", self.after)', 'print("here", flush=True); __import__("time").sleep(600)'),
    )
    with shell.start(sys.executable, "-P", "-m", "penstock", "run", "slow.py") as process:
        assert process.stdout is not None
        assert b"here" in process.stdout.readline()
        is_refusal(shell.flow("continue", "KeepFlow/latest"), 2, f"process {process.pid}", next_="flow cancel")
        is_refusal(shell.flow("resume", "slow.py"), 2, "still runs", next_="flow cancel")
        vague = shell.flow("cancel", "KeepFlow")
        is_refusal(vague, 2, "'KeepFlow' is a flow; which of its runs?", "(running)", next_="cancel KeepFlow/latest")
        ended = shell.flow("cancel", "KeepFlow/latest")
        is_tidy(ended)
        assert ended.code == 0, ended
        process.communicate(timeout=30)
    assert process.returncode in (130, 143)
    assert shell.processes() == []
