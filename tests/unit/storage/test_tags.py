"""Tags of a run: any text, each one object, so that many can add and remove at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.storage import keys
from penstock.storage.tags import add_tags, read_tags, remove_tags
from penstock_local.file_datastore import FileDatastore
from tests.unit.dict_datastore import DictDatastore

TAGS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=500)


@given(st.sets(TAGS, max_size=5), st.sets(TAGS, max_size=3))
def test_what_was_added_and_not_removed_is_there(added: set[str], removed: set[str]) -> None:
    store = DictDatastore()
    add_tags(store, "F", "r", added)
    remove_tags(store, "F", "r", removed)
    assert read_tags(store, "F", "r") == sorted(added - removed)
    assert read_tags(store, "F", "other") == []


def test_adding_twice_and_removing_what_is_not_there() -> None:
    store = DictDatastore()
    add_tags(store, "F", "r", ["a", "a"])
    add_tags(store, "F", "r", ["a"])
    remove_tags(store, "F", "r", ["b"])
    assert read_tags(store, "F", "r") == ["a"]


@pytest.mark.parametrize(
    "tag",
    [
        "../../x", "/etc/passwd", "a/b", ".", "..", "CON", "\0", "ä" * 400, "x" * 500, "=41", "with space",
        "\N{GRINNING FACE}",
    ],
)  # fmt: skip
def test_no_tag_leads_outside_its_folder(tag: str, tmp_path: Path) -> None:
    store = FileDatastore(str(tmp_path / "store"))
    add_tags(store, "F", "r", [tag])
    assert read_tags(store, "F", "r") == [tag]
    files = [path for path in (tmp_path).rglob("*") if path.is_file() and path.name != ".gitignore"]
    assert [path.parent for path in files] == [tmp_path / "store" / "runs" / "F" / "r" / "tags"]


def test_many_at_once_lose_none(tmp_path: Path) -> None:
    store = FileDatastore(str(tmp_path / "store"))
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: add_tags(store, "F", "r", [f"t{number}", "same"]), range(100)))
        list(pool.map(lambda number: remove_tags(store, "F", "r", [f"t{number}"]), range(50)))
    assert read_tags(store, "F", "r") == sorted(["same", *(f"t{number}" for number in range(50, 100))])


def test_a_torn_tag_is_passed_over() -> None:
    store = DictDatastore()
    add_tags(store, "F", "r", ["a", "b"])
    store.put(keys.tag("F", "r", "a"), b"", replace=True)
    assert read_tags(store, "F", "r") == ["b"]
