"""What jobs elsewhere fetch, and what rides in it."""

from __future__ import annotations

import io
import json
import zipfile

import pytest

from penstock.contracts.reach import Reach
from penstock.running.launches import Launches
from penstock.running.world import World
from penstock.storage import records
from penstock.storage.artifacts import Artifacts, object_of_items
from penstock.values import SUCCEEDED, Record
from tests.unit.dict_datastore import DictDatastore


class Far(DictDatastore):
    reach = Reach.ANYWHERE

    def bootstrap(self) -> str:
        return "fetch = None\n"


def launches(store: DictDatastore) -> Launches:
    return Launches(store, {"flow": "F", "opened": {"run": "r", "facts": {}}}, runtime=b"runtime", code=b"code")


def opened(store: DictDatastore, command: tuple[str, ...]) -> dict[str, object]:
    with zipfile.ZipFile(io.BytesIO(store.objects[f"code/{command[-2]}"])) as archive:
        assert (archive.read("runtime"), archive.read("code")) == (b"runtime", b"code")
        found: dict[str, object] = json.loads(archive.read("launch"))["opened"]
    return found


@pytest.mark.parametrize("far", [True, False])
def test_each_set_of_objects_is_put_once_and_only_far_away(far: bool) -> None:
    store = Far()
    store.reach = Reach.ANYWHERE if far else Reach.HOST
    store.objects.update(a=b"\x00one", b=b"two")
    made = launches(store)
    commands = [made.command(text, keys, store.get_many) for keys in ([], ["a"], ["a", "b"]) for text in ("x", "y")]
    assert [command[-1] for command in commands] == ["x", "y"] * 3
    assert store.count("put") == len({command[-2] for command in commands}) == (3 if far else 1)
    riding = opened(store, commands[-1])["riding"]
    assert riding == ({"a": "AG9uZQ==", "b": "dHdv"} if far else {})


def test_what_rode_is_not_read_again() -> None:
    store = Far()
    artifacts = Artifacts(store)
    row, _ = artifacts.store_items(range(500))
    artifacts.flush()
    items = object_of_items(row)
    assert items is not None
    record = Record(flow="F", run="r", step="start", place="0", attempt=0, outcome=SUCCEEDED, token="t")
    records.claim_record(store, record)
    key = records.key_of(record)
    told = opened(store, launches(store).command("", [key, items], store.get_many))
    world = World(flow_class=None, graph=type("Graph", (), {"name": "F"}), datastore=store, opened=told)  # type: ignore[arg-type]
    store.objects.clear()
    assert (world.constants(key).token, world.parent(key).token) == ("t", "t")
    assert Artifacts(store, known=world.riding).load_item(row, 321) == 321


@pytest.mark.parametrize(("count", "there"), [(3, False), (500, True), (20_000, False)])
def test_items_ride_where_each_task_would_read_all_of_them(count: int, there: bool) -> None:
    """Few stand in the record, of many only a slice is read."""
    row, _ = Artifacts(Far()).store_items(range(count))
    assert (object_of_items(row) is not None) == there
