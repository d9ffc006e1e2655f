"""Output of an attempt: into the record where it is short, into the log sink where it is not, lost nowhere."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from penstock.contracts.logsink import LogStream
from penstock.errors import BackendUnavailable
from penstock.host.pump import IN_RECORD_BYTES, StreamPump
from penstock.storage.logs import DatastoreLogSink
from tests.unit.dict_datastore import DictDatastore

STREAM = LogStream("F", "r", "s", "0", 0, "stdout")


class Refusing(DatastoreLogSink):
    """Refuses as often as it is told to."""

    refusals = 0

    def append(self, stream: LogStream, offset: int, chunk: bytes) -> None:
        if self.refusals:
            self.refusals -= 1
            raise BackendUnavailable("the network is gone")
        super().append(stream, offset, chunk)


@pytest.fixture
def sink() -> Refusing:
    return Refusing(DictDatastore())


@pytest.fixture
def pump(sink: Refusing) -> Iterator[StreamPump]:
    read, write = os.pipe()
    os.close(write)
    yield StreamPump(read, STREAM, lambda: sink, lambda _: None)
    os.close(read)


def stored(sink: Refusing) -> bytes:
    return b"".join(sink.read(STREAM))


def test_short_output_rides_in_the_record(pump: StreamPump, sink: Refusing) -> None:
    pump.take(b"one\xff")
    assert pump.fact() == {"size": 4, "text": "one\udcff"}
    assert stored(sink) == b""


def test_nothing_printed_is_no_fact(pump: StreamPump) -> None:
    assert pump.fact() is None


@pytest.mark.parametrize("refusals", [0, 1, 3])
def test_long_output_reaches_the_sink_whole_although_it_is_out_of_reach_for_a_while(
    pump: StreamPump, sink: Refusing, refusals: int
) -> None:
    sink.refusals = refusals
    data = os.urandom(IN_RECORD_BYTES)
    for start in range(0, len(data), 1000):
        pump.take(data[start : start + 1000])
    pump.take(b"x")
    for _ in range(refusals):
        pump.flush()
    assert pump.fact() == {"size": len(data) + 1}
    assert stored(sink) == data + b"x"


def test_a_sink_that_stays_out_of_reach_leaves_the_last_bytes_to_the_record(pump: StreamPump, sink: Refusing) -> None:
    sink.refusals = 1_000_000
    pump.take(b"a" * IN_RECORD_BYTES + b"the end")
    fact = pump.fact()
    assert fact is not None
    assert fact["size"] == IN_RECORD_BYTES + 7
    assert fact["text"].endswith("the end")
    assert len(fact["text"]) == IN_RECORD_BYTES
