"""The two sides of a comparison: how each runs a flow file, under conditions that are the same for both.

A text of a flow says PACKAGE where it imports the framework. Each side works in a folder that is its own, with a local
store there; no `PYTHON...` variable of the caller's reaches it, so that byte code is cached and output is buffered as
everywhere.
"""

from __future__ import annotations

import argparse
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

    def command(self, file: str, command: str, *options: str, store: str = "local") -> list[str]:
        """What a user types. store: kind of the datastore, where the framework has to be told so."""
        if self.package == "penstock":
            return [str(Path(self.python).with_name("flow")), command, file, *options]
        return [self.python, file, "--no-pylint", f"--datastore={store}", "--metadata=local", command, *options]

    def environ(self, folder: Path, **more: str) -> dict[str, str]:
        """The variables of a run in the folder."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        own = {"PENSTOCK_USER": "bench", "METAFLOW_USER": "bench", "METAFLOW_DATASTORE_SYSROOT_LOCAL": str(folder)}
        return {**kept, **own, **more}


PENSTOCK = Side("penstock", sys.executable)


_WIDE = """
import os, time
from PACKAGE import FlowSpec, step

class WideFlow(FlowSpec):
    @step
    def start(self):
        START
        self.items = list(range(int(os.environ["WIDTH"])))
        self.next(self.count, foreach="items")

    @step
    def count(self):
        self.doubled = 2 * self.input
        self.next(self.join)

    @step
    def join(self, inputs):
        JOIN
        self.total = sum(one.doubled for one in inputs)
        self.next(self.end)

    @step
    def end(self):
        pass

if __name__ == "__main__":
    WideFlow()
"""


def wide_flow(*, start: str = "pass", join: str = "pass") -> str:
    """A flow file: a foreach of WIDTH trivial tasks, `count`. start, join: more lines of their bodies."""
    indent = "\n        "
    return _WIDE.replace("START", indent.join(start.splitlines())).replace("JOIN", indent.join(join.splitlines()))


def reader(doc: str | None, *, rounds: int) -> argparse.ArgumentParser:
    """The options that comparisons with Metaflow share."""
    made = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--metaflow", required=True)
    made.add_argument("--width", type=int, default=300)
    made.add_argument("--rounds", type=int, default=rounds)
    return made
