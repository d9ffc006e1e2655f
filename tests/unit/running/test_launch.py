"""Runs are begun, and begun over what an origin has done: real hosts, a real store, and what is refused before."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from penstock.errors import FlowError, NotFound, RunDriven, SettingsError, UsageError
from penstock.home import Home
from penstock.host.flow_file import FlowFile
from penstock.running.header import read_header
from penstock.running.history import records_of
from penstock.running.launch import declare
from penstock.running.lease import Lease
from penstock.running.wishes import Wishes
from penstock.storage import keys, records
from penstock.values import SUCCEEDED
from tests.unit.running.heard import Heard

FLOW = """
import os
from penstock import FlowSpec, Parameter, step

class F(FlowSpec):
    alpha = Parameter("alpha", default=1)
    {more}
    @step
    def start(self):
        self.next(self.middle)
    @step
    def middle(self):
        if not os.path.exists({mended!r}):
            raise ValueError("not yet")
        self.beta = self.alpha + 1
        self.next(self.end)
    @step
    def end(self):
        pass
"""


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    (tmp_path / ".penstock").mkdir()
    with closing(Home.open({"executor": "inline"}, folder=str(tmp_path))) as found:
        yield found


def flow(folder: Path, more: str = "") -> FlowFile:
    (folder / "flow.py").write_text(FLOW.format(mended=str(folder / "mended"), more=more))
    return FlowFile(str(folder / "flow.py"))


def test_what_has_failed_is_begun_again_over_what_it_has_done(home: Home, tmp_path: Path) -> None:
    wishes = Wishes(run_id_file=str(tmp_path / "id"), tags=["nightly"])
    with declare(flow(tmp_path)) as opened:
        first = opened.run(home, {"alpha": "3"}, wishes, Heard())
    assert (first.outcome, first.exit_code, first.begun) == ("failed", 1, True)
    assert [str(at) for at in first.failed] == [f"F/{first.run}/middle/0"]
    assert (tmp_path / "id").read_text() == first.run
    assert read_header(home.datastore, "F", first.run)["tags"] == ["nightly"]
    (tmp_path / "mended").touch()
    with declare(flow(tmp_path)) as opened:
        second = opened.resume(home, Wishes(), Heard(), origin=first.run)
    assert (second.outcome, second.exit_code, second.reused) == (SUCCEEDED, 0, 1)
    assert read_header(home.datastore, "F", second.run)["origin"] == first.run
    found = {record.step: record for record in records_of(home.datastore, "F", second.run)}
    assert (found["start"].run, found["middle"].run) == (first.run, second.run)
    with declare(flow(tmp_path)) as opened:
        third = opened.resume(home, Wishes(), Heard(), step="start")
    assert (third.outcome, third.reused) == (SUCCEEDED, 0)


def test_what_can_t_be_resumed_is_refused_and_no_run_is_made(home: Home, tmp_path: Path) -> None:
    with declare(flow(tmp_path)) as opened:
        with pytest.raises(NotFound):
            opened.resume(home, Wishes(), Heard())
        run = opened.run(home, {}, Wishes(), Heard()).run
    with declare(flow(tmp_path, "gamma = Parameter('gamma', default=2)")) as opened:
        with pytest.raises(UsageError, match="has no step 'midle'") as told:
            opened.resume(home, Wishes(), Heard(), step="midle")
        assert "middle" in told.value.hint
        with pytest.raises(UsageError, match="'gamma' is new since"):
            opened.resume(home, Wishes(), Heard())
        with pytest.raises(UsageError, match="--executor-for names a step 'ned'"):
            opened.run(home, {}, Wishes(executor_for={"ned": ("local", {})}), Heard())
        with pytest.raises(SettingsError, match="no job of inline can drive a run"):
            opened.run(home, {}, Wishes(detach=True), Heard())
    assert list(home.datastore.list_folders(keys.flow_prefix("F"))) == [run]


def test_a_run_that_goes_on_is_no_origin(home: Home, tmp_path: Path) -> None:
    with declare(flow(tmp_path)) as opened:
        run = opened.run(home, {}, Wishes(), Heard()).run
        home.datastore.delete([keys.run_outcome("F", run)])
        driver = Lease(home.datastore, "F", run, "ann")
        driver.take()
        with pytest.raises(RunDriven, match=f"F/{run} still runs: it is driven by ann"):
            opened.resume(home, Wishes(), Heard())
        driver.release()


def test_a_file_that_can_t_be_imported_leaves_no_host(tmp_path: Path) -> None:
    (tmp_path / "flow.py").write_text("1 / 0")
    with pytest.raises(FlowError, match="division by zero") as told:
        declare(FlowFile(str(tmp_path / "flow.py")))
    assert told.value.where.endswith("flow.py:1")


def test_what_is_taken_stands_before_anything_starts_byte_for_byte(home: Home, tmp_path: Path) -> None:
    with declare(flow(tmp_path)) as opened:
        first = opened.run(home, {}, Wishes(), Heard()).run
        second = opened.resume(home, Wishes(), Heard(), origin=first).run
        third = opened.resume(home, Wishes(), Heard(), origin=second).run
    for run in (second, third):
        raw = home.datastore.get(keys.taken("F", run))
        taken = {record.step: one for record, one in records.decode_bundle_raw(raw, keys.taken("F", run))}
        assert taken["start"] == home.datastore.get(keys.record("F", first, "start", "0", 0))
