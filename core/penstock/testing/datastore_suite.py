"""DatastoreSuite: each promise of the contract `Datastore` as a test.

    class TestMyDatastore(DatastoreSuite):
        def make(self, tmp_path):
            return MyDatastore(bucket="...", prefix=uuid4().hex)

A store of reach `PROCESS` is not asked by other processes, one without `exclusive_put` not for exclusive ones.
"""

from __future__ import annotations

import array
import base64
import functools
import hashlib
import importlib.util
import json
import os
import random
import string
import subprocess
import sys
import threading
import time
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock import contracts
from penstock.contracts.datastore import Datastore, Stat
from penstock.contracts.finding import BAD
from penstock.contracts.reach import Reach
from penstock.errors import KeyMissing
from penstock.testing.children import Victim, in_children

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from penstock.contracts.datastore import Bytes

PACKED_BYTES = 4096  # of a bootstrap
LONGEST_KEY = "/".join(["k" * 120] * 7 + ["k" * 53])
GRAMMAR = string.ascii_letters + string.digits + "._=~-"
LIMIT_S = 60.0  # for what a store must show at some time

# Opens the store as a worker elsewhere does; what it was given are arguments, and its variables.
_STRANGER = """
import json, sys
sys.path[:0] = json.loads(sys.argv[1])
from penstock import contracts
store = contracts.open(*json.loads(sys.argv[2]))
sys.stdout.buffer.write(store.get("o/one"))
assert store.put("o/two", b"two")
store.close()
"""

KEYS = (
    "a/b/c",
    "a/b/cd",
    "a/b/c.x",
    "a/bc/d",
    "a/b-c/d",
    "ab/c",
    "b",
    "runs/Flow/20260101-0000-aaaa/run",
    "runs/Flow/20260101-0000-aaaa/tasks/start/0/0.record",
    "runs/Flow/20260101-0000-aaab/run",
    "runs/Flow2/20260101-0000-aaaa/run",
)
PREFIXES = (
    "", "a", "a/", "a/b", "a/b/", "a/b/c", "a/b/c.", "a/b/c/", "a/b-", "ab", "ab/", "b", "b/", "r", "runs/Flow",
    "runs/Flow/", "runs/Flow/2026", "runs/Flow/20260101-0000-aaaa/", KEYS[8], "nothing", "nothing/", "a/b/c/d/e/f",
)  # fmt: skip


