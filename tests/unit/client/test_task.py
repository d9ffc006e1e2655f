"""Task: attempts, artifacts, output, facts, neighbours."""

from __future__ import annotations

import pickle

import pytest

from penstock.client import DataArtifact, Task
from penstock.contracts.logsink import LogStream
from penstock.errors import NotFound, NotReadable, UsageError
from penstock.values import FAILED, CaughtError

RUN = "20261124-0229-0001"


def test_parameters_and_constants_belong_to_every_step(write, client):
    write().whole()
    task = client.task("PetsFlow/latest/end/0")
    assert {artifact.id for artifact in task} == {"alpha", "unit", "total"}
    assert (task.data.alpha, task.data.unit, task["total"].data) == (3, "kg", 3)
    assert "alpha" in task
    assert "alpha" in task.data


def test_the_items_of_a_foreach_are_no_artifact(write, client):
    write().whole()
    task = client.task("PetsFlow/latest/start/0")
    assert "_foreach_items" not in task
    assert [artifact.id for artifact in task.artifacts] == ["alpha", "kinds", "unit"]


def test_a_failed_attempt_does_not_shine_through(write, client):
    writer = write()
    writer.parameters()
    writer.start()
    writer.failed("count", "1", values={"half": 1})
    writer.count(1, attempt=1)
    writer.end(FAILED)
    task = client.task("PetsFlow/latest/count/1")
    assert "half" not in task
    assert (task.successful, task.exception, task.current_attempt) == (True, None, 1)
    first = client.task("PetsFlow/latest/count/1", attempt=0)
    assert first["half"].data == 1
    assert (first.status, first.successful) == ("failed", False)
    assert first.exception == CaughtError("ValueError", "boom")
    assert "ValueError" in str(first.exception)
    assert "boom" in first.exception.exception
    assert [fact.value for fact in task.metadata if fact.type == "attempt"] == ["0", "1"]
    assert task.metadata_dict["attempt"] == "1"
    assert client.task("PetsFlow/latest/count/1/0") == first
    with pytest.raises(NotFound, match="no attempt 7"):
        client.task("PetsFlow/latest/count/1", attempt=7)


def test_a_missing_artifact_is_named_with_its_nearest(write, client):
    write().whole()
    task = client.task("PetsFlow/latest/end/0")
    with pytest.raises(KeyError, match="did you mean 'total'"):
        task["totl"]
    with pytest.raises(AttributeError, match="did you mean 'total'"):
        _ = task.data.totl
    assert not hasattr(task.data, "nothing")
    assert getattr(task.artifacts, "nothing", None) is None
    assert dir(task.data) == ["alpha", "total", "unit"]


@pytest.mark.parametrize(
    ("pathspec", "said"),
    [
        ("PetsFlow/latest/cuont/0", "did you mean 'count'?"),
        ("PetsFlow/latest/count/17", "there are: 0, 1, 2"),
    ],
)
def test_a_missing_task(write, client, pathspec, said):
    write().whole()
    with pytest.raises(NotFound) as caught:
        client.task(pathspec)
    assert caught.value.hint == said


def test_neighbours_are_exact(write, client):
    write().whole()
    at = f"PetsFlow/{RUN}"
    one = client.task("PetsFlow/latest/count/1")
    assert one.parent_task_pathspecs == [f"{at}/start/0"]
    assert one.child_task_pathspecs == [f"{at}/join/0"]
    join = client.task("PetsFlow/latest/join/0")
    assert join.parent_task_pathspecs == [f"{at}/count/{index}" for index in range(3)]
    start = client.task("PetsFlow/latest/start/0")
    assert start.child_tasks == join.parent_tasks
    assert [step.id for step in client.step("PetsFlow/latest/count").parent_steps] == ["start"]
    assert [step.id for step in client.step("PetsFlow/latest/count").child_steps] == ["join"]
    assert (start.index, one.index) == (None, 1)


def test_every_property_can_be_read_and_is_equal_between_two_objects(write, client):
    writer = write()
    writer.drive()
    writer.parameters()
    writer.start()
    writer.count(0)
    writer.failed("count", "1", attempt=0)
    properties = [name for name in dir(Task) if isinstance(getattr(Task, name), property) and not name.startswith("_")]
    assert {"data", "artifacts", "metadata", "parent_tasks", "child_tasks", "exception", "stdout"} <= set(properties)
    for place in ("start/0", "count/0", "count/1", "count/2", "_parameters/0"):
        one, other = client.task(f"PetsFlow/latest/{place}"), client.task(f"PetsFlow/latest/{place}")
        assert one is not other
        assert one == other
        for name in properties:
            assert getattr(one, name) == getattr(other, name), (place, name)


def test_a_task_that_gets_another_attempt_is_running(write, client):
    writer = write()
    writer.drive()
    writer.parameters()
    writer.start()
    writer.failed("count", "1", attempt=0)
    assert client.task("PetsFlow/latest/count/1").status == "running"
    writer.failed("count", "1", attempt=1)
    assert client.task("PetsFlow/latest/count/1").status == "failed"


