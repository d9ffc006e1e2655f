"""One scheduler's work on one run: whatever ends it, nothing of it is left at work, and it says how to go on."""

from __future__ import annotations

import threading
from contextlib import closing
from pathlib import Path

import pytest

from penstock.errors import PenstockError
from penstock.home import Home
from penstock.host.flow_file import FlowFile
from penstock.running import scheduler
from penstock.running.continuation import continue_run
from penstock.running.history import records_of
from penstock.running.launch import declare
from penstock.running.wishes import Wishes
from penstock.storage import keys, records
from penstock.testing.faulty import calls
from penstock.values import SUCCEEDED
from penstock_local.file_datastore import FileDatastore
from tests.unit.running.heard import Heard

FLOW = """
from penstock import FlowSpec, step

class F(FlowSpec):
    @step
    def start(self):
        self.items = [1, 2]
        self.next(self.each, foreach="items")
    @step
    def each(self):
        self.next(self.join)
    @step
    def join(self, inputs):
        self.next(self.end)
    @step
    def end(self):
        pass
"""
STORE = "penstock.testing.faulty:FaultyDatastore"


def home(folder: Path, *, fail_at: int) -> Home:
    (folder / "calls").unlink(missing_ok=True)
    flags = {
        "executor": "inline", "datastore": STORE, "faulty-datastore.root": str(folder / ".penstock"),
        "faulty-datastore.count_file": str(folder / "calls"), "faulty-datastore.fail_at": str(fail_at),
    }  # fmt: skip
    return Home.open(flags, folder=str(folder))


def threads() -> list[str]:
    return [one.name for one in threading.enumerate() if one.name.startswith("penstock")]


def test_a_store_that_refuses_any_one_call_leaves_a_run_that_can_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "flow.py").write_text(FLOW)
    with closing(home(tmp_path, fail_at=0)) as own, declare(FlowFile(str(tmp_path / "flow.py"))) as opened:
        assert opened.run(own, {}, Wishes(), Heard()).outcome == SUCCEEDED
    monkeypatch.setattr(scheduler, "STORE_PATIENCE_S", -1.0)
    store, seen, told_how = FileDatastore(str(tmp_path / ".penstock")), set[str](), 0
    for number in range(1, calls(str(tmp_path / "calls")) + 1, 2):
        seen.update(store.list_folders(keys.flow_prefix("F")))
        with closing(home(tmp_path, fail_at=number)) as own, declare(FlowFile(str(tmp_path / "flow.py"))) as opened:
            hint = ""
            try:
                opened.run(own, {}, Wishes(), Heard())
            except PenstockError as error:
                hint = error.hint
            assert threads() == []
            for run in set(store.list_folders(keys.flow_prefix("F"))) - seen:
                if records.read(store, keys.run_outcome("F", run)) is None:
                    told_how += f"flow continue F/{run}" in hint
                    assert continue_run(own, "F", run, Heard()).outcome == SUCCEEDED
                    found = [one.pathspec for one in records_of(store, "F", run) if one.outcome == SUCCEEDED]
                    assert len(found) == len({(one.step, one.place) for one in found}) == 6
    assert told_how > 3
