"""Records that are kept beside the scheduler of a store that is far away."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.contracts.reach import Reach
from penstock.running.spool import RecordSpool
from tests.unit.dict_datastore import DictDatastore


@pytest.mark.parametrize(("reach", "reads"), [(Reach.ANYWHERE, ["c", "x"]), (Reach.HOST, ["a", "b", "c", "x"])])
def test_what_was_read_is_not_read_again_from_far_away(reach, reads, monkeypatch):
    store = DictDatastore()
    store.reach = reach
    for key in "abc":
        store.put(key, key.encode() * 3)
    asked: list[str] = []
    get_many = store.get_many
    monkeypatch.setattr(store, "get_many", lambda keys: get_many(asked.extend(keys) or keys))
    spool = RecordSpool(store)
    for key in "ab":
        spool.keep(key, store.get(key))
    spool.keep("a", b"a second look changes nothing")
    assert list(spool.get_many(["b", "x", "a", "c"])) == [("b", b"bbb"), ("x", None), ("a", b"aaa"), ("c", b"ccc")]
    assert sorted(asked) == reads
    spool.close()
    spool.close()
    assert list(spool.get_many(["b"])) == [("b", b"bbb")]


@given(st.dictionaries(st.text("abcdef", min_size=1), st.binary(max_size=40), max_size=30), st.data())
def test_what_a_run_took_from_its_origin_is_read_from_one_object(taken, data):
    store = DictDatastore()
    store.put("taken", b"".join(taken.values()) + b"the table of the bundle")
    store.put("own", b"a record of the run itself")
    spool = RecordSpool(store)
    spool.lay("taken", [(key, len(raw)) for key, raw in taken.items()])
    expected = {**taken, "own": b"a record of the run itself", "missing": None}
    asked = data.draw(st.lists(st.sampled_from(sorted(expected))))
    assert list(spool.get_many(asked)) == [(key, expected[key]) for key in asked]
    spool.close()
