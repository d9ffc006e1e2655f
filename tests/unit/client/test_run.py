"""Run: status, data, steps, tags."""

from __future__ import annotations

import pickle

import pytest

from penstock import client as api
from penstock.client import Run
from penstock.errors import NamespaceMismatch, NotFound, PluginError, UsageError
from penstock.values import CANCELLED, FAILED, SUCCEEDED

RUN = "20261124-0229-0001"


@pytest.mark.parametrize("outcome", [SUCCEEDED, FAILED, CANCELLED])
def test_status_is_the_outcome_that_was_claimed(write, client, outcome):
    write().end(outcome)
    run = client.run(f"PetsFlow/{RUN}")
    assert (run.status, run.finished, run.successful) == (outcome, True, outcome == SUCCEEDED)
    assert run.finished_at is not None


def test_without_an_outcome_a_run_is_running_or_died(write, client):
    writer = write()
    run = client.run("PetsFlow/latest")
    assert (run.status, run.finished, run.finished_at) == ("died", False, None)
    writer.drive()
    assert run.status == "running"
    writer.lease.release()
    assert run.status == "died"


def test_a_whole_run(write, client):
    write().whole()
    run = client.run("PetsFlow/latest")
    assert run.pathspec == f"PetsFlow/{RUN}"
    assert run.parent.id == "PetsFlow"
    assert [step.id for step in run] == ["end", "join", "count", "start"]
    assert run.data.total == 3
    assert run.end_task.pathspec == f"PetsFlow/{RUN}/end/0"
    assert run["_parameters"].task.data.alpha == 3
    assert "count" in run
    assert "_parameters" not in run
    assert run.origin_pathspec is None


def test_a_run_that_did_not_reach_its_end_has_no_data(write, client):
    writer = write()
    writer.parameters()
    writer.end(FAILED)
    run = client.run("PetsFlow/latest")
    assert run.data is None
    assert run.end_task is None
    assert list(run) == []


def test_a_running_run_shows_tasks_that_wait_and_what_is_newer_than_the_catalogue(write, client):
    writer = write()
    writer.drive()
    writer.parameters()
    writer.start()
    run = client.run("PetsFlow/latest")
    assert [task.status for task in run["count"]] == ["running"] * 3
    writer.catalogue = False
    writer.count(1)
    assert [task.status for task in run["count"]] == ["running", "succeeded", "running"]
    assert run["count"]["1"].data.n == 1


@pytest.mark.parametrize("wanted", ["latest", "20261124-0229-0001", "20261124-0229-00", "latest~1"])
def test_ids_prefixes_and_latest(write, client, wanted):
    write()
    write("20251124-0229-0001")
    if wanted == "latest~1":
        assert client.run("PetsFlow/latest~1").id == "20251124-0229-0001"
    else:
        assert client.run(f"PetsFlow/{wanted}").id == RUN


@pytest.mark.parametrize(
    ("pathspec", "said"),
    [
        ("PetFlow/latest", "did you mean 'PetsFlow'?"),
        ("PetsFlow/20261124-0229-0002", "did you mean '20261124-0229-0001'?"),
        ("PetsFlow/latest~7", "flow runs PetsFlow"),
    ],
)
def test_typos_are_answered_with_the_nearest(write, client, pathspec, said):
    write()
    with pytest.raises(NotFound) as caught:
        client.run(pathspec)
    assert caught.value.hint == said


@pytest.mark.parametrize("pathspec", ["", "PetsFlow", "PetsFlow/1/start", "PetsFlow//1", "PetsFlow/../x/y/z/a"])
def test_a_pathspec_of_another_form(client, pathspec):
    with pytest.raises(UsageError, match="form Flow/run"):
        client.run(pathspec)


def test_a_step_that_is_missing_is_a_key_error_with_the_nearest_name(write, client):
    write().whole()
    run = client.run("PetsFlow/latest")
    with pytest.raises(KeyError, match="has no step 'cuont'") as caught:
        run["cuont"]
    assert caught.value.hint == "did you mean 'count'?"
    assert isinstance(caught.value, NotFound)


def test_the_catalogue_may_be_missing(write, client):
    write(catalogue=False).whole()
    run = client.run("PetsFlow/latest")
    assert run.successful
    assert run.data.total == 3


def test_a_catalogue_with_gaps_is_mended_from_the_datastore(write, client):
    writer = write()
    writer.catalogue = False
    writer.parameters()
    writer.start()
    writer.failed("count", "0")
    writer.count(0, attempt=1)
    writer.catalogue = True
    writer.count(1)
    writer.count(2)
    writer.record("join", to=["end"])
    writer.record("end", kind="end")
    writer.end(SUCCEEDED)
    counted = client.run("PetsFlow/latest")["count"]
    assert [task.current_attempt for task in counted] == [1, 0, 0]


# -- tags


def test_tags_are_seen_at_once_and_kept_in_the_catalogue(write, client, stores):
    writer = write()
    run, same = client.run("PetsFlow/latest"), client.run("PetsFlow/latest")
    run.add_tag("blue whale ✓")
    run.add_tags(["b", "user:ann"])
    assert same.user_tags == {"blue whale ✓", "b"}
    assert same.tags == {"blue whale ✓", "b", "user:ann"}
    assert {row.tag for row in stores.metadata.tags("PetsFlow", writer.run)} == same.tags
    run.replace_tag("b", "c")
    run.remove_tag(["blue whale ✓", "never there"])
    assert same.user_tags == {"c"}
    assert [found.id for found in client.flow("PetsFlow").runs("c")] == [RUN]
    assert list(client.flow("PetsFlow").runs("b")) == []


