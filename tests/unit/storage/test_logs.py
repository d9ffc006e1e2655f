"""Output as objects of any datastore."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from penstock.contracts.logsink import LogStream
from penstock.storage import keys
from penstock.storage.logs import DatastoreLogSink
from tests.unit.dict_datastore import DictDatastore

STREAM = LogStream("F", "r", "schritt_ä", "17.3~2", 0, "stdout")


@given(st.lists(st.binary(min_size=1, max_size=20)), st.integers(0, 100))
def test_what_was_appended_is_read_from_any_byte(pieces, start):
    sink, offset = DatastoreLogSink(DictDatastore()), 0
    for piece in pieces:
        sink.append(STREAM, offset, piece)
        sink.append(STREAM, offset, piece)  # the answer to the first was lost
        offset += len(piece)
    assert b"".join(sink.read(STREAM, start)) == b"".join(pieces)[start:]


def test_streams_and_attempts_with_a_common_beginning_stay_apart():
    sink = DatastoreLogSink(DictDatastore())
    for attempt, source in ((1, "stdout"), (11, "stdout"), (1, "stderr")):
        sink.append(LogStream("F", "r", "s", "0", attempt, source), 0, f"{attempt} {source}".encode())
    assert b"".join(sink.read(LogStream("F", "r", "s", "0", 1, "stdout"))) == b"1 stdout"


def test_nothing_after_a_gap_is_shown():
    store = DictDatastore()
    sink = DatastoreLogSink(store)
    for offset in (0, 2, 4):
        sink.append(STREAM, offset, b"ab")
    store.delete([keys.log("F", "r", "schritt_ä", "17.3~2", 0, "stdout", 2)])
    assert b"".join(sink.read(STREAM)) == b"ab"


def test_an_empty_piece_makes_no_object():
    store = DictDatastore()
    DatastoreLogSink(store).append(STREAM, 0, b"")
    assert not store.objects
    assert list(DatastoreLogSink(store).read(STREAM)) == []
