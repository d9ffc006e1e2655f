"""Going on with a run whose driver died: its own code, whatever stands in the file now, and nobody beside it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from penstock.errors import NotFound, RunDriven, UsageError
from penstock.home import Home
from penstock.host.flow_file import FlowFile
from penstock.running.continuation import continue_run
from penstock.running.history import records_of
from penstock.running.launch import declare
from penstock.running.lease import Lease
from penstock.running.wishes import Wishes
from penstock.storage import keys, records
from penstock.values import SUCCEEDED
from tests.unit.running.heard import Heard

FLOW = """
from penstock import FlowSpec, step

class F(FlowSpec):
    @step
    def start(self):
        self.next(self.end)
    @step
    def end(self):
        self.answer = 42
"""


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    (tmp_path / ".penstock").mkdir()
    with closing(Home.open({"executor": "inline"}, folder=str(tmp_path))) as found:
        yield found


@pytest.fixture
def died(home: Home, tmp_path: Path) -> str:
    """A run of which only the first step is done, and nobody drives it; its id."""
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "flow.py").write_text(FLOW)
    with declare(FlowFile(str(tmp_path / "code" / "flow.py"))) as opened:
        run = opened.run(home, {}, Wishes(), Heard()).run
    home.datastore.delete([keys.run_outcome("F", run), keys.record("F", run, "end", "0", 0)])
    return run


def steps(home: Home, run: str) -> list[tuple[str, str]]:
    return sorted((record.step, record.outcome) for record in records_of(home.datastore, "F", run))


DONE = [("_parameters", SUCCEEDED), ("end", SUCCEEDED), ("start", SUCCEEDED)]


@pytest.mark.parametrize("then", ["same", "edited", "broken", "gone"])
def test_it_goes_on_with_the_code_that_it_began_with(home: Home, tmp_path: Path, died: str, then: str) -> None:
    file, console = tmp_path / "code" / "flow.py", Heard()
    if then == "gone":
        shutil.rmtree(file.parent)
    elif then != "same":
        file.write_text({"edited": FLOW.replace("42", "1 / 0"), "broken": "def"}[then])
    result = continue_run(home, "F", died, console)
    assert (result.outcome, result.reused, result.run) == (SUCCEEDED, 1, died)
    assert console.begun == ["end/0"]
    assert steps(home, died) == DONE
    told = [f"{file} has changed since; the run goes on with the code that it began with"]
    assert console.notes == (told if then in ("edited", "broken") else [])


def test_what_was_asked_before_is_taken_back_by_whoever_asks_now(
    home: Home, died: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("penstock.running.lease.BEAT_EVERY_S", 0.0)
    assert home.datastore.put(keys.cancel("F", died), records.encode("cancel", {"token": "t"}))
    assert continue_run(home, "F", died, Heard()).outcome == SUCCEEDED


def test_a_driver_in_a_job_heeds_it(home: Home, died: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("penstock.running.lease.BEAT_EVERY_S", 0.0)
    assert home.datastore.put(keys.cancel("F", died), records.encode("cancel", {"token": "t"}))
    assert continue_run(home, "F", died, Heard(), typed=False).exit_code == 130


def test_nobody_goes_on_beside_another_and_nothing_after_the_end(
    home: Home, died: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("penstock.running.lease.LOCK_WAIT_S", 0.0)
    driver = Lease(home.datastore, "F", died, "ann")
    driver.take()
    with pytest.raises(RunDriven, match="is driven by ann"):
        continue_run(home, "F", died, Heard())
    driver.release()
    assert continue_run(home, "F", died, Heard()).outcome == SUCCEEDED
    with pytest.raises(UsageError, match="has ended: succeeded"):
        continue_run(home, "F", died, Heard())
    with pytest.raises(NotFound):
        continue_run(home, "F", "nobody", Heard())
    Lease(home.datastore, "F", died, "bob").take()  # each of them has let go of the lock