class DatastoreSuite:
    """Inherit, and say how a store is made.

    secrets: texts that must not be seen in anything that a run writes down. clock_step_s: how coarse the ages are that
    the store tells. large_bytes: size of the large object. page: more objects than the store lists in one answer.
    """

    secrets: tuple[str, ...] = ()
    clock_step_s = 0.02
    large_bytes = 32 << 20
    page = 1100

    def make(self, tmp_path: Path) -> Datastore:
        """A new store without any object."""
        raise NotImplementedError

    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[Datastore]:
        """What the tests look at."""
        store = self.make(tmp_path)
        yield store
        store.close()

    @pytest.fixture
    def again(self, store: Datastore) -> Iterator[Callable[[], Datastore]]:
        """Opens the same store once more, as another process would."""
        if store.reach is Reach.PROCESS:
            pytest.skip("not promised: the store is this process's alone")
        opened: list[Datastore] = []

        def open_again() -> Datastore:
            opened.append(reopened(store))
            return opened[-1]

        yield open_again
        for one in opened:
            one.close()

    # -- put

    def test_put_writes_an_object_and_says_so(self, store: Datastore) -> None:
        assert store.put("a/b", b"first") is True
        assert store.get("a/b") == b"first"

    def test_a_second_put_leaves_the_first_and_says_so(self, store: Datastore) -> None:
        _needs_exclusive(store)
        store.put("a/b", b"first")
        assert store.put("a/b", b"first") is False
        assert store.put("a/b", b"other") is False
        assert store.get("a/b") == b"first"

    def test_put_with_replace_replaces(self, store: Datastore) -> None:
        assert store.put("a/b", b"first and long", replace=True) is True
        assert store.put("a/b", b"other", replace=True) is True
        assert store.get("a/b") == b"other"
        assert [(one.key, one.size) for one in store.list("a/b")] == [("a/b", 5)]

    @pytest.mark.parametrize(
        "data",
        [
            pytest.param(b"bytes", id="bytes"),
            pytest.param(bytearray(b"bytearray"), id="bytearray"),
            pytest.param(memoryview(b"0123456789")[2:7], id="memoryview"),
            pytest.param(memoryview(array.array("d", [1.0, 2.0])), id="items-of-eight-bytes"),
            pytest.param(bytes(range(256)), id="every-byte"),
            pytest.param(b"\r\n\x00\xff\n", id="line-ends"),
        ],
    )
    def test_put_takes_any_bytes_as_they_are(self, store: Datastore, data: Any) -> None:
        store.put("a/b", data)
        store.put("a/c", data, replace=True)
        assert store.get("a/b") == store.get("a/c") == bytes(data)

    def test_of_many_threads_exactly_one_puts(self, store: Datastore) -> None:
        _needs_exclusive(store)
        for turn in range(5):
            key = f"race/{turn}"
            won = _in_threads(12, functools.partial(_race, store, key))
            assert sum(won) == 1

    def test_of_many_processes_exactly_one_puts(self, store: Datastore) -> None:
        _needs_exclusive(store)
        if store.reach is Reach.PROCESS:
            pytest.skip("not promised: the store is this process's alone")

        def contend(number: int) -> list[bool]:
            own = reopened(store)
            try:
                return [_race(own, f"race/{turn}", number) for turn in range(10)]
            finally:
                own.close()

        for won in zip(*in_children(6, contend), strict=True):
            assert sum(won) == 1

    def test_a_reader_sees_nothing_or_everything(self, store: Datastore) -> None:
        """Of an object that appears, and of one that is replaced all the while."""
        done = threading.Event()
        store.put("replaced", _sealed(0, 50_000))

        def write() -> None:
            try:
                for number in range(25):
                    store.put(f"new/{number}", _sealed(number, 300_000))
                    store.put("replaced", _sealed(number, 50_000 + number * 20_000), replace=True)
            finally:
                done.set()

        def read(number: int) -> int:
            if not number:
                write()
                return 1
            at = 0
            while at < 25:
                last = done.is_set()  # looked at first: what is missing then will never come
                assert _is_whole(store.get("replaced"))
                try:
                    assert _is_whole(store.get(f"new/{at}"))
                except KeyMissing:
                    if last:
                        break
                else:
                    at += 1
            return at

        assert _in_threads(3, read) == [1, 25, 25]

    def test_what_a_killed_writer_leaves_is_whole(self, store: Datastore) -> None:
        """SIGKILL at some moment between two puts that it told of; everything told is there, nothing is half."""
        if store.reach is Reach.PROCESS:
            pytest.skip("not promised: the store is this process's alone")

        def write(tell: Callable[[int], None]) -> None:
            own = reopened(store)
            for number in range(10_000):
                own.put(f"{turn}/{number}", _sealed(number, 500_000))
                own.put(f"{turn}/replaced", _sealed(number, 300_000 + number), replace=True)
                tell(number)

        def look() -> None:
            for _ in range(5 * turn):
                assert _is_whole(store.get(f"{turn}/0"))

        for turn in range(5):
            last = Victim(write).kill_after(turn % 3, look)
            found = {one.key: one.size for one in store.list(f"{turn}/")}
            assert {f"{turn}/{number}" for number in range(last + 1)} <= set(found)
            for key, size in found.items():
                data = store.get(key)
                assert _is_whole(data) and len(data) == size

    def test_an_empty_object_is_one(self, store: Datastore) -> None:
        assert store.put("empty", b"") is True
        assert store.get("empty") == b""
        assert store.get("empty", 0, 10) == b""
        assert [(one.key, one.size) for one in store.list("")] == [("empty", 0)]
        found = store.stat("empty")
        assert found is not None and found.size == 0
        if store.exclusive_put:
            assert store.put("empty", b"no longer") is False

    def test_a_large_object(self, store: Datastore) -> None:
        size = self.large_bytes
        data = random.Random(1).randbytes(1 << 20) * (size >> 20)
        store.put("large", memoryview(data))
        with store.open("large") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()  # type: ignore[arg-type]
        assert digest == hashlib.sha256(data).hexdigest()
        middle = size // 2 - 1000
        assert store.get("large", middle, 5000) == data[middle : middle + 5000]
        assert store.get("large", size - 10) == data[-10:]

    # -- keys

    def test_every_character_of_a_key(self, store: Datastore) -> None:
        keys = [f"all/{character}x/{character * 3}" for character in GRAMMAR] + [GRAMMAR, "a=2F=3D/~x/-y/0.record"]
        for key in keys:
            assert store.put(key, key.encode()) is True, key
        assert {key: store.get(key) for key in keys} == {key: key.encode() for key in keys}
        assert sorted(one.key for one in store.list("")) == sorted(keys)

    def test_a_key_of_900_bytes(self, store: Datastore) -> None:
        assert len(LONGEST_KEY) == 900
        other = LONGEST_KEY[:-1] + "x"
        store.put(LONGEST_KEY, b"one")
        store.put(other, b"other")
        store.put(other, b"another", replace=True)
        assert (store.get(LONGEST_KEY), store.get(other)) == (b"one", b"another")
        assert {one.key for one in store.list(LONGEST_KEY[:-53])} == {LONGEST_KEY, other}
        store.touch(other)
        store.delete([other])
        assert store.exists(LONGEST_KEY) and not store.exists(other)

    # -- reading

    def test_ranges_are_those_of_bytes(self, store: Datastore) -> None:
        data = random.Random(2).randbytes(700)
        store.put("r/data", data)
        places = st.one_of(st.integers(0, 710), st.sampled_from([0, 1, 699, 700, 701, 10_000, 1 << 40]))

        @settings(max_examples=60, deadline=None, derandomize=True, database=None)
        @given(start=places, length=st.none() | places)
        def same(start: int, length: int | None) -> None:
            expected = data[start:] if length is None else data[start : start + length]
            assert store.get("r/data", start, length) == expected
            with store.open("r/data", start, length) as stream:
                assert stream.read() == expected

        same()

    def test_open_gives_a_stream_that_is_read_in_pieces(self, store: Datastore) -> None:
        data = random.Random(3).randbytes(200_000)
        store.put("s/data", data)
        for start, length in ((0, None), (7, None), (7, 100_001)):
            with store.open("s/data", start, length) as stream:
                pieces = list(iter(lambda: stream.read(4096), b""))
            assert b"".join(pieces) == (data[start:] if length is None else data[start : start + length])
        with store.open("s/data", 3, 20) as stream:
            assert stream.read(5) == data[3:8]
            assert stream.read() == data[8:23]
            assert stream.read() == b""

    def test_a_missing_key_raises_with_its_name(self, store: Datastore) -> None:
        store.put("a/b", b"x")
        for key in ("a/c", "a", "a/b2", "nowhere/at/all"):
            asks: list[Callable[[str], object]] = [store.get, store.open, store.touch, lambda key: store.get(key, 3, 4)]
            for ask in asks:
                with pytest.raises(KeyMissing) as caught:
                    ask(key)
                assert caught.value.key == key
            assert store.stat(key) is None
            assert store.exists(key) is False

    def test_get_many_keeps_the_order_and_tells_what_is_missing(self, store: Datastore) -> None:
        keys = [f"many/{number * 7 % 100:02d}" for number in range(100)]
        for key in keys[::2]:
            store.put(key, key.encode())
        asked = [*keys, keys[4], keys[1]]
        found = list(store.get_many(iter(asked)))
        assert [key for key, _ in found] == asked
        assert dict(found) == {key: key.encode() if number % 2 == 0 else None for number, key in enumerate(keys)}
        assert found[-2:] == [(keys[4], keys[4].encode()), (keys[1], None)]
        assert list(store.get_many([])) == []

    def test_put_many_leaves_what_exists(self, store: Datastore) -> None:
        store.put("pm/1", b"old")
        store.put_many((f"pm/{number}", b"new %d" % number) for number in range(40))
        store.put_many([])
        expected = {f"pm/{number}": b"new %d" % number for number in range(40)}
        assert dict(store.get_many(expected)) == {**expected, "pm/1": b"old"}

    def test_put_pieces_makes_one_object(self, store: Datastore) -> None:
        pieces: list[Bytes] = [b"one", b"", bytearray(b"two"), memoryview(b"three"), b"4" * (1 << 20)]
        assert store.put_pieces("pp/1", lambda: iter(pieces)) is True
        assert store.get("pp/1") == b"".join(pieces)
        assert store.put_pieces("pp/1", lambda: [b"later"]) is False
        assert store.get("pp/1") == b"".join(pieces)
        assert store.put_pieces("pp/nothing", list) is True
        assert store.get("pp/nothing") == b""

    def test_put_pieces_that_come_to_no_end_leave_nothing(self, store: Datastore) -> None:
        def broken() -> Iterator[bytes]:
            yield b"first" * 100_000
            raise LookupError("the second is not there")

        with pytest.raises(LookupError, match="second"):
            store.put_pieces("pb/1", broken)
        assert store.stat("pb/1") is None
        assert store.put_pieces("pb/1", lambda: [b"whole"]) is True

    # -- listing

    def test_list_by_whole_and_half_parts(self, store: Datastore) -> None:
        for number, key in enumerate(KEYS):
            store.put(key, b"x" * (number + 1))
        for prefix in PREFIXES:
            found = sorted((one.key, one.size) for one in store.list(prefix))
            assert found == sorted((k, n + 1) for n, k in enumerate(KEYS) if k.startswith(prefix)), f"prefix {prefix!r}"

    def test_more_objects_than_a_page_holds_are_listed_once_each(self, store: Datastore) -> None:
        keys = {f"page/{number:05d}" for number in range(self.page)}
        store.put_many((key, b"x") for key in sorted(keys))
        store.put("other/0", b"x")
        found = [one.key for one in store.list("page/")]
        assert len(found) == self.page
        assert set(found) == keys
        store.delete(keys)
        assert [one.key for one in store.list("")] == ["other/0"]

    def test_what_a_finished_put_wrote_is_listed(self, store: Datastore) -> None:
        def write(number: int) -> None:
            for turn in range(10):
                key = f"seen/{number}/{turn}"
                store.put(key, b"x" * (turn + 1))
                assert [(one.key, one.size) for one in store.list(key)] == [(key, turn + 1)]
                assert key in {one.key for one in store.list("seen/")}

        _in_threads(4, write)

    def test_list_folders_gives_the_next_part_once_each(self, store: Datastore) -> None:
        for key in KEYS:
            store.put(key, b"x")
        for prefix in ("", "a/", "a/b/", "runs/", "runs/Flow/", "runs/Flow/20260101-0000-aaaa/", "nothing/"):
            found = list(store.list_folders(prefix))
            expected = {key[len(prefix) :].partition("/")[0] for key in KEYS if key.startswith(prefix)}
            assert sorted(found) == sorted(expected), f"prefix {prefix!r}"

    def test_list_folders_forgets_an_emptied_folder(self, store: Datastore) -> None:
        store.put("f/one/x/y", b"x")
        store.put("f/two/x", b"x")
        store.delete(["f/one/x/y"])
        assert list(store.list_folders("f/")) == ["two"]
        store.delete(["f/two/x"])
        assert list(store.list_folders("f/")) == []
        assert list(store.list_folders("")) == []

    # -- facts

    def test_stat_tells_size_and_age(self, store: Datastore) -> None:
        store.put("st/at", b"12345")
        store.put("st/at2", b"1")
        found = store.stat("st/at")
        assert isinstance(found, Stat)
        assert (found.key, found.size) == ("st/at", 5)
        assert 0 <= found.age_s < 3600
        assert store.exists("st/at") is True
        assert all(0 <= one.age_s < 3600 for one in store.list("st/"))

    def test_touch_makes_an_object_young_again(self, store: Datastore) -> None:
        old_s = 2 * self.clock_step_s
        store.put("t/touched", b"data")
        store.put("t/other", b"data")
        _until(lambda: _age_s(store, "t/other") >= old_s)
        store.touch("t/touched")
        touched_s, other_s = _age_s(store, "t/touched"), _age_s(store, "t/other")
        assert touched_s <= other_s - old_s / 2
        assert store.get("t/touched") == b"data"

    def test_replacing_makes_an_object_young_again(self, store: Datastore) -> None:
        old_s = 2 * self.clock_step_s
        store.put("t/replaced", b"data")
        store.put("t/other", b"data")
        _until(lambda: _age_s(store, "t/other") >= old_s)
        store.put("t/replaced", b"other", replace=True)
        replaced_s, other_s = _age_s(store, "t/replaced"), _age_s(store, "t/other")
        assert replaced_s <= other_s - old_s / 2

    # -- delete

    def test_delete_removes(self, store: Datastore) -> None:
        for key in KEYS:
            store.put(key, b"x")
        store.delete({"a/b/c", "b"})
        assert sorted(one.key for one in store.list("")) == sorted(set(KEYS) - {"a/b/c", "b"})
        assert store.stat("b") is None
        with pytest.raises(KeyMissing):
            store.get("a/b/c")
        assert store.put("a/b/c", b"anew") is True
        assert store.get("a/b/c") == b"anew"

    def test_delete_passes_over_missing_keys(self, store: Datastore) -> None:
        store.put("a/b", b"x")
        store.put("a/d", b"x")
        store.delete(["a/a", "a/b", "a", "a/b/c", "nowhere/x"])
        store.delete([])
        assert [one.key for one in store.list("")] == ["a/d"]

    def test_objects_may_be_deleted_while_they_are_listed(self, store: Datastore) -> None:
        store.put_many((f"gc/{number % 10}/{number}", b"x") for number in range(50))
        found = set()
        for one in store.list("gc/"):
            found.add(one.key)
            store.delete([one.key])
        assert len(found) == 50
        assert list(store.list("gc/")) == []

    # -- threads and processes

    def test_threads_share_a_store(self, store: Datastore) -> None:
        def work(number: int) -> None:
            mine = random.Random(number)
            for turn in range(8):
                key, data = f"th/{number}/{turn}", mine.randbytes(20_000)
                assert store.put(key, data) is True
                assert store.get(key, 100, 50) == data[100:150]
                assert store.put(key, data[:10], replace=True) is True
                found = store.stat(key)
                assert found is not None and found.size == 10
                store.touch(key)
                assert [data for _, data in store.get_many([key, key + "x"])] == [data[:10], None]
                if turn % 2:
                    store.delete([key])
            assert {one.key for one in store.list(f"th/{number}/")} == {f"th/{number}/{turn}" for turn in (0, 2, 4, 6)}

        _in_threads(8, work)

    def test_a_store_is_used_on_both_sides_of_a_fork(self, store: Datastore) -> None:
        if store.reach is Reach.PROCESS:
            pytest.skip("not promised: the store is this process's alone")
        store.put("fork/before", b"before")
        assert store.get("fork/before") == b"before"

        def work(number: int) -> bytes:
            for turn in range(5):
                assert store.put(f"fork/{number}/{turn}", b"%d" % number * 1000) is True
                assert store.get(f"fork/{number}/{turn}") == b"%d" % number * 1000
            return store.get("fork/before")

        assert in_children(4, work) == [b"before"] * 4
        assert {one.key for one in store.list("fork/")} == {
            "fork/before", *(f"fork/{number}/{turn}" for number in range(4) for turn in range(5))
        }  # fmt: skip
        assert store.put("fork/after", b"x") is True

    # -- the same store elsewhere

    def test_its_options_open_the_same_store(self, store: Datastore, again: Callable[[], Datastore]) -> None:
        store.put("o/one", b"one")
        other = again()
        assert other.get("o/one") == b"one"
        assert other.options() == store.options()
        assert other.put("o/two", b"two") is True
        assert store.get("o/two") == b"two"
        assert [one.key for one in other.list("o/")] and {one.key for one in store.list("")} == {"o/one", "o/two"}
        if store.exclusive_put:
            assert other.put("o/one", b"other") is False

    def test_what_is_written_down_holds_no_secret(self, store: Datastore) -> None:
        written = json.dumps(store.options()) + store.label + (store.bootstrap() or "")
        for secret in self.secrets:
            assert secret not in written

    def test_a_stranger_opens_it_with_its_secrets(self, store: Datastore) -> None:
        """A process that has none of our variables, and another home."""
        if store.reach is Reach.PROCESS:
            pytest.skip("not promised: the store is this process's alone")
        store.put("o/one", b"one")
        secrets = dict(store.secrets())
        assert all(isinstance(text, str) and text for text in (*secrets.keys(), *secrets.values()))
        assert not {"PATH", "HOME", "PYTHONPATH"} & set(secrets), "the job's own"
        cls = type(store)
        opened = json.dumps([f"{cls.__module__}:{cls.__qualname__}", json.loads(json.dumps(store.options()))])
        found = json.dumps([path for path in sys.path if path])
        done = subprocess.run(
            [sys.executable, "-I", "-c", _STRANGER, found, opened],
            env={"PATH": os.defpath, "HOME": "/nowhere", **secrets}, stdin=subprocess.DEVNULL, capture_output=True,
            check=False, timeout=LIMIT_S,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr.decode()
        assert done.stdout == b"one"
        assert store.get("o/two") == b"two"

    def test_it_says_where_the_data_lies(self, store: Datastore) -> None:
        assert isinstance(store.label, str)
        assert store.label.strip()
        assert "\n" not in store.label

    def test_closing_twice_closes_only_this_one(self, store: Datastore, again: Callable[[], Datastore]) -> None:
        store.put("c/one", b"one")
        other = again()
        assert other.get("c/one") == b"one"
        other.close()
        other.close()
        assert store.get("c/one") == b"one"

    def test_local_path_is_the_object(self, store: Datastore) -> None:
        store.put("p/one", b"one")
        path = store.local_path("p/one")
        if path is None:
            assert store.local_path("p/two") is None
            return
        assert os.path.isabs(path)
        assert Path(path).read_bytes() == b"one"
        missing = store.local_path("p/two")
        assert missing is not None and not os.path.exists(missing)

    def test_host_paths_hold_every_object(self, store: Datastore) -> None:
        store.put("p/one", b"one")
        path = store.local_path("p/one")
        folders = store.host_paths
        assert all(folder.is_absolute() for folder in folders)
        if store.reach is Reach.ANYWHERE:
            assert folders == (), "a job on another machine has none of these folders"
        elif path is not None:
            assert any(Path(path).is_relative_to(folder) for folder in folders)

    def test_it_finds_nothing_wrong_with_itself_and_leaves_nothing(self, store: Datastore) -> None:
        store.put("p/one", b"one")
        before = sorted(stat.key for stat in store.list(""))
        found = list(store.examine())
        assert found, "at least that it can be written and read"
        assert [one for one in found if one.state == BAD] == []
        assert all(one.what and one.said and "\n" not in one.said for one in found)
        assert sorted(stat.key for stat in store.list("")) == before

    def test_its_bootstrap_is_small(self, store: Datastore) -> None:
        source = store.bootstrap()
        if source is not None:
            assert len(base64.b64encode(zlib.compress(source.encode("utf-8"), 9))) <= PACKED_BYTES

    def test_its_bootstrap_fetches_in_a_bare_interpreter(self, store: Datastore) -> None:
        source = store.bootstrap()
        if source is None:
            pytest.skip("not promised: jobs elsewhere can't start from this store")
        key, data = "code/0123456789abcdef", random.Random(4).randbytes(100_000)
        store.put(key, data)
        program = f"{source}\nimport sys\nsys.stdout.buffer.write(fetch(sys.argv[1]))"
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-c", program, key],
            env={"PATH": os.defpath, **store.secrets()}, stdin=subprocess.DEVNULL, capture_output=True, check=False,
            timeout=LIMIT_S,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr.decode()
        assert done.stdout == data

    def test_its_packages_are_there(self, store: Datastore) -> None:
        for package in store.packages():
            assert importlib.util.find_spec(package) is not None, f"no package {package}"


# --------------------------------------------------------------------------------------- what tests share


def reopened(store: Datastore) -> Datastore:
    """The same store, opened as another process opens it."""
    cls = type(store)
    opened = contracts.open(f"{cls.__module__}:{cls.__qualname__}", json.loads(json.dumps(store.options())))
    assert isinstance(opened, Datastore)
    return opened


def _needs_exclusive(store: Datastore) -> None:
    if not store.exclusive_put:
        pytest.skip("not promised: the store says that its puts are not exclusive")


def _sealed(number: int, size: int) -> bytes:
    """Bytes whose beginning is the hash of the rest."""
    body = number.to_bytes(4, "big") * (size // 4)
    return hashlib.sha256(body).digest() + body


def _is_whole(data: bytes) -> bool:
    return len(data) > 32 and hashlib.sha256(data[32:]).digest() == data[:32]


def _race(store: Datastore, key: str, number: int) -> bool:
    """Put, and see that a whole object stands there, whoever won: one's own if it was this writer."""
    mine = _sealed(number, 200_000)
    won = store.put(key, mine)
    standing = store.get(key)
    assert _is_whole(standing)
    is_mine = standing == mine  # outside of the assertion: under CI pytest would compare them byte by byte, for minutes
    assert is_mine is won
    assert [one.size for one in store.list(key)] == [len(standing)]
    return won


def _in_threads(count: int, work: Callable[[int], Any]) -> list[Any]:
    """`work(number)` in as many threads, which begin together; what each returns, in order. Raises what one raised."""
    barrier = threading.Barrier(count)
    answers: list[Any] = [None] * count
    errors: list[BaseException] = []

    def begin(number: int) -> None:
        barrier.wait()
        try:
            answers[number] = work(number)
        except BaseException as error:  # noqa: BLE001  raised again below
            errors.append(error)

    threads = [threading.Thread(target=begin, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return answers


def _age_s(store: Datastore, key: str) -> float:
    found = store.stat(key)
    assert found is not None
    return found.age_s


def _until(true: Callable[[], bool]) -> None:
    until = time.monotonic() + LIMIT_S
    while not true():
        assert time.monotonic() < until, f"not so after {LIMIT_S:g} s"