def test_short_output_is_in_the_record_and_long_output_in_the_log(write, client, stores):
    writer = write()
    writer.parameters()
    short = "naïve\n\udcff!"
    writer.record(
        "start", kind="foreach", to=["count"], width=0,
        stdout={"size": 10, "text": short}, stderr={"size": 6},
    )  # fmt: skip
    stores.logging.append(LogStream("PetsFlow", RUN, "start", "0", 0, "stderr"), 0, b"one\ntw")
    task = client.task("PetsFlow/latest/start/0")
    assert b"".join(task.output("stdout")) == short.encode("utf-8", "surrogateescape")
    assert b"".join(task.output("stdout", 3)) == short.encode("utf-8", "surrogateescape")[3:]
    assert task.stdout == "naïve\n�!"
    assert task.stderr == "one\ntw"
    assert [line for _, line in task.loglines("stderr")] == ["one", "tw"]
    assert [line for _, line in task.loglines("stdout", as_unicode=False)] == ["naïve".encode(), b"\xff!"]
    assert (task.stdout_size, task.stderr_size) == (10, 6)
    with pytest.raises(UsageError, match="no stream"):
        task.output("stdin")


def test_output_of_a_task_that_runs(write, client, stores):
    writer = write()
    writer.drive()
    writer.parameters()
    stores.logging.append(LogStream("PetsFlow", RUN, "start", "0", 0, "stdout"), 0, b"so far")
    task = client.task("PetsFlow/latest/start/0")
    assert (task.status, task.stdout, task.stdout_size, task.stderr) == ("running", "so far", 6, "")


def test_objects_are_pickled_and_found_again(write, client, default):
    write().whole()
    task = client.task("PetsFlow/latest/count/1")
    loaded = pickle.loads(pickle.dumps([task, task["n"], task.parent]))
    assert loaded == [task, task["n"], task.parent]
    assert loaded[0].parent.parent["end"].task.data.total == 3


def test_a_run_that_lies_in_an_artifact_belongs_to_the_store_that_it_is_read_from(write, client, monkeypatch):
    writer = write()
    writer.parameters()
    run = client.run("PetsFlow/latest")
    writer.record("start", kind="foreach", to=["count"], width=0, values={"here": run, "there": [run["_parameters"]]})
    monkeypatch.setattr("penstock.client.default._chosen", None)  # nothing says which store is meant
    data = client.task("PetsFlow/latest/start/0").data
    assert data.here == run
    assert data.here["_parameters"].task.data.alpha == 3
    assert data.there[0].parent == run


def test_an_artifact_by_its_pathspec(write, client):
    write().whole()
    artifact = DataArtifact("PetsFlow/latest/count/1/n", client=client)
    assert artifact.pathspec == f"PetsFlow/{RUN}/count/1/n"
    assert (artifact.data, artifact.preview, artifact.type) == (1, "1", "int")
    assert artifact.size > 0
    assert artifact.sha == client.task("PetsFlow/latest/count/1")["n"].sha
    with pytest.raises(UsageError):
        DataArtifact("PetsFlow/latest/count", client=client)


def test_control_tasks_of_a_parallel_step(write, client):
    source = """
class Nodes(FlowSpec):
    @step
    def start(self):
        self.next(self.train, num_parallel=3)
    @step
    def train(self):
        self.next(self.end)
    @step
    def end(self, inputs):
        pass
"""
    writer = write(source=source, decorators={"train": [{"name": "parallel"}]})
    writer.record("_parameters", to=["start"])
    writer.record("start", kind="parallel", to=["train"], width=3, values={})
    for node in range(3):
        writer.record("train", str(node), to=["end"])
    step = client.step("Nodes/latest/train")
    assert [task.id for task in step.control_tasks()] == ["0"]
    assert [task.metadata_dict.get("internal_task_type") for task in step] == ["control", None, None]
    assert client.task("Nodes/latest/_parameters/0").metadata_dict["end_step"] == "end"


class Bomb:
    """Its pickle does something when it is loaded."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (self.path, "w")


def test_nothing_is_unpickled_for_a_list(write, stores, client, tmp_path):
    from penstock.client import Client

    writer = write()
    target = tmp_path / "touched"
    writer.record("_parameters", to=["start"], values={"bomb": Bomb(str(target))})
    run = client.run("PetsFlow/latest")
    task = run["_parameters"].task
    texts = [repr(task["bomb"]), repr(task.data), repr(task.artifacts), str(task.metadata)]
    texts += [node._repr_html_() for node in (run.parent, run, task.parent, task, task["bomb"], task.data)]
    assert not target.exists()
    assert all("bomb" in text for text in texts[:3])
    careful = Client.over(stores, unpickle=False).task("PetsFlow/latest/_parameters/0")
    with pytest.raises(NotReadable, match="unpickle=False"):
        _ = careful.data.bomb
    assert not target.exists()
