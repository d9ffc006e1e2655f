"""Records: what is written is read back, what is torn counts as lost, and of many writers one wins."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import ChunkDamaged, KeyMissing, StoreVersion
from penstock.storage import bundle, keys, records
from penstock.storage.records import FORMAT_VERSION
from penstock.values import CANCELLED, FAILED, LOST, OUTCOMES, SUCCEEDED, Record
from tests.unit.dict_datastore import DictDatastore

TEXT = st.text(max_size=20)
NAMES = st.text(min_size=1, max_size=20).filter(lambda text: "\0" not in text)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
RECORDS = st.builds(
    Record,
    flow=st.just("F"),
    run=st.just("r"),
    step=NAMES,
    place=st.sampled_from(["0", "17", "17.3", "17.3~2"]),
    attempt=st.integers(0, 99),
    outcome=st.sampled_from(sorted(OUTCOMES)),
    token=TEXT,
    reason=TEXT,
    started_s=st.floats(0, 2e9),
    ended_s=st.floats(0, 2e9),
    parents=st.lists(TEXT, max_size=3).map(tuple),
    artifacts=st.dictionaries(NAMES, st.dictionaries(TEXT, VALUES, max_size=3), max_size=3),
    exception=st.none() | st.dictionaries(TEXT, TEXT, max_size=3),
    stdout=st.none() | st.fixed_dictionaries({"size": st.integers(0, 99), "text": TEXT}),
    caught=st.booleans(),
)


def record(**changes: Any) -> Record:
    given = {
        "flow": "F",
        "run": "r",
        "step": "s",
        "place": "0",
        "attempt": 0,
        "outcome": SUCCEEDED,
        "token": "t",
        **changes,
    }
    return Record(**given)


# ---------------------------------------------------------------------------------------------- one object


@given(RECORDS)
def test_a_record_is_read_back(one: Record) -> None:
    raw = records.encode_record(one)
    again = records.decode_record(raw, records.key_of(one))
    assert again.data() == one.data()
    assert records.encode_record(again) == raw


@given(RECORDS, st.data())
def test_a_torn_record_counts_as_lost(one: Record, data: st.DataObject) -> None:
    """Cut short anywhere, or with a byte changed after the first line."""
    raw = records.encode_record(one)
    cut = raw[: data.draw(st.integers(0, len(raw) - 1))]
    place = data.draw(st.integers(raw.index(b"\n") + 1, len(raw) - 1))
    flipped = raw[:place] + bytes([raw[place] ^ data.draw(st.integers(1, 255))]) + raw[place + 1 :]
    key = keys.record("F", "r", one.step, one.place, one.attempt)
    for torn in (cut, flipped, b"", None):
        read = records.decode_record(torn, key)
        assert (read.outcome, read.place, read.attempt, read.writer) == (LOST, one.place, one.attempt, "nobody")
        assert read.reason == "its record is empty or torn"


@given(st.dictionaries(TEXT, VALUES, max_size=4), st.sampled_from(["run", "lease", "tag"]))
def test_any_object_is_read_back(data: dict[str, Any], kind: str) -> None:
    raw = records.encode(kind, data)
    assert records.decode(raw) == data
    head, _, body = raw.partition(b"\n")
    assert head.split()[:2] == [b"penstock-" + kind.encode(), b"1"]
    assert json.loads(body) == data


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"\n", b"penstock-run", b"penstock-run 1\n{}", b"{}", b"penstock-run 1 " + b"0" * 64 + b"\n{}",
        b"\xff" * 200, bytes(200),
    ],
)  # fmt: skip
def test_what_is_no_object(raw: bytes) -> None:
    with pytest.raises(ChunkDamaged, match=r"the/key is (empty or )?torn"):
        records.decode(raw, "the/key")
    store = DictDatastore()
    store.put("the/key", raw)
    assert records.read(store, "the/key") is None


def test_an_object_that_is_no_mapping() -> None:
    import hashlib

    body = b"[1]"
    raw = b"penstock-run 1 " + hashlib.sha256(body).hexdigest().encode() + b"\n" + body
    with pytest.raises(ChunkDamaged, match="holds no JSON object"):
        records.decode(raw, "k")


def test_an_object_of_a_later_version_is_not_taken_for_a_torn_one() -> None:
    raw = records.encode("record", {}).replace(b" 1 ", b" %d " % (FORMAT_VERSION + 1), 1)
    with pytest.raises(StoreVersion, match=r"k has format 2; this penstock reads up to 1") as told:
        records.decode(raw, "k")
    assert "pip install --upgrade" in told.value.hint
    store = DictDatastore()
    store.put("k", raw)
    for read in (
        lambda: records.read(store, "k"),
        lambda: records.decode_record(raw, keys.record("F", "r", "s", "0", 0)),
    ):
        with pytest.raises(StoreVersion):
            read()


@pytest.mark.parametrize("key", ["x", "runs/F/r/run", "runs/F/r/tasks/s/0/0.owner", "chunks/aa/b"])
def test_a_torn_record_under_a_key_of_no_attempt(key: str) -> None:
    with pytest.raises(ChunkDamaged, match="is not the key of a record"):
        records.decode_record(b"", key)


# -------------------------------------------------------------------------------------------------- claims


def test_the_first_writer_wins_and_the_second_reads_it() -> None:
    store = DictDatastore()
    assert records.claim(store, "k", "lease", {"token": "a", "n": 1}) == (True, {"token": "a", "n": 1})
    assert records.claim(store, "k", "lease", {"token": "b", "n": 2}) == (False, {"token": "a", "n": 1})


def test_after_a_lost_answer_a_writer_knows_its_own_work() -> None:
    store = DictDatastore()
    records.claim(store, "k", "lease", {"token": "a", "n": 1})
    assert records.claim(store, "k", "lease", {"token": "a", "n": 9}) == (True, {"token": "a", "n": 1})
    records.claim_record(store, record(token="x"))
    assert records.claim_record(store, record(token="x"))[0]


def test_a_torn_claim_is_lost_to_everybody() -> None:
    store = DictDatastore()
    store.put("k", b"")
    assert records.claim(store, "k", "lease", {"token": "a"}) == (False, {})


@pytest.mark.parametrize("first", [SUCCEEDED, FAILED, LOST, CANCELLED])
def test_a_record_once_claimed_stands(first: str) -> None:
    store = DictDatastore()
    assert records.claim_record(store, record(outcome=first, token="worker"))[0]
    won, standing = records.claim_record(store, record(outcome=LOST, token="driver"))
    assert (won, standing.outcome, standing.token) == (False, first, "worker")


def test_a_torn_record_can_not_be_claimed_again_but_reads_as_lost() -> None:
    store = DictDatastore()
    store.put(keys.record("F", "r", "s", "0", 0), b"penstock")
    won, standing = records.claim_record(store, record())
    assert (won, standing.outcome) == (False, LOST)


def test_tokens_differ() -> None:
    assert len({records.new_token() for _ in range(1000)}) == 1000


# --------------------------------------------------------------------------------------------- of a whole run


def test_records_of_a_run_and_nothing_else() -> None:
    store = DictDatastore()
    for place in ("0", "17.3~2"):
        records.claim_record(store, record(place=place))
    store.put(keys.owner("F", "r", "s", "0", 1), b"x")
    store.put(keys.record("F", "other", "s", "0", 0), b"x")
    found = sorted(records.list_records(store, "F", "r"))
    assert found == [keys.record("F", "r", "s", "0", 0), keys.record("F", "r", "s", "17.3~2", 0)]
    missing = keys.record("F", "r", "s", "5", 0)
    read = list(records.read_records(store, [found[1], missing, found[0]]))
    assert [(one.place, one.outcome) for one in read] == [("17.3~2", SUCCEEDED), ("5", LOST), ("0", SUCCEEDED)]
    with pytest.raises(KeyMissing):
        records.read_record(store, missing)


def test_one_listing_tells_records_and_attempts_that_have_none_yet() -> None:
    store = DictDatastore()
    records.claim_record(store, record(place="0"))
    store.put(keys.owner("F", "r", "s", "0", 0), b"x")  # it has a record by now
    store.put(keys.owner("F", "r", "s", "17.3~2", 1), b"x")
    store.put(keys.beat("F", "r", "s", "17.3~2", 1), b"x")
    store.put(keys.staged("F", "r", "n", "4", 0), b"x")
    assert records.list_attempts(store, "F", "r") == (
        [keys.record("F", "r", "s", "0", 0)],
        [("F", "r", "s", "17.3~2", 1)],
        [("F", "r", "n", "4", 0)],
    )


@given(st.permutations([(place, attempt) for place in ("0", "1") for attempt in range(3)]))
def test_attempts_are_in_order_whatever_the_order_of_reading(order: list[tuple[str, int]]) -> None:
    folded = records.fold(
        record(place=place, attempt=attempt, outcome=FAILED if attempt < 2 else SUCCEEDED) for place, attempt in order
    )
    assert set(folded) == {("s", "0"), ("s", "1")}
    for attempts in folded.values():
        assert [one.attempt for one in attempts] == [0, 1, 2]
        standing = records.standing(attempts)
        assert standing is not None
        assert standing.attempt == 2
        assert records.standing(attempts[:2]) is None


def test_a_record_that_refers_to_another_run_s_stands_there() -> None:
    assert records.key_of(record()) == keys.record("F", "r", "s", "0", 0)
    assert records.key_of(record(refers="elsewhere")) == "elsewhere"


@given(st.lists(RECORDS, max_size=5), st.data())
def test_a_bundle_of_records(found: list[Record], data: st.DataObject) -> None:
    raw = bundle.encode(map(records.encode_record, found))
    assert [one.data() for one in records.decode_bundle(raw, "k")] == [one.data() for one in found]
    assert bundle.encode(item for _, item in records.decode_bundle_raw(raw, "k")) == raw
    lazy = records.BundledRecords(raw, "k")
    assert [one.data() for one in lazy] == [one.data() for one in found]
    assert len(lazy) == len(found)
    cut = raw[: data.draw(st.integers(0, len(raw) - 1))]
    for read in (records.decode_bundle, records.BundledRecords):
        with pytest.raises(ChunkDamaged, match="k"):
            list(read(cut, "k"))


@pytest.mark.parametrize(
    ("stream", "outside"),
    [
        ({"size": 1, "inline": "eA=="}, False),
        ({"size": 9, "chunks": ["x.raw"]}, True),
        ({"size": 9, "list": "x"}, True),
    ],
)
def test_a_bundle_tells_whether_its_records_name_chunks(stream: dict[str, object], outside: bool) -> None:
    text = 'a text that reads {"chunks": []} and {"list": 1}'
    one = record(artifacts={"x": {"stream": stream, "preview": text}})
    raw = bundle.encode([records.encode_record(one)])
    assert records.BundledRecords(raw, "k").have_chunks == outside


# ----------------------------------------------------------------------------------------- the store as a whole


def test_a_new_store_is_marked_by_a_writer_alone() -> None:
    store = DictDatastore()
    records.open_format(store, write=False)
    assert store.objects == {}
    records.open_format(store, write=True)
    assert records.decode(store.get("format"))["version"] == FORMAT_VERSION
    records.open_format(store, write=True)
    records.open_format(store, write=False)


@pytest.mark.parametrize("raw", [b"", b"hello", b"penstock-format"])
def test_a_store_of_another_program(raw: bytes) -> None:
    store = DictDatastore()
    store.put("format", raw)
    with pytest.raises(StoreVersion, match="is not a store of penstock") as told:
        records.open_format(store, write=True)
    assert told.value.hint


def test_a_store_of_a_later_version() -> None:
    store = DictDatastore()
    store.put("format", records.encode("format", {}).replace(b" 1 ", b" 7 ", 1))
    with pytest.raises(StoreVersion, match="has format 7"):
        records.open_format(store, write=False)
