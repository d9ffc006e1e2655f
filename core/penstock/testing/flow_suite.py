"""FlowSuite: real flows, run whole through the command line, on any combination of backends.

    class TestMyExecutor(FlowSuite):
        options = ("--executor=mine", "--mine-image=python:3.12")

Each flow of `penstock.testing.flows` leaves its answer in the artifact `result`; the answers must be the same
everywhere.
"""

from __future__ import annotations

import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

FLOWS = Path(__file__).parent / "flows"
LIMIT_S = 300.0

LINEAR = {
    "values": [
        None, True, 2**80, 0.5, "tëxt\n", b"\0\xff", (1, [2, {3}]), range(4), {"k": [1]}, frozenset("ab"),
    ],
    "big": 1_280_000,
    "gone": False,
    "kept": [1, 2],
    "refused": True,
    "current": ["end", "0", 0, ["flag", "made", "names", "number", "setup"]],
}  # fmt: skip
NESTED = {
    "rows": [
        ("b", [("b", 0, 0, [(0, 3), (0, 1)], 0)]),
        ("a", [("a", 0, 0, [(1, 3), (0, 2)], 0), ("a", 1, 1, [(1, 3), (1, 2)], 1)]),
        ("c", [("c", n, n, [(2, 3), (n, 3)], n) for n in range(3)]),
    ],
    "ways": ["up", "down", ["up", "down"]],
    "count": 0,
    "inherited": [],
    "shared": "same",
    "sides": ["left", "right"],
}
CHOICES = [["even", "0", "0~1", 2], ["even", "nothing", 0], ["odd", "2", "2~1", "2~2", 3]]
FAILURES = {
    "attempts": 3,
    "of_the_first": False,
    "before": "kept",
    "caught": ("RuntimeError", "attempt 1"),
    "slow": "TimeoutException",
    "killed": "FailureHandledByCatch",
}
TAGGED = {
    "tags": ["a 0", "b 1", "begun ✓", "c 2", "d 3", "joined", "shared"],
    "seen": [True] * 4,
    "parents": ["0", "1", "2", "3"],
    "of the parents": [True] * 4,
    "stored": [True] * 4,
    "successful": [True] * 4,
    "found by tag": [True],
    "status": "running",
}
SEVERAL_NODES = {"nodes": [(0, 3, 0), (1, 3, 1), (2, 3, 2)], "made_by": "base", "unit": "mm", "width": 3}


