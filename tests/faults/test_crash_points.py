"""Every storage call of the reference flow, and a crash at it: then the run is resumed, and continued.

SQLite's way (sqlite.org/testing.html): enumerate crash points, do not only sample them. With jobs elsewhere a run takes
seconds, so that by default every eighth call is tried; PENSTOCK_CRASH_STEP=1 tries them all.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from penstock.testing.faulty import calls
from tests.faults.crashes import FLOW, Folder

FAULTY = (
    "--datastore=penstock.testing.faulty:FaultyDatastore",
    "--metadata=penstock.testing.faulty:FaultyMetadata",
    "--logging=local",
    "--max-workers=1",  # one at a time: the same calls in the same order each time
)
ISOLATED = "--executor=isolated"
PARTS = 8  # only so that one report tells which calls are meant


def options(path: Path, elsewhere: bool) -> tuple[str, ...]:
    jobs = (ISOLATED, f"--isolated-folder={path}/jobs") if elsewhere else ()
    counted = [f"--faulty-{kind}-count-file={path}/calls" for kind in ("datastore", "metadata")]
    return (*FAULTY, *jobs, *counted, f"--faulty-datastore-root={path}/.penstock")


def crash(when: str, number: int) -> list[str]:
    return [f"--faulty-{kind}-crash-{when}={number}" for kind in ("datastore", "metadata")]


@pytest.fixture(scope="module", params=[False, True], ids=["local", "isolated"])
def elsewhere(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture(scope="module")
def number_of_calls(elsewhere: bool, tmp_path_factory: pytest.TempPathFactory) -> int:
    path = tmp_path_factory.mktemp("counted") / "flow"
    folder = Folder(path, *options(path, elsewhere))
    done = folder.run()
    assert done.returncode == 0, done.stderr
    return calls(f"{path}/calls")


@pytest.mark.parametrize("when", ["at", "after"])
@pytest.mark.parametrize("part", range(PARTS))
def test_a_crash_at_each_call(elsewhere: bool, when: str, part: int, number_of_calls: int, tmp_path: Path) -> None:
    assert number_of_calls > 50
    skipped = int(os.environ.get("PENSTOCK_CRASH_STEP", "8" if elsewhere else "1"))
    for number in range(1 + part, number_of_calls + 1, PARTS * skipped):
        path = tmp_path / f"crash-{number}"
        folder = Folder(path, *options(path, elsewhere))
        folder.run(*crash(when, number))
        if not elsewhere:
            folder.assert_no_process()
        folder.assert_whole()
        before = folder.bodies()
        for run in folder.runs():
            finished = folder.finished(run)
            if not elsewhere:  # a job elsewhere may still be running here: nothing would be the same twice
                copy = folder.copy(tmp_path / f"resumed-{number}")
                copy.assert_resumes(run, before, finished, f"call {number}")
            if folder.ended(run) is None:
                done = folder.flow("continue", f"{FLOW}/{run}")
                assert done.returncode == 0 or folder.ended(run) == "failed", f"call {number}: {done.stderr}"
            if folder.ended(run) == "failed":  # the attempt that crashed had no retry left
                folder.assert_resumes(run, before, finished, f"call {number}")
            else:
                folder.assert_answer(run, before, finished)
        folder.assert_no_process()
