"""What the client says of real runs: who read whom, exactly, whatever the graph; two stores side by side."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from penstock import Client, Run, Task

HEAD = "import os\nfrom penstock import FlowSpec, catch, current, parallel, retry, step\n\n"
FLOWS = {
    "NestedFlow": """
class NestedFlow(FlowSpec):
    unit = "kg"
    @step
    def start(self):
        self.items = ["b", "a"]
        self.next(self.outer, foreach="items")
    @step
    def outer(self):
        self.word = self.input
        self.numbers = range(2 if self.input == "a" else 1)
        self.next(self.inner, foreach="numbers")
    @step
    def inner(self):
        self.next(self.left, self.right)
    @step
    def left(self):
        self.next(self.meet)
    @retry(times=1, minutes_between_retries=0)
    @step
    def right(self):
        print("attempt", current.retry_count)
        if self.word == "a" and current.retry_count == 0:
            self.gone = 1
            raise ValueError("not yet")
        self.next(self.meet)
    @step
    def meet(self, inputs):
        self.next(self.gather)
    @step
    def gather(self, inputs):
        self.next(self.join)
    @step
    def join(self, inputs):
        self.next(self.fall)
    @catch(var="fell", print_exception=False)
    @step
    def fall(self):
        self.before = "kept"
        raise KeyError("a key")
        self.next(self.end)
    @step
    def end(self):
        self.total = 3
""",
    "ChosenFlow": """
class ChosenFlow(FlowSpec):
    @step
    def start(self):
        self.turn = 0
        self.next(self.loop)
    @step
    def loop(self):
        self.turn += 1
        self.again = "yes" if self.turn < 3 else "no"
        self.next({"yes": self.loop, "no": self.split}, condition="again")
    @step
    def split(self):
        self.next(self.each, foreach="numbers")
    numbers = [0, 1]
    @step
    def each(self):
        self.kind = "even" if self.input == 0 else "odd"
        self.next({"even": self.even, "odd": self.odd}, condition="kind")
    @step
    def even(self):
        self.next(self.same)
    @step
    def odd(self):
        self.next(self.same)
    @step
    def same(self):
        self.next(self.join)
    @step
    def join(self, inputs):
        self.way = "one"
        self.next({"one": self.one, "two": self.two}, condition="way")
    @step
    def one(self):
        self.next(self.end)
    @step
    def two(self):
        self.next(self.end)
    @step
    def end(self):
        pass
""",
    "NodesFlow": """
class NodesFlow(FlowSpec):
    @step
    def start(self):
        self.next(self.train, num_parallel=3)
    @parallel
    @step
    def train(self):
        self.node = current.parallel.node_index
        self.next(self.join)
    @step
    def join(self, inputs):
        self.next(self.end)
    @step
    def end(self):
        pass
""",
    "BrokenFlow": """
class Odd(Exception):
    def __init__(self, text, code):
        super().__init__(text)
        self.code = code
class BrokenFlow(FlowSpec):
    @step
    def start(self):
        self.next(self.each, foreach="numbers")
    numbers = [0, 1, 2]
    @step
    def each(self):
        print("number", self.input)
        self.half = self.input
        if self.input == 2 and not os.path.exists("mended"):
            raise Odd("boom ✓", 2)
        self.next(self.join)
    @step
    def join(self, inputs):
        self.next(self.end)
    @step
    def end(self):
        self.fine = True
