"""What starting costs, by the modules it loads: the same on every machine. `benchmarks/startup.py` has the times."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

FLOW = """
from penstock import FlowSpec, Parameter, current, step
class TwoSteps(FlowSpec):
    alpha = Parameter("alpha", default=1)
    @step
    def start(self):
        self.next(self.end)
    @step
    def end(self):
        pass
"""
HELP = """
import contextlib, io
from penstock.cli import main
with contextlib.redirect_stdout(io.StringIO()) as text:
    assert main(["--help"]) == 0
assert "resume" in text.getvalue()
"""
NEVER = {
    "asyncio",
    "sqlite3",
    "multiprocessing",
    "numpy",
    "cloudpickle",
    "importlib.metadata",
    "email",
    "concurrent.futures",
}
AUTHORING = NEVER | {"click", "pluggy", "dataclasses", "typing", "inspect", "subprocess", "logging", "json", "tempfile"}
COMMANDS = NEVER | {
    "subprocess",
    "tomllib",
    "socket",
    "tempfile",
    "penstock.running.launch",
    "penstock.running.scheduler",
    "penstock.client",
}
LEAN = {
    "dataclasses", "hashlib", "ipaddress", "pathlib", "queue", "shutil", "socket", "subprocess", "tempfile",
    "threading", "typing", "urllib.parse", "zipfile",
}  # fmt: skip
OPENING = "import penstock.cli.process, penstock.cli.early, penstock.cli.session, penstock.running.opening"
READING = "import penstock.contracts, penstock.storage.records, penstock.storage.keys"
HOST = "import penstock.host.driven, penstock_local.file_datastore"
DRIVING = "import penstock.running.driver, penstock.running.launch, penstock.running.placement"
BEFORE_THE_HOST = NEVER | LEAN | {
    "click",
    "pluggy",
    "enum",
    "functools",
    "inspect",
    "json",
    "re",
    "penstock.running.launch",
    "penstock.running.driver",
}
WORKER = NEVER - {"numpy"} | {"click", "pluggy", "inspect", "dataclasses"}


def loaded_by(source: str, folder: Path) -> set[str]:
    """Modules that this source loads beyond what a bare interpreter has."""
    program = f"import sys\nbefore = set(sys.modules)\n{source}\nprint(*sorted(set(sys.modules) - before), sep='\\n')"
    done = subprocess.run([sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize(
    ("source", "forbidden"),
    [
        pytest.param("import penstock", AUTHORING, id="import penstock"),
        pytest.param(FLOW, AUTHORING, id="a flow of two steps"),
        pytest.param(HELP, COMMANDS, id="flow --help"),
        pytest.param(OPENING, BEFORE_THE_HOST, id="flow run, until a host imports the flow"),
        pytest.param(HOST, WORKER | LEAN, id="a host"),
        pytest.param(DRIVING, NEVER | LEAN - {"queue", "threading"}, id="what drives a run"),
        pytest.param(READING, WORKER | LEAN, id="what a worker reads by"),
    ],
)
def test_nothing_heavy_is_loaded(source: str, forbidden: set[str], tmp_path: Path) -> None:
    assert loaded_by(source, tmp_path) & forbidden == set()


RUN = """
import os, sys
from penstock.host.protocol import Link
send = Link.send
def watched(self, header, *more, **others):
    if header.get("do") == "run":
        print(*sys.modules, sep="\\n", file=said)
        Link.send = send
    return send(self, header, *more, **others)
Link.send = watched
said = open("said", "w")
from penstock.cli import main
assert main(["run", "flow.py", "--quiet"]) == 0
"""


def test_a_run_loads_nothing_heavy_before_its_first_attempt_is_on_its_way(tmp_path: Path) -> None:
    (tmp_path / "flow.py").write_text(FLOW)
    (tmp_path / ".penstock").mkdir()
    subprocess.run([sys.executable, "-c", RUN], cwd=tmp_path, check=True)
    of_click = {"dataclasses", "queue", "threading", "typing"}
    assert set((tmp_path / "said").read_text().split()) & (NEVER | LEAN - of_click | {"penstock.host.declare"}) == set()


def test_a_flow_loads_only_the_authored_path(tmp_path: Path) -> None:
    ours = {name.rpartition(".")[2] for name in loaded_by(FLOW, tmp_path) if name.startswith("penstock.")}
    authored = {"authoring", "flow", "parameters", "decorators", "context", "values", "errors"}
    assert ours <= authored | {"compat", "finder"}
