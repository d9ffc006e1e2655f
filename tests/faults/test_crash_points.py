"""Every storage call of the reference flow, and a crash at it: then the run is resumed, and continued.

SQLite's way (sqlite.org/testing.html): enumerate crash points, do not only sample them.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from penstock.testing.faulty import calls
from tests.faults.crashes import FLOW, Folder

FAULTY = (
    "--datastore=penstock.testing.faulty:FaultyDatastore",
    "--metadata=local",
    "--logging=local",
    "--max-workers=1",  # one at a time: the same calls in the same order each time
)


def options(path: Path) -> tuple[str, ...]:
    return (*FAULTY, f"--faulty-datastore-root={path}/.penstock", f"--faulty-datastore-count-file={path}/calls")


@pytest.fixture(scope="module")
def number_of_calls(tmp_path_factory: pytest.TempPathFactory) -> int:
    path = tmp_path_factory.mktemp("counted") / "flow"
    folder = Folder(path, *options(path))
    done = folder.run()
    assert done.returncode == 0, done.stderr
    return calls(f"{path}/calls")


@pytest.mark.parametrize("when", ["at", "after"])
@pytest.mark.parametrize("part", range(8))
def test_a_crash_at_each_call(when: str, part: int, number_of_calls: int, tmp_path: Path) -> None:
    """In parts only so that one report tells which calls are meant."""
    assert number_of_calls > 50
    for number in range(1 + part, number_of_calls + 1, 8):
        path = tmp_path / f"crash-{number}"
        folder = Folder(path, *options(path))
        folder.run(f"--faulty-datastore-crash-{when}={number}")
        folder.assert_no_process()
        folder.assert_whole()
        before = folder.bodies()
        for run in folder.runs():
            finished = folder.finished(run)
            resumed = folder.copy(tmp_path / f"resumed-{number}")
            _assert_resumes(resumed, run, before, finished, number)
            if folder.ended(run) is None:
                done = folder.flow("continue", f"{FLOW}/{run}")
                if done.returncode != 0:  # the attempt that crashed counts as failed: its run goes on as a new one
                    assert folder.ended(run) == "failed", f"call {number}: {done.stderr}"
                else:
                    folder.assert_answer(run, before, finished)


def _assert_resumes(folder: Folder, run: str, before: list[str], finished: set[str], number: int) -> None:
    if "_parameters/0" not in finished:
        return  # the run never had its parameters: there is nothing to take over
    done = folder.flow("resume", "reference.py", f"--origin-run-id={run}", "--run-id-file=id")
    assert done.returncode == 0, f"call {number}: {done.stdout}{done.stderr}"
    folder.assert_answer((folder.path / "id").read_text(), before, finished)
    folder.assert_no_process()
