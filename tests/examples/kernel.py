"""Notebooks in a real kernel: what a reader would see after `Run All`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

LIMIT_S = 300
EXECUTE = """
import sys, nbformat
from nbclient import NotebookClient
notebook = nbformat.read(sys.argv[1], as_version=4)
NotebookClient(notebook, kernel_name="python3", timeout=int(sys.argv[2]), allow_errors=True).execute()
nbformat.write(notebook, sys.argv[1])
"""  # in a process of its own: Jupyter's sockets and event loops are nobody's here


class Executed:
    """The cells of a notebook with their outputs, after each was executed; one that raises ends nothing."""

    def __init__(self, notebook: Mapping[str, Any], folder: Path, variables: Mapping[str, str]) -> None:
        path = folder / "executed.ipynb"
        path.write_text(json.dumps(notebook), encoding="utf-8")
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PENSTOCK_")}
        environment |= {"IPYTHONDIR": str(folder / ".ipython"), "JUPYTER_RUNTIME_DIR": str(folder / ".jupyter")}
        environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"  # for `!flow`
        done = subprocess.run(
            [sys.executable, "-c", EXECUTE, str(path), str(LIMIT_S)],
            cwd=folder, env={**environment, **variables}, capture_output=True, text=True, timeout=LIMIT_S,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        self.cells = [cell for cell in source_of(path) if cell["cell_type"] == "code"]

    @classmethod
    def of_file(cls, file: Path, folder: Path, **variables: str) -> Executed:
        """A notebook that was saved."""
        return cls(json.loads(file.read_text(encoding="utf-8")), folder, variables)

    @classmethod
    def of_cells(cls, *sources: str, folder: Path, **variables: str) -> Executed:
        """A notebook with these cells."""
        empty = {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None}
        cells = [{**empty, "id": f"cell-{number}", "source": source} for number, source in enumerate(sources)]
        return cls({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}, folder, variables)

    def shown(self, beginning: str, kind: str = "text/plain") -> str:
        """What the cell that begins so shows: its value or picture, as `kind`."""
        found = [output["data"][kind] for output in self.cell(beginning)["outputs"] if kind in output.get("data", {})]
        return "".join(map(_text, found))

    def printed(self, beginning: str) -> str:
        """What the cell that begins so printed, both streams."""
        found = [output for output in self.cell(beginning)["outputs"] if output["output_type"] == "stream"]
        return "".join(_text(output["text"]) for output in found)

    def cell(self, beginning: str) -> Any:
        """The one cell whose source begins so."""
        (found,) = [cell for cell in self.cells if _text(cell["source"]).startswith(beginning)]
        return found

    def errors(self) -> list[str]:
        """`NotFound: no flow ...` of each cell that raised."""
        every = [output for cell in self.cells for output in cell["outputs"] if output["output_type"] == "error"]
        return [f"{one['ename']}: {one['evalue']}" for one in every]


def source_of(file: Path) -> list[dict[str, Any]]:
    """The cells of a notebook as they are saved."""
    found: list[dict[str, Any]] = json.loads(file.read_text(encoding="utf-8"))["cells"]
    return found


def _text(value: str | list[str]) -> str:
    """A notebook keeps long texts line by line."""
    return value if isinstance(value, str) else "".join(value)
