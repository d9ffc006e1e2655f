"""A class of cells as a flow file. In a real kernel: tests/examples/test_notebook.py."""

from __future__ import annotations

import linecache
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from penstock.authoring import notebook
from penstock.authoring.notebook import flow_file
from penstock.errors import FlowError

CELL = """
from penstock import FlowSpec, step
class CellFlow(FlowSpec):
    @step
    def start(self):
        self.total = add(*numbers)
        self.next(self.end)
    @step
    def end(self):
        pass
"""
HELP = "def add(*numbers):\n    return sum(numbers)\n"


@pytest.fixture
def cells(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """`cells(**names)` is `CellFlow` as a notebook with these names besides would have it."""
    monkeypatch.chdir(tmp_path)

    def define(**names: Any) -> Any:
        space = {"__name__": "__main__", "numbers": [1, 2], **names}
        for name, text in {"<cell 1>": HELP, "<cell 2>": CELL}.items():
            monkeypatch.setitem(linecache.cache, name, (len(text), None, text.splitlines(True), name))
            exec(compile(text, name, "exec"), space)
        return space["CellFlow"]

    return define


def test_the_file_has_the_cells_and_runs_anywhere(cells: Any, tmp_path: Path) -> None:
    with flow_file(cells()) as path:
        text = Path(path).read_text()
        assert all(repr(line) in text for line in (HELP + CELL).splitlines(True))
        shown = subprocess.run(
            [sys.executable, "-m", "penstock", "run", path], cwd=tmp_path, capture_output=True, text=True
        )
        assert shown.returncode == 0, shown.stderr
        assert Path(path).parent == tmp_path
    assert not Path(path).exists()


def test_frames_are_those_of_the_cells(cells: Any, tmp_path: Path) -> None:
    with flow_file(cells(numbers=["one", 2])) as path:
        shown = subprocess.run(
            [sys.executable, "-m", "penstock", "run", path], cwd=tmp_path, capture_output=True, text=True
        )
    assert shown.returncode == 1
    assert 'File "<cell 2>", line 6, in start' in shown.stderr
    assert "return sum(numbers)" in shown.stderr


class Refusing:
    def __reduce__(self) -> Any:
        raise TypeError("not this one")


@pytest.mark.parametrize(
    ("numbers", "said"),
    [(Refusing(), "can't be taken along: not this one"), (bytes(21 << 20), "refers to 22.0 MB of the notebook's data")],
    ids=["what can't be pickled", "too much"],
)
def test_what_can_not_travel(cells: Any, numbers: Any, said: str) -> None:
    with pytest.raises(FlowError, match=said) as caught, flow_file(cells(numbers=numbers)):
        pass
    assert "in the step that needs it" in caught.value.hint


def test_without_a_source_there_is_no_flow(cells: Any) -> None:
    flow = cells()
    linecache.clearcache()
    with pytest.raises(FlowError, match="CellFlow is defined in no file") as caught, flow_file(flow):
        pass
    assert "CellFlow.run()" in caught.value.hint


def test_another_python_is_refused(cells: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with flow_file(cells()) as path:
        text = Path(path).read_text()
    monkeypatch.setattr(notebook, "_PYTHON", "3.9")
    with pytest.raises(FlowError, match=r"a notebook of Python 3\.\d+; this is Python 3\.9"):
        exec(compile(text, path, "exec"), {"__name__": "cellflow"})
