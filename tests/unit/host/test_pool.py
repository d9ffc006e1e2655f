"""The hosts of a run, as their driver sees them: one that can't be understood is lost, and nothing else."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from penstock.errors import FlowError
from penstock.home import Home
from penstock.host.flow_file import FlowFile
from penstock.running.launch import declare
from penstock.running.wishes import Wishes
from tests.unit.running.heard import Heard

FLOW = """
import os, threading, time
from penstock import FlowSpec, step

def spoil():
    while not os.path.exists({when!r}):
        time.sleep(0.01)
    try:
        os.close(os.open({once!r}, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return
    os.write(LINK, b"a progress bar, perhaps " * 10)

WORDS = open("/proc/self/cmdline", "rb").read().split(b"\\0")
if b"penstock.host" in WORDS:  # not in an interpreter for one attempt
    LINK = int(WORDS[WORDS.index(b"penstock.host") + 2])
    threading.Thread(target=spoil, daemon=True).start() if {later} else spoil()

class F(FlowSpec):
    @step
    def start(self):
        is_spoilt = os.path.exists({once!r})
        open({when!r}, "w").close()
        while not is_spoilt:  # ends with its host
            time.sleep(0.01)
        self.next(self.end)
    @step
    def end(self):
        pass
"""


def flow(folder: Path, *, later: bool) -> FlowFile:
    (folder / ".penstock").mkdir()
    path = folder / "flow.py"
    path.write_text(FLOW.format(when=str(folder / "begun"), once=str(folder / "once"), later=later))
    return FlowFile(str(path))


def test_a_host_whose_channel_somebody_writes_into_is_lost_and_the_run_goes_on(tmp_path: Path) -> None:
    console = Heard()
    with closing(Home.open({}, folder=str(tmp_path))) as home, declare(flow(tmp_path, later=True)) as opened:
        result = opened.run(home, {}, Wishes(), console)
    assert (result.outcome, result.counts["lost"]) == ("succeeded", 1), console.notes
    assert console.ended[-1] == "end/0 succeeded"


def test_a_flow_file_that_writes_into_it_is_refused_with_that_reason(tmp_path: Path) -> None:
    (tmp_path / "begun").touch()
    with pytest.raises(FlowError, match="into a descriptor that it did not open: bytes that are no frame") as told:
        declare(flow(tmp_path, later=False))
    assert told.value.where.endswith("flow.py")