""",
}
# Task -> the tasks that read it.
CHILDREN = {
    "NestedFlow": {
        "start/0": ["outer/0", "outer/1"],
        "outer/0": ["inner/0.0"], "outer/1": ["inner/1.0", "inner/1.1"],
        **{f"inner/{at}": [f"left/{at}", f"right/{at}"] for at in ("0.0", "1.0", "1.1")},
        **{f"{side}/{at}": [f"meet/{at}"] for side in ("left", "right") for at in ("0.0", "1.0", "1.1")},
        "meet/0.0": ["gather/0"], "meet/1.0": ["gather/1"], "meet/1.1": ["gather/1"],
        "gather/0": ["join/0"], "gather/1": ["join/0"], "join/0": ["fall/0"], "fall/0": ["end/0"], "end/0": [],
    },
    "ChosenFlow": {
        "start/0": ["loop/0"], "loop/0": ["loop/0~1"], "loop/0~1": ["loop/0~2"], "loop/0~2": ["split/0"],
        "split/0": ["each/0", "each/1"], "each/0": ["even/0"], "each/1": ["odd/1"], "even/0": ["same/0"],
        "odd/1": ["same/1"], "same/0": ["join/0"], "same/1": ["join/0"], "join/0": ["one/0"], "one/0": ["end/0"],
        "end/0": [],
    },
    "NodesFlow": {
        "start/0": ["train/0", "train/1", "train/2"], **{f"train/{node}": ["join/0"] for node in range(3)},
        "join/0": ["end/0"], "end/0": [],
    },
    "BrokenFlow": {"start/0": ["each/0", "each/1", "each/2"], **{f"each/{n}": [] for n in range(3)}},
}  # fmt: skip


class World:
    """Runs of all flows: `BrokenFlow` twice, the second one a resume. Its last item fails: the others were begun."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / ".penstock").mkdir()
        for name, source in FLOWS.items():
            (folder / f"{name}.py").write_text(HEAD + source)
            self.flow("run", f"{name}.py", expect=int(name == "BrokenFlow"))
        (folder / "mended").touch()
        self.flow("resume", "BrokenFlow.py")
        self.client = Client(folder=folder)

    def flow(self, *words: str, expect: int = 0) -> None:
        environment = {**os.environ, "PENSTOCK_USER": "ann"}
        command = [sys.executable, "-m", "penstock", *words]
        done = subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True)
        assert done.returncode == expect, done.stderr

    def run(self, name: str) -> Run:
        return self.client.run(f"{name}/latest" + ("~1" if name == "BrokenFlow" else ""))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("world"))


@pytest.mark.parametrize("name", FLOWS)
def test_parents_and_children_are_exact(world: World, name: str) -> None:
    run, children = world.run(name), CHILDREN[name]
    tasks = {f"{task.parent.id}/{task.id}": task for step in run for task in step}
    assert sorted(tasks) == sorted(children)
    for at, task in tasks.items():
        assert [_at(child) for child in task.child_tasks] == children[at], at
        assert sorted(map(_at, task.parent_tasks)) == sorted(one for one in children if at in children[one]), at
        assert task.child_task_pathspecs == [child.pathspec for child in task.child_tasks]
        assert task.parent_task_pathspecs == [parent.pathspec for parent in task.parent_tasks]
    for step in run:
        below = {child.partition("/")[0] for at in children if at.startswith(f"{step.id}/") for child in children[at]}
        above = {at.partition("/")[0] for at in children if any(c.startswith(f"{step.id}/") for c in children[at])}
        assert {child.id for child in step.child_steps} == below
        assert {parent.id for parent in step.parent_steps} == above
    parameters = run["_parameters"].task
    assert (parameters.parent_tasks, parameters.child_tasks, run["_parameters"].child_steps) == ([], [], [])


def _at(task: Task) -> str:
    return f"{task.parent.id}/{task.id}"


@pytest.mark.parametrize("name", FLOWS)
def test_every_property_of_a_task_can_be_read_and_is_equal_by_whatever_way_one_came(world: World, name: str) -> None:
    properties = [one for one in dir(Task) if isinstance(getattr(Task, one), property) and not one.startswith("_")]
    assert {"data", "artifacts", "metadata", "exception", "stdout", "code", "environment_info"} <= set(properties)
    run = world.run(name)
    for step in [*run, run["_parameters"]]:
        for task in step:
            others = [Client(folder=world.folder).task(task.pathspec)]
            others += [same for parent in task.parent_tasks for same in parent.child_tasks if same == task]
            others.append(pickle.loads(pickle.dumps(task)))
            for other in others:
                for one in properties:
                    assert getattr(task, one) == getattr(other, one), (task, one)


def test_a_step_that_was_not_taken_is_not_there(world: World) -> None:
    run = world.run("ChosenFlow")
    assert [step.id for step in run] == [
        "end", "one", "join", "same", "odd", "even", "each", "split", "loop", "start",
    ]  # fmt: skip
    assert "two" not in run
    assert [task.data.turn for task in run["loop"]] == [1, 2, 3]
    assert [task.index for task in run["same"]] == [0, 1]


