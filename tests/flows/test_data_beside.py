"""Data beside a flow file travels to a job elsewhere if its ending is asked for; the code always does."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

FLOW = """
import os
from penstock import FlowSpec, step

class ReaderFlow(FlowSpec):
    @step
    def start(self):
        here = os.path.dirname(os.path.abspath(__file__))
        with open(os.path.join(here, "data", "words.txt"), encoding="utf-8") as file:
            print("read", file.read(), "elsewhere" if here != {here!r} else "in place")
        self.next(self.end)
    @step
    def end(self):
        pass
"""


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (["--package-suffixes=.csv,.txt"], 0, "read Füße elsewhere"),
        ([], 1, "No such file or directory"),
    ],
)
def test_a_file_that_a_job_reads(tmp_path: Path, options: list[str], code: int, said: str) -> None:
    (tmp_path / ".penstock").mkdir()
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "words.txt").write_text("Füße", encoding="utf-8")
    (tmp_path / "flow.py").write_text(FLOW.format(here=str(tmp_path)))
    isolated = ["--executor=isolated", f"--isolated-folder={tmp_path}/jobs"]
    done = subprocess.run(
        [sys.executable, "-m", "penstock", "run", "flow.py", *isolated, *options],
        cwd=tmp_path, capture_output=True, text=True, encoding="utf-8", timeout=120.0, check=False,
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    assert said in done.stdout + done.stderr
