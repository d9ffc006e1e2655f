"""What the crash tests share: run the reference flow in a folder of its own, break it, look, and have it finished."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import subprocess
import sys
import time
from pathlib import Path

import penstock.testing
from penstock.running.history import records_of
from penstock.storage import keys, records
from penstock.values import SUCCEEDED
from penstock_local.file_datastore import FileDatastore

FLOW = "ReferenceFlow"
SOURCE = Path(penstock.testing.__file__).parent / "flows" / "reference.py"
ANSWER = [(["a1", "a2"], 0, False), (["b1", "b2"], 2, True)]
PATIENCE_S = 10.0  # in which every process of a dead run must be gone
LIMIT_S = 120.0


class Folder:
    """A working directory with the flow, its store, and the file `ran` to which each body adds a line."""

    def __init__(self, path: Path, *options: str) -> None:
        self.path, self.options = path, options
        path.mkdir()
        shutil.copy(SOURCE, path / "reference.py")
        (path / ".penstock").mkdir()

    @property
    def store(self) -> FileDatastore:
        return FileDatastore(root=str(self.path / ".penstock"))

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "penstock", *arguments]

    def environment(self) -> dict[str, str]:
        return {**os.environ, "PENSTOCK_USER": "crash"}

    def flow(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*arguments), cwd=self.path, env=self.environment(), stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=LIMIT_S, check=False,
        )  # fmt: skip

    def run(self, *extra: str) -> subprocess.CompletedProcess[str]:
        return self.flow("run", "reference.py", f"--folder={self.path}", *self.options, *extra)

    def begin(self, *extra: str) -> subprocess.Popen[bytes]:
        """As `run`, to be killed."""
        return subprocess.Popen(
            self.command("run", "reference.py", f"--folder={self.path}", *self.options, *extra),
            cwd=self.path, env=self.environment(),
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def runs(self) -> list[str]:
        return sorted(self.store.list_folders(keys.flow_prefix(FLOW)))

    def ended(self, run: str) -> str | None:
        found = records.read(self.store, keys.run_outcome(FLOW, run))
        return None if found is None else str(found["outcome"])

    def bodies(self) -> list[str]:
        path = self.path / "ran"
        return path.read_text().splitlines() if path.exists() else []

    def finished(self, run: str) -> set[str]:
        """`step/place` of tasks that a record says have succeeded."""
        return {f"{r.step}/{r.place}" for r in records_of(self.store, FLOW, run) if r.outcome == SUCCEEDED}

    def copy(self, path: Path) -> Folder:
        """The same state elsewhere: a store may be copied, nothing in it is absolute but the flow's own parameter."""
        shutil.copytree(self.path, path, symlinks=True)
        other = Folder.__new__(Folder)
        other.path, other.options = path, tuple(o.replace(str(self.path), str(path)) for o in self.options)
        return other

    # -- what must hold

    def assert_whole(self) -> None:
        """Nothing half-written is visible, and listing works."""
        for found in self.store.list(keys.RUNS):
            if found.key.endswith((".record", "/run", "/outcome")):
                records.decode(self.store.get(found.key), found.key)
        listed = self.flow("runs", FLOW, "--json")
        assert listed.returncode in (0, 2), listed.stderr
        json.loads(listed.stdout or "[]")

    def assert_no_process(self) -> None:
        """Schedulers, hosts and attempts are gone: all of them have this folder in their argv."""
        until = time.monotonic() + PATIENCE_S
        while left := self._processes():
            assert time.monotonic() < until, f"still there after {PATIENCE_S} s: {left}"
            time.sleep(0.02)

    def _processes(self) -> list[str]:
        found = []
        for name in filter(str.isdigit, os.listdir("/proc")):
            try:
                command = Path(f"/proc/{name}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                state = Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()[0]
            except OSError:
                continue
            ours = f"{self.path}/" in command or f"{self.path} " in command
            if "penstock" in command and ours and state != "Z":
                found.append(f"{name} {command}")
        return found

    def assert_died(self, run: str) -> None:
        """Nobody says that it still runs."""
        shown = json.loads(self.flow("runs", FLOW, "--json").stdout)
        assert [one["status"] for one in shown["runs"] if one["run"] == run] == ["died"], shown

    def assert_resumes(self, run: str, before: list[str], finished: set[str], told: object, *options: str) -> None:
        """A new run takes over what was finished, and comes to the same answer. told: what to say if not."""
        if "_parameters/0" not in finished:
            return  # the run never had its parameters: there is nothing to take over
        done = self.flow("resume", "reference.py", f"--origin-run-id={run}", "--run-id-file=id", *options)
        assert done.returncode == 0, f"{told}: {done.stdout}{done.stderr}"
        self.assert_answer((self.path / "id").read_text(), before, finished)
        self.assert_no_process()

    def assert_answer(self, run: str, before: list[str], finished: set[str]) -> None:
        """The artifacts of an undisturbed run, and no body of a task that was finished before has run again."""
        dumped = self.path / "dumped"
        done = self.flow("dump", f"{FLOW}/{run}/end", f"--file={dumped}", "--max-value-size=1000000")
        assert done.returncode == 0, done.stderr
        (artifacts,) = pickle.loads(dumped.read_bytes()).values()
        assert artifacts["result"] == ANSWER
        for task in finished:
            times = [sum(line.startswith(f"{task}/") for line in lines) for lines in (before, self.bodies())]
            assert times[0] == times[1], f"{task} had finished and ran again: {self.bodies()}"
        successes = [f"{r.step}/{r.place}" for r in records_of(self.store, FLOW, run) if r.outcome == SUCCEEDED]
        assert len(successes) == len(set(successes)), f"two successes of one task: {sorted(successes)}"


def children(pid: int) -> dict[int, str]:
    """Processes that this one has started, with their state: `R`, `S`, `T` for stopped, `Z` ..."""
    found = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            state, parent = Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()[:2]
        except OSError:
            continue
        if int(parent) == pid:
            found[int(name)] = state
    return found