def test_attempts_and_what_catch_keeps(world: World) -> None:
    run = world.run("NestedFlow")
    right = run["right"]["1.1"]
    assert [fact.value for fact in right.metadata if fact.type == "attempt"] == ["0", "1"]
    assert (right.metadata_dict["attempt"], right.current_attempt, right.stdout) == ("1", 1, "attempt 1\n")
    assert [line for _, line in right.loglines("stdout")] == ["attempt 1"]
    assert "gone" not in right
    assert right.successful
    fell = run["fall"].task
    assert (fell.successful, fell.finished, fell.exception) == (True, True, None)
    assert fell.data.before == "kept"
    assert (fell.data.fell.type, fell.data.fell.exception) == ("KeyError", "'a key'")
    assert (run.data.total, run.data.unit, "unit" in run.data, "nothing" in run.data) == (3, "kg", True, False)
    assert {"python_version", "ds-type", "attempt"} <= set(fell.metadata_dict)
    assert run["_parameters"].task.metadata_dict["end_step"] == "end"


def test_control_tasks(world: World) -> None:
    step = world.run("NodesFlow")["train"]
    assert [task.id for task in step.control_tasks()] == ["0"]
    assert len(list(step.tasks())) == len(list(step)) == 3
    assert [task.metadata_dict.get("internal_task_type") for task in step] == ["control", None, None]


def test_a_failed_run_and_the_one_that_resumed_it(world: World) -> None:
    failed, resumed = world.run("BrokenFlow"), world.client.run("BrokenFlow/latest")
    assert (failed.status, failed.successful, failed.data, failed.end_task) == ("failed", False, None, None)
    raised = failed["each"]["2"].exception
    assert raised is not None
    assert (raised.type, raised.exception) == ("BrokenFlow.Odd", "boom ✓")
    assert "Odd" in str(raised) and "boom ✓" in str(raised)
    assert failed["each"]["2"].data.half == 2
    assert resumed.origin_pathspec == failed.pathspec
    assert (resumed.status, resumed.data.fine) == ("succeeded", True)
    for task in [*resumed["each"], resumed["_parameters"].task, resumed.end_task]:
        facts, origin = task.metadata_dict, task.origin_pathspec
        assert facts["origin-run-id"] == failed.id
        if task.id == "2" or task.parent.id == "end":
            assert origin is None
            assert "origin-task-id" not in facts
        else:
            taken = world.client.task(f"{failed.pathspec}/{_at(task)}")
            assert origin == taken.pathspec
            facts.pop("origin-run-id")
            assert facts.pop("origin-task-id") == taken.id
            assert facts == taken.metadata_dict
            assert task.stdout == taken.stdout
    assert resumed["each"].origin_pathspec == f"{failed.pathspec}/each"


def test_the_code_of_a_run(world: World) -> None:
    code = world.run("NodesFlow").code
    assert code is not None
    assert code.flowspec == (world.folder / "NodesFlow.py").read_text()
    with code.extract() as folder:
        assert (Path(folder) / code.script_name).read_text() == code.flowspec


def test_two_stores_side_by_side(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".penstock").mkdir()
    (tmp_path / "NodesFlow.py").write_text((world.folder / "NodesFlow.py").read_text())
    monkeypatch.chdir(tmp_path)
    world_of_its_own = subprocess.run([sys.executable, "-m", "penstock", "run", "NodesFlow.py"], capture_output=True)
    assert world_of_its_own.returncode == 0
    here, there = Client(), Client(folder=world.folder)
    assert [flow.id for flow in here.flows()] == ["NodesFlow"]
    assert [flow.id for flow in there.flows()] == sorted(FLOWS)
    one, other = here.run("NodesFlow/latest"), there.run("NodesFlow/latest")
    assert one != other
    assert one.parent != other.parent
    assert next(iter(other["train"])).parent_tasks[0].parent.parent.parent.latest_run == other
    by_root = Client("local", root=str(world.folder / ".penstock")).run("NodesFlow/latest")
    assert by_root == other
    monkeypatch.chdir(world.folder)
    pickled = pickle.dumps([other, Client("local", local_root=".penstock").run("NodesFlow/latest")])
    monkeypatch.chdir(tmp_path)
    loaded = pickle.loads(pickled)
    assert [run["train"]["2"].data.node for run in loaded] == [2, 2]
