"""The two sides of a comparison: how each runs a flow file, under conditions that are the same for both.

A text of a flow says PACKAGE where it imports the framework. Each side works in a folder that is its own, with a local
store there; no `PYTHON...` variable of the caller's reaches it, so that byte code is cached and output is buffered as
everywhere.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path


class Side:
    """package: `penstock` or `metaflow`; python: the interpreter of an environment that has it."""

    def __init__(self, package: str, python: str) -> None:
        self.package, self.python = package, python

    def write(self, folder: Path, file: str, text: str) -> None:
        """Put a flow file into the folder, and make it the place of the store."""
        (folder / file).write_text(text.replace("PACKAGE", self.package))
        (folder / ".penstock").mkdir(exist_ok=True)

    def command(self, file: str, command: str, *options: str) -> list[str]:
        """What a user types."""
        if self.package == "penstock":
            return [str(Path(self.python).with_name("flow")), command, file, *options]
        return [self.python, file, "--no-pylint", "--datastore=local", "--metadata=local", command, *options]

    def environ(self, folder: Path, **more: str) -> dict[str, str]:
        """The variables of a run in the folder."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        own = {"PENSTOCK_USER": "bench", "METAFLOW_USER": "bench", "METAFLOW_DATASTORE_SYSROOT_LOCAL": str(folder)}
        return {**kept, **own, **more}


PENSTOCK = Side("penstock", sys.executable)
