"""A flow that is edited while it runs: every task of the run executes the code that the run began with."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

FLOW = '''
import os, signal
from pathlib import Path
from penstock import FlowSpec, environment, resources, step

import beside
from below.inner import INNER

VERSION = "first"
HERE = Path(__file__).parent


class EditedFlow(FlowSpec):
    def look(self):
        import later  # nobody has imported it before
        from below import deeper

        data = (HERE / "data.txt").read_text()
        return [VERSION, beside.VERSION, INNER, later.VERSION, deeper.VERSION, data]

    @step
    def start(self):
        for file in HERE.rglob("*.py"):
            file.write_text("raise RuntimeError('edited in mid-run')")
        if os.environ.get("KILL_DRIVER"):
            host = Path(f"/proc/{os.getppid()}/stat").read_text()
            os.kill(int(host.rpartition(")")[2].split()[1]), signal.SIGKILL)
            signal.pause()
        self.next(self.forked)

    @step
    def forked(self):
        self.seen = {"forked": self.look()}
        self.next(self.other_host)

    @environment(vars={"OF_ANOTHER_HOST": "1"})
    @step
    def other_host(self):
        self.seen["other host"] = self.look()
        self.next(self.fresh)

    @resources(gpu=1)
    @step
    def fresh(self):
        self.seen["fresh"] = self.look()
        self.next(self.failing)

    @step
    def failing(self):
        for name, seen in sorted(self.seen.items()):
            print(name, *seen, sep="|")
        raise ValueError("on purpose")  # the line of an error is the one that ran
        self.next(self.end)

    @step
    def end(self):
        pass
'''


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / ".penstock").mkdir()
    (tmp_path / "below").mkdir()
    (tmp_path / "edited.py").write_text(FLOW)
    for name in ("beside", "later", "below/deeper"):
        (tmp_path / f"{name}.py").write_text('VERSION = "first"\n')
    (tmp_path / "below" / "inner.py").write_text('INNER = "first"\n')
    (tmp_path / "data.txt").write_text("data")
    return tmp_path


def flow(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "penstock", *arguments], cwd=folder, capture_output=True, text=True, check=False,
        timeout=60, env={**os.environ, **variables},
    )  # fmt: skip


def is_of_the_first_code(said: subprocess.CompletedProcess[str]) -> None:
    lines = {line.split("  ")[-1] for line in said.stdout.splitlines()}
    seen = "|first|first|first|first|first|data"
    assert {f"{name}{seen}" for name in ("forked", "other host", "fresh")} <= lines, said
    assert 'raise ValueError("on purpose")  # the line of an error is the one that ran' in said.stderr, said
    assert "edited in mid-run" not in said.stderr, said


def test_every_task_runs_the_code_that_the_run_began_with(folder: Path) -> None:
    is_of_the_first_code(flow(folder, "run", "edited.py"))


def test_inline_too(folder: Path) -> None:
    is_of_the_first_code(flow(folder, "run", "edited.py", "--executor=inline"))


def test_continue_goes_on_with_it(folder: Path) -> None:
    died = flow(folder, "run", "edited.py", "--run-id-file=id", KILL_DRIVER="1")
    assert died.returncode == -9, died
    done = flow(folder, "continue", f"EditedFlow/{(folder / 'id').read_text()}")
    is_of_the_first_code(done)
    assert f"{folder}/edited.py has changed since; the run goes on with the code that it began with" in done.stderr


def test_continue_where_the_folder_of_the_flow_is_no_more(folder: Path) -> None:
    """Then what lies beside the flow is what the archive has."""
    died = flow(folder, "run", "edited.py", "--run-id-file=id", KILL_DRIVER="1")
    assert died.returncode == -9, died
    elsewhere = folder.parent / "elsewhere"
    elsewhere.mkdir()
    shutil.move(folder / ".penstock", elsewhere / ".penstock")
    run = (folder / "id").read_text()
    shutil.rmtree(folder)
    done = flow(elsewhere, "continue", f"EditedFlow/{run}")
    assert "No such file or directory" in done.stderr
    assert "data.txt" in done.stderr
    assert "edited in mid-run" not in done.stderr


@pytest.mark.parametrize("options", [(), ("--executor=inline",)], ids=" ".join)
def test_an_edit_counts_at_once_whatever_byte_code_there_is(folder: Path, options: tuple[str, ...]) -> None:
    """Byte code that fits the file by size and second is not taken for it."""
    file = folder / "animal.py"
    began = None
    for animal in ("cat", "dog"):
        file.write_text(
            "from penstock import FlowSpec, step\nclass AnimalFlow(FlowSpec):\n    @step\n    def start(self):\n"
            f"        print('it is a {animal}')\n        self.next(self.end)\n    @step\n    def end(self): pass\n"
        )
        began = began or file.stat().st_mtime_ns
        os.utime(file, ns=(began, began))
        said = flow(folder, "run", "animal.py", *options, PYTHONDONTWRITEBYTECODE="")
        assert f"it is a {animal}" in said.stdout, said