class FlowSuite:
    """Inherit, and say with which options `flow` is to run.

    kills_processes: attempts are processes of their own, so that one can be killed without the run ending with it.
    """

    options: tuple[str, ...] = ()
    kills_processes = True

    # -- what tests use

    @pytest.fixture
    def folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """A working directory with a space and an odd letter in its name, which holds the store too."""
        folder = tmp_path / "my flöws"
        folder.mkdir()
        monkeypatch.chdir(folder)
        monkeypatch.setenv("PYTHONWARNINGS", "error")
        (folder / ".penstock").mkdir()
        return folder

    def flow(self, *arguments: str, expect: int = 0) -> subprocess.CompletedProcess[bytes]:
        """Run a command to its end; its exit code must be `expect`."""
        command = [sys.executable, "-m", "penstock", *arguments, *self.options]
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, env=self.environment(), timeout=LIMIT_S, check=False
        )
        said = done.stdout.decode("utf-8", "replace") + done.stderr.decode("utf-8", "replace")
        assert done.returncode == expect, f"{command} ended with {done.returncode}\n{said}"
        return done

    def environment(self) -> Mapping[str, str]:
        """Variables of the commands."""
        return {**os.environ, "PENSTOCK_USER": "suite"}

    def run(self, folder: Path, name: str, *arguments: str, expect: int = 0) -> str:
        """Copy a flow of the suite into the folder and run it; returns `Flow/run`."""
        shutil.copy(FLOWS / f"{name}.py", folder)
        self.flow("run", f"{name}.py", "--run-id-file=id", *arguments, expect=expect)
        return self.pathspec(folder, name)

    def pathspec(self, folder: Path, name: str) -> str:
        """`Flow/run` of the run whose id stands in the file `id`."""
        flow = "".join(word.capitalize() for word in name.split("_")) + "Flow"
        return f"{flow}/{(folder / 'id').read_text()}"

    def artifacts(self, folder: Path, task: str) -> dict[str, Any]:
        """Artifacts of one task, by `flow dump`. task: `Flow/run/step` or with the task's id."""
        target = folder / "dumped"
        self.flow("dump", task, f"--file={target}", "--max-value-size=1000000000")
        dumped: dict[str, dict[str, Any]] = pickle.loads(target.read_bytes())
        assert len(dumped) == 1, f"{task} has the tasks {list(dumped)}"
        return next(iter(dumped.values()))

    # -- the flows

    def test_artifacts_parameters_and_constants(self, folder: Path) -> None:
        run = self.run(folder, "linear", "--number=5", "--flag=true", '--set-up={"depth": 2}')
        found = self.artifacts(folder, f"{run}/end")["result"]
        assert found.pop("parameters") == [
            5, True, ["a", "b"], {"depth": 2}, "LinearFlow:made", {"unit": "mm"},
        ]  # fmt: skip
        assert found == LINEAR

    @pytest.mark.parametrize(
        ("name", "step", "answer"),
        [
            ("nested", "join", NESTED),
            ("choices", "join", CHOICES),
            ("several_nodes", "end", SEVERAL_NODES),
        ],
    )
    def test_graphs(self, folder: Path, name: str, step: str, answer: object) -> None:
        run = self.run(folder, name)
        assert self.artifacts(folder, f"{run}/{step}")["result"] == answer
        assert self.artifacts(folder, f"{run}/end")["result"] == answer

    def test_tasks_look_at_their_run_and_tag_it_all_at_once(self, folder: Path) -> None:
        run = self.run(folder, "tagged", "--tag=given")
        assert self.artifacts(folder, f"{run}/join")["result"] == TAGGED
        for tag, found in (("shared", [run]), ("given", [])):  # the catalogue knows what tasks elsewhere did, too
            listed = json.loads(self.flow("runs", "TaggedFlow", f"--tag={tag}", "--json").stdout)["runs"]
            assert [f"{one['flow']}/{one['run']}" for one in listed] == found

    def test_retry_catch_and_timeout(self, folder: Path) -> None:
        if not self.kills_processes:
            pytest.skip("a killed attempt would take the scheduler with it")
        run = self.run(folder, "failures")
        assert self.artifacts(folder, f"{run}/end")["result"] == FAILURES

    def test_a_failed_run_is_resumed_and_nothing_runs_twice(self, folder: Path) -> None:
        failed = self.run(folder, "mended", f"--folder={folder}", expect=1)
        before = (folder / "ran").read_text().split("\n")
        assert "join" not in before
        (folder / "mended").touch()
        self.flow("resume", "mended.py", "--run-id-file=id")
        resumed = self.pathspec(folder, "mended")
        assert resumed != failed
        assert self.artifacts(folder, f"{resumed}/join")["result"] == ["A", "B", "C"]
        ran = (folder / "ran").read_text().split()
        assert ran.count("start") == 1
        assert "\n".join(before).count("work b") == 1
        assert (folder / "ran").read_text().count("work a") == 1
        assert (folder / "ran").read_text().count("work b") == 2
        (folder / "ran").unlink()
        self.flow("resume", "mended.py", "join", "--run-id-file=id", f"--origin-run-id={resumed.partition('/')[2]}")
        assert (folder / "ran").read_text().split() == ["join", "end"]

    def test_output_is_kept_byte_for_byte(self, folder: Path) -> None:
        if not self.kills_processes:
            pytest.skip("a killed attempt would take the scheduler with it")
        run = self.run(folder, "talkative", expect=1)
        assert self.flow("logs", f"{run}/start").stdout == "  short  ünïcode\n".encode()
        assert self.flow("logs", "--stderr", f"{run}/start").stdout == b"no line feed"
        lines = "".join(f"line {number:06d}\n" for number in range(20_000))
        assert self.flow("logs", f"{run}/long").stdout.decode() == lines
        assert self.flow("logs", "--stderr", f"{run}/long").stdout == b"\xff\xfe no text\r\n"
        assert self.flow("logs", f"{run}/end").stdout == b"just before\n"

    def test_a_dead_scheduler_is_continued(self, folder: Path) -> None:
        """SIGKILL it once the first items ran; whoever continues finds them done."""
        shutil.copy(FLOWS / "mended.py", folder)
        (folder / "mended").touch()
        command = [sys.executable, "-m", "penstock", "run", "mended.py", "--run-id-file=id"]
        command += [f"--folder={folder}", *self.options]
        process = subprocess.Popen(command, env=self.environment(), stdin=subprocess.DEVNULL)
        until = time.monotonic() + LIMIT_S
        while "start" not in _text(folder / "ran") and process.poll() is None and time.monotonic() < until:
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        process.wait()
        run = self.pathspec(folder, "mended")
        status = json.loads(self.flow("runs", "MendedFlow", "--json").stdout)
        if status and "died" in json.dumps(status):
            self.flow("continue", run)
        assert self.artifacts(folder, f"{run}/join")["result"] == ["A", "B", "C"]
        ran = (folder / "ran").read_text()
        assert ran.count("start") >= 1
        assert ran.count("join") == 1


def _text(path: Path) -> str:
    return path.read_text() if path.exists() else ""
