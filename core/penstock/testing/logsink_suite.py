"""LogSinkSuite: each promise of the contract `LogSink` as a test.

    class TestMyLogSink(LogSinkSuite):
        def make(self, tmp_path):
            return MyLogSink(FileDatastore(root=str(tmp_path)), group="...")
"""

from __future__ import annotations

import json
import random
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock import contracts
from penstock.contracts.logsink import LogSink, LogStream
from penstock.contracts.reach import Reach
from penstock.testing.children import in_children
from penstock.testing.datastore_suite import reopened

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from penstock.contracts.datastore import Datastore

BINARY = b"\xff\xfe no text\r\n\x00\n\x1b[31mred\x1b[0m" + bytes(range(256))
LONG = "Очень" * 30  # a name may be any identifier
RUN = ("PetsFlow", "20261124-0229-7k3q", "count")


class LogSinkSuite:
    """Inherit, and say how a sink is made.

    secrets: texts that must not be seen in anything written down. long: how many pieces a long output has.
    """

    secrets: tuple[str, ...] = ()
    long = 300

    def make(self, tmp_path: Path) -> LogSink:
        """A new sink without any output, over a new datastore."""
        raise NotImplementedError

    @pytest.fixture
    def sink(self, tmp_path: Path) -> Iterator[LogSink]:
        """What the tests look at."""
        sink = self.make(tmp_path)
        yield sink
        sink.close()
        sink.datastore.close()

    def again(self, sink: LogSink, datastore: Datastore | None = None) -> LogSink:
        """The same sink once more, as another process opens it."""
        cls = type(sink)
        options = json.loads(json.dumps(sink.options()))
        opened = contracts.open(f"{cls.__module__}:{cls.__qualname__}", options, datastore or sink.datastore)
        assert isinstance(opened, LogSink)
        return opened

    # -- append and read

    def test_what_is_appended_is_read(self, sink: LogSink) -> None:
        stream = LogStream(*RUN, "0", 0, "stdout")
        assert append(sink, stream, [b"one\n", b"two", b" three\n"]) == 14
        assert whole(sink, stream) == b"one\ntwo three\n"

    def test_every_byte_is_kept(self, sink: LogSink) -> None:
        stream = LogStream(*RUN, "0", 0, "stderr")
        append(sink, stream, [BINARY, b"\n\n", "ünïcode"[:3].encode()[:2], "ünïcode"[:3].encode()[2:], BINARY[::-1]])
        assert whole(sink, stream) == BINARY + b"\n\n" + "ünï".encode() + BINARY[::-1]

    def test_a_stream_that_never_began_is_empty(self, sink: LogSink) -> None:
        append(sink, LogStream(*RUN, "0", 0, "stdout"), [b"x"])
        for names in ((*RUN, "0", 0, "stderr"), (*RUN, "0", 1, "stdout"), ("No", "r", "s", "0", 0, "stdout")):
            assert list(sink.read(LogStream(*names))) == list(sink.read(LogStream(*names), 100)) == []

    def test_the_same_offset_again_has_no_effect(self, sink: LogSink) -> None:
        stream = LogStream(*RUN, "0", 0, "stdout")
        sink.append(stream, 0, b"first\n")
        sink.append(stream, 0, b"first\n")
        sink.append(stream, 6, b"second\n")
        sink.append(stream, 0, b"first\n")
        sink.append(stream, 6, b"second\n")
        assert whole(sink, stream) == b"first\nsecond\n"
        sink.append(stream, 13, b"third\n")
        sink.append(stream, 6, b"second\n")
        assert whole(sink, stream) == b"first\nsecond\nthird\n"

    def test_the_same_offset_again_from_another_process_has_no_effect(self, sink: LogSink) -> None:
        """A host that died between an append and its answer; another one begins anew."""
        stream = LogStream(*RUN, "0", 0, "stdout")
        append(sink, stream, [b"first\n", b"second\n"])
        other = self.again(sink)
        assert append(other, stream, [b"first\n", b"second\n", b"third\n"]) == 19
        assert whole(other, stream) == whole(sink, stream) == b"first\nsecond\nthird\n"
        other.close()

    def test_nothing_appended_is_nothing(self, sink: LogSink) -> None:
        stream = LogStream(*RUN, "0", 0, "stdout")
        sink.append(stream, 0, b"")
        assert whole(sink, stream) == b""
        append(sink, stream, [b"one", b"", b"two"])
        assert whole(sink, stream) == b"onetwo"

    def test_read_begins_anywhere(self, sink: LogSink) -> None:
        stream = LogStream(*RUN, "0", 0, "stdout")
        mine = random.Random(1)
        pieces = [mine.randbytes(size) for size in (1, 99, 1, 4096, 3, 700)]
        size, data = append(sink, stream, pieces), b"".join(pieces)
        edges = [0, 1, 2, 99, 100, 101, 102, 4196, 4197, 4200, size - 1, size, size + 1, 10 * size]

        @settings(max_examples=60, deadline=None, derandomize=True, database=None)
        @given(start=st.integers(0, size + 10) | st.sampled_from(edges))
        def same(start: int) -> None:
            assert whole(sink, stream, start) == data[start:]

        same()

    def test_pieces_are_followed_as_they_come(self, sink: LogSink) -> None:
        """As somebody does who looks on: again and again from where the last one ended."""
        stream, seen = LogStream(*RUN, "0", 0, "stdout"), b""
        assert sink.piece_at(stream, 0) == b""
        for piece in (b"one\n", b"two", b" and three\n" * 100, b"end"):
            sink.append(stream, len(seen), piece)
            before = len(seen)
            while found := sink.piece_at(stream, len(seen)):
                seen += found
            assert seen[before:] == piece

    def test_long_output_keeps_its_order(self, sink: LogSink) -> None:
        stream = LogStream(*RUN, "0", 0, "stdout")
        lines = [b"line %d of many\n" % number * (number % 7 + 1) for number in range(self.long)]
        append(sink, stream, lines)
        assert whole(sink, stream) == b"".join(lines)

    def test_a_large_piece(self, sink: LogSink) -> None:
        stream = LogStream(*RUN, "0", 0, "stdout")
        data = random.Random(2).randbytes(5_000_000)
        append(sink, stream, [b"before\n", data, b"after\n"])
        assert whole(sink, stream) == b"before\n" + data + b"after\n"
        assert whole(sink, stream, 4_999_000) == data[4_998_993:] + b"after\n"

    def test_streams_are_apart(self, sink: LogSink) -> None:
        streams = [
            LogStream(flow, run, step, place, attempt, source)
            for flow in ("PetsFlow", "Pets", "Größe_дл", LONG + "a", LONG + "b")
            for run in ("20261124-0229-7k3q", "20261124-0229-7k3")
            for step in ("count", "count_", "schritt_ä")
            for place in ("1", "11", "1.1", "1~1")
            for attempt in (1, 11)
            for source in ("stdout", "stderr")
        ]
        for number, stream in enumerate(streams):
            append(sink, stream, [b"%d\n" % number, b"of %a" % repr(stream)])
        for number, stream in enumerate(streams):
            assert whole(sink, stream) == b"%d\nof %a" % (number, repr(stream))

    # -- at once

    def test_output_is_read_while_it_is_written(self, sink: LogSink) -> None:
        """Whoever follows asks from where it stands, and never sees anything twice, torn or out of order."""
        stream = LogStream(*RUN, "0", 0, "stdout")
        pieces = [b"%06d|" % number * (number % 5 + 1) for number in range(self.long // 2)]
        data = b"".join(pieces)
        done = threading.Event()

        def write() -> None:
            try:
                append(sink, stream, pieces)
            finally:
                done.set()

        writer = threading.Thread(target=write)
        writer.start()
        have = b""
        try:
            while not done.is_set():
                have += whole(sink, stream, len(have))
                assert data.startswith(have)
        finally:
            writer.join()
        assert have + whole(sink, stream, len(have)) == data

    def test_what_append_returned_from_is_read_elsewhere(self, sink: LogSink) -> None:
        if sink.datastore.reach is Reach.PROCESS:
            pytest.skip("not promised: the store is this process's alone")
        stream = LogStream(*RUN, "0", 0, "stdout")
        append(sink, stream, [b"one\n", b"two\n"])

        def look(_: int) -> bytes:
            datastore = reopened(sink.datastore)
            own = self.again(sink, datastore)
            try:
                return whole(own, stream, 2)
            finally:
                own.close()
                datastore.close()

        assert in_children(2, look) == [b"e\ntwo\n"] * 2

    def test_threads_share_a_sink(self, sink: LogSink) -> None:
        streams = [LogStream(*RUN, str(number), 0, "stdout") for number in range(6)]
        threads = [
            threading.Thread(target=append, args=(sink, stream, [b"%d of %d\n" % (line, number) for line in range(25)]))
            for number, stream in enumerate(streams)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for number, stream in enumerate(streams):
            assert whole(sink, stream) == b"".join(b"%d of %d\n" % (line, number) for line in range(25))

    # -- what it says of itself

    def test_its_options_open_the_same_sink(self, sink: LogSink) -> None:
        stream = LogStream(*RUN, "0", 0, "stdout")
        append(sink, stream, [b"one\n"])
        other = self.again(sink)
        assert other.options() == sink.options()
        assert whole(other, stream) == b"one\n"
        other.append(stream, 4, b"two\n")
        assert whole(sink, stream) == b"one\ntwo\n"
        other.close()

    def test_what_is_written_down_holds_no_secret(self, sink: LogSink) -> None:
        written = json.dumps(sink.options())
        for secret in self.secrets:
            assert secret not in written

    def test_closing_twice_closes_only_this_one(self, sink: LogSink) -> None:
        stream = LogStream(*RUN, "0", 0, "stdout")
        append(sink, stream, [b"one\n"])
        other = self.again(sink)
        assert whole(other, stream) == b"one\n"
        other.close()
        other.close()
        assert whole(sink, stream) == b"one\n"


def append(sink: LogSink, stream: LogStream, pieces: list[bytes]) -> int:
    """One piece after the other, from the beginning; returns the size of all."""
    offset = 0
    for piece in pieces:
        sink.append(stream, offset, piece)
        offset += len(piece)
    return offset


def whole(sink: LogSink, stream: LogStream, start: int = 0) -> bytes:
    """What `read` gives, as one."""
    pieces = list(sink.read(stream, start))
    assert all(pieces), "an empty piece tells nothing"
    return b"".join(pieces)
