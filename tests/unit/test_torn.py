"""What a power cut leaves torn is written again by whoever needs it next."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from penstock.storage import archive, keys, records
from penstock.storage.artifacts import Artifacts
from penstock_local.file_datastore import FileDatastore


@pytest.mark.parametrize("left", [b"", b"half of it"])
def test_a_torn_chunk_is_written_again_with_the_next_equal_value(tmp_path: Path, left: bytes) -> None:
    store = FileDatastore(str(tmp_path))
    value = os.urandom(100_000)  # nothing compresses it
    Artifacts(store).store("value", value)
    (chunk,) = [one.key for one in store.list(keys.CHUNKS)]
    store.put(chunk, left, replace=True)
    row = Artifacts(store).store("value", value)
    assert Artifacts(store).load("value", row) == value


def test_a_torn_archive_is_written_again(tmp_path: Path) -> None:
    store = FileDatastore(str(tmp_path))
    name = archive.put(store, b"the code")
    store.put(keys.code(name), b"", replace=True)
    assert archive.put(store, b"the code") == name
    assert archive.get(store, name) == b"the code"


def test_a_whole_object_of_the_same_content_is_left_alone(tmp_path: Path) -> None:
    store = FileDatastore(str(tmp_path))
    store.put_content("code/x", b"abc")
    before = os.stat(store.local_path("code/x")).st_mtime_ns
    store.put_content("code/x", b"abc")
    assert os.stat(store.local_path("code/x")).st_mtime_ns == before  # type: ignore[union-attr]
    assert records.read(store, "code/x") is None