@pytest.mark.parametrize(
    ("removed", "added", "said"),
    [
        ((), (), "no tag to add"),
        (["user:ann", "mine"], ["new"], "penstock's own"),
        ((), [""], "empty"),
        ((), ["x" * 501], "500"),
        ((), [b"\xff"], "UTF-8"),
        ((), ["\ud800"], "UTF-8"),
        ((), [7], "not int"),
    ],
)
def test_a_refused_change_of_tags_changes_nothing(write, client, removed, added, said):
    write().tag("mine")
    run = client.run("PetsFlow/latest")
    with pytest.raises(UsageError, match=said):
        run.replace_tags(removed, added)
    assert run.user_tags == {"mine"}


# -- namespaces


def test_the_namespace_hides_runs_of_others(write, default, monkeypatch):
    write(user="ann")
    monkeypatch.setenv("PENSTOCK_USER", "bob")
    api.default_namespace()
    assert api.get_namespace() == "user:bob"
    for look in (lambda: Run("PetsFlow/latest"), lambda: api.Flow("PetsFlow"), lambda: Run(f"PetsFlow/{RUN}")):
        with pytest.raises(NamespaceMismatch, match="in the namespace 'user:bob'") as caught:
            look()
        assert caught.value.hint == "namespace(None)   # to see all runs"
    assert list(api.Metaflow()) == []
    run = Run("PetsFlow/latest", _namespace_check=False)
    assert not run.is_in_namespace()
    loaded = pickle.loads(pickle.dumps(run))
    assert loaded == run
    assert loaded.parent.latest_run is not None
    assert list(loaded) == []
    api.namespace("user:ann")
    assert Run("PetsFlow/latest").id == RUN
    api.namespace(None)
    assert [flow.id for flow in api.Metaflow()] == ["PetsFlow"]


def test_latest_is_the_latest_that_the_namespace_shows(write, default, client):
    write(RUN, user="ann")
    write("20261124-0300-0001", user="bob")
    write("20261124-0330-0001", user="ann").tag("mine")
    api.namespace("user:bob")
    assert Run("PetsFlow/latest").id == "20261124-0300-0001"
    with pytest.raises(NamespaceMismatch, match="PetsFlow has 1 run in the namespace"):
        Run("PetsFlow/latest~1")
    api.namespace("mine")
    assert Run("PetsFlow/latest").id == "20261124-0330-0001"
    api.namespace("user:ann")
    assert Run("PetsFlow/latest~1").id == RUN
    assert client.run("PetsFlow/latest~1").id == "20261124-0300-0001"
    alone = api.Client.over(client.stores, namespace="user:eve")
    with pytest.raises(NamespaceMismatch) as caught:
        alone.run("PetsFlow/latest")
    assert "namespace=None" in caught.value.hint


def test_a_resumed_run_has_what_it_took(write, client):
    origin = write()
    taken = [origin.parameters(), origin.start(), origin.count(0), origin.count(1)]
    origin.failed("count", "2", 0)
    origin.failed("count", "2", 1)
    origin.end(FAILED)
    resumed = write("20261124-0300-0001", origin=origin.run)
    resumed.take(taken)
    resumed.count(2)
    resumed.record("join", to=["end"])
    resumed.record("end", kind="end", values={"total": 3})
    resumed.end(SUCCEEDED)
    run = client.run("PetsFlow/latest")
    assert run.origin_pathspec == f"PetsFlow/{origin.run}"
    assert [task.data.n for task in run["count"]] == [0, 1, 2]
    assert [task.origin_pathspec for task in run["count"]] == [
        f"PetsFlow/{origin.run}/count/0",
        f"PetsFlow/{origin.run}/count/1",
        None,
    ]
    assert run["start"].origin_pathspec == f"PetsFlow/{origin.run}/start"
    assert run["end"].origin_pathspec is None
    assert run["count"]["0"].metadata_dict["origin-task-id"] == "0"
    assert "origin-task-id" not in run["count"]["2"].metadata_dict
    assert run["count"]["2"].metadata_dict["origin-run-id"] == origin.run
    assert run.data.alpha == 3


def test_the_default_store_is_chosen_as_in_metaflow(write, default, stores, tmp_path, monkeypatch):
    write()
    monkeypatch.chdir(tmp_path)
    assert api.get_metadata() == default.label == str(tmp_path / "store")
    for name in ("one", "two"):
        (tmp_path / name / ".penstock").mkdir(parents=True)
    assert api.metadata(str(tmp_path / "one")) == api.get_metadata() == str(tmp_path / "one/.penstock")
    assert list(api.Metaflow()) == []
    assert api.metadata(f"local@{tmp_path}/two/.penstock") == str(tmp_path / "two/.penstock")
    with pytest.raises(PluginError, match="no datastore 'lcoal'"):
        api.metadata("lcoal")
    assert api.get_metadata() == str(tmp_path / "two/.penstock")
    (tmp_path / ".penstock").mkdir()
    assert api.default_metadata() == str(tmp_path / ".penstock")
