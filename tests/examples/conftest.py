"""Examples run as their first lines say: through the command line, in a folder of the user's."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from penstock.client import Client

EXAMPLES = Path(__file__).parents[2] / "examples"
LIMIT_S = 300

Flow = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def flow(tmp_path: Path) -> Flow:
    """`flow COMMAND ARGUMENT...` in `tmp_path`."""

    def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PENSTOCK_")}
        return subprocess.run(
            [sys.executable, "-m", "penstock", *map(str, arguments)],
            cwd=tmp_path, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT_S,
        )  # fmt: skip

    return run


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    """A reader of what lies in `tmp_path`."""
    reader = Client("local", root=str(tmp_path / ".penstock"))
    yield reader
    reader.stores.close()
