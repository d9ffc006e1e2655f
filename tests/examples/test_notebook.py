"""The example notebook, executed by a real kernel; and what else a notebook may define and run."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from penstock import Client
from tests.examples.conftest import EXAMPLES
from tests.examples.kernel import Executed, source_of

NOTEBOOK = EXAMPLES / "notebook.ipynb"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / ".penstock").mkdir()
    shutil.copy(EXAMPLES / "petsflow.py", tmp_path)
    return tmp_path


def test_the_notebook_runs_from_its_first_cell_to_its_last(folder: Path) -> None:
    done = Executed.of_file(NOTEBOOK, folder)
    assert done.errors() == []
    assert "succeeded: 9 tasks done" in done.printed("run = OrbitsFlow")
    assert "'Mars': 1.87" in done.shown("run.data.orbits")
    assert done.printed("task = ") == "Mars: 1.87 years\n\n"
    for cell in ("run = OrbitsFlow", 'run["orbit"]', "task = ", "here, there", 'Flow("OrbitsFlow")'):
        assert 'data-penstock="1"' in done.shown(cell, "text/html"), cell
    assert "✓ succeeded" in done.shown("run = OrbitsFlow", "text/html")
    assert done.shown("orbits = run", "image/png")
    assert done.printed("here, there") == "['OrbitsFlow'] ['PetsFlow']\n"
    assert "goldfish" in done.shown('there.run("PetsFlow/latest").data')
    assert done.shown("run.add_tag") == "[True]"
    assert not list(folder.glob("orbitsflow*"))
    run = Client(folder=folder).run("OrbitsFlow/latest")
    assert (run.data.mass, run.code is not None and "Kepler" in run.code.flowspec) == (2.0, True)


def test_it_is_saved_without_outputs() -> None:
    for cell in source_of(NOTEBOOK):
        assert cell.get("outputs", []) == []
        assert cell.get("execution_count") is None


OVER_CELLS = """
from penstock import Flow, FlowSpec, Parameter, current, step
import beside
# %%
class Pet:
    def __init__(self, name):
        self.name = name
weights = {"cat": 4, "dog": 20}
# %%
class Base(FlowSpec):
    alpha = Parameter("alpha", default=1)
    @step
    def start(self):
        self.kinds = sorted(weights)
        self.next(self.weigh, foreach="kinds")
# %%
class PetsFlow(Base):
    @step
    def weigh(self):
        self.kg = weights[self.input] + self.alpha
        self.pet = Pet(self.input)
        self.next(self.join)
    @step
    def join(self, inputs):
        self.total = beside.twice(sum(one.kg for one in inputs))
        self.next(self.end)
    @step
    def end(self):
        super()
        self.tags = sorted(current.run.user_tags)
# %%
run = PetsFlow.run(alpha=3)
print(run.data.total, isinstance(run["weigh"].task.data.pet, Pet))
# %%
weights["fish"] = 1
again = PetsFlow.run()
print(again.data.total)
# %%
class BadFlow(FlowSpec):
    @step
    def start(self):
        self.next(self.end)
    @step
    def end(self):
        1 / 0
BadFlow.run()
# %%
class NoFlow(FlowSpec):
    @step
    def start(self):
        self.next(self.nd)
NoFlow.run()
# %%
import threading
lock = threading.Lock()
class LockFlow(FlowSpec):
    @step
    def start(self):
        lock.acquire()
        self.next(self.end)
    @step
    def end(self):
        pass
LockFlow.run()
# %%
Flow("PetFlow")
""".strip("\n").split("\n# %%\n")


def test_a_class_over_several_cells(folder: Path) -> None:
    (folder / "beside.py").write_text("def twice(x):\n    return 2 * x\n")
    done = Executed.of_cells(*OVER_CELLS, folder=folder)
    assert done.printed("run = ").endswith("60 True\n")
    assert done.printed("weights[").endswith("56\n")
    bad, no, lock, typo = done.errors()
    assert bad.startswith("RunFailed: BadFlow/")
    printed = done.printed("class BadFlow")
    assert "Cell In[7]:7" in printed
    assert "ZeroDivisionError: division by zero" in printed
    assert "next: flow show BadFlow/" in printed
    assert "nd" in no and no.startswith("FlowError: ")
    assert "LockFlow refers to something of the notebook that can't be taken along: cannot pickle" in lock
    assert typo.startswith("NotFound: no flow 'PetFlow' has run in ")
    assert any("next: did you mean 'PetsFlow'?" in line for line in done.cell("Flow(")["outputs"][-1]["traceback"])
    assert sorted(found.name for found in folder.glob("*.py")) == ["beside.py", "petsflow.py"]


INTERRUPTED = """
import os, signal, threading, time
from penstock import Flow, FlowSpec, step
class SlowFlow(FlowSpec):
    @step
    def start(self):
        open("there", "w").close()
        time.sleep(300)
        self.next(self.end)
    @step
    def end(self):
        pass
# %%
def interrupt():
    while not os.path.exists("there"):
        time.sleep(0.05)
    os.kill(os.getpid(), signal.SIGINT)  # as the button does
threading.Thread(target=interrupt).start()
SlowFlow.run()
# %%
print(Flow("SlowFlow").latest_run.status)
""".strip("\n").split("\n# %%\n")


def test_the_kernel_s_interrupt_cancels_the_run_and_the_notebook_goes_on(folder: Path) -> None:
    done = Executed.of_cells(*INTERRUPTED, folder=folder)
    (error,) = done.errors()
    assert error.startswith("RunCancelled: SlowFlow/")
    assert done.printed("print(") == "cancelled\n"
    assert not list(folder.glob("slowflow*"))


def test_a_notebook_s_flow_elsewhere(folder: Path) -> None:
    """Its class travels with the code, and a module beside the notebook too."""
    (folder / "beside.py").write_text("def twice(x):\n    return 2 * x\n")
    done = Executed.of_cells(*OVER_CELLS[:5], folder=folder, PENSTOCK_EXECUTOR="isolated")
    assert done.errors() == []
    assert "executor isolated" in done.printed("run = ")
    assert done.printed("run = ").endswith("60 True\n")
