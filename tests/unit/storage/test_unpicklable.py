"""What can't be pickled is named by its path inside the artifact, without running the user's code."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import sqlite3
import threading
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest

from penstock.storage.unpicklable import not_storable


class Holder:
    def __init__(self, **parts: object) -> None:
        self.__dict__.update(parts)


class Slotted:
    __slots__ = ("never_set", "within")

    def __init__(self, within: object) -> None:
        self.within = within


class Moody:
    """Whatever is asked of it raises, except what pickle needs."""

    def __init__(self, within: object) -> None:
        self.within = within

    @property
    def trouble(self) -> object:
        raise AssertionError("a property was read")

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):
            raise AttributeError(name)
        raise AssertionError(name)

    def __repr__(self) -> str:
        raise AssertionError("repr")


class Key:
    def __repr__(self) -> str:
        raise AssertionError("repr")


class Refuses:
    def __reduce__(self) -> str:
        raise OSError("not today")


def closing_over(value: object) -> Callable[[], object]:
    return lambda: value


def deep(value: object, depth: int) -> object:
    for _ in range(depth):
        value = [value]
    return value


LOCK = threading.Lock()
CASES: list[tuple[object, str, str]] = [
    (LOCK, "self.x", "_thread.lock"),
    ((number for number in range(3)), "self.x", "generator"),
    (Holder(thread=threading.Thread()), "self.x.thread", "threading.Thread"),
    (memoryview(b"x"), "self.x", "memoryview"),
    (Refuses(), "self.x", "Refuses"),
    ([1, 2, LOCK], "self.x[2]", "_thread.lock"),
    ({"model": Holder(lock=LOCK)}, "self.x['model'].lock", "_thread.lock"),
    ({Key(): LOCK}, "self.x[a tests.unit.storage.test_unpicklable.Key]", "_thread.lock"),
    ({3: {b"k": LOCK}}, "self.x[3][b'k']", "_thread.lock"),
    (Holder(ok=1, model=Holder(lock=LOCK)), "self.x.model.lock", "_thread.lock"),
    (Slotted(LOCK), "self.x.within", "_thread.lock"),
    (Moody(LOCK), "self.x.within", "_thread.lock"),
    (closing_over(LOCK), "self.x, its variable value,", "_thread.lock"),
    ((Slotted([LOCK]),), "self.x[0].within[0]", "_thread.lock"),
    (deep(LOCK, 20), "self.x" + "[0]" * 8, "list"),
    ({LOCK}, "self.x", "set"),
]


@pytest.mark.parametrize(("value", "path", "kind"), CASES, ids=[str(number) for number in range(len(CASES))])
def test_the_path_is_named(value: object, path: str, kind: str) -> None:
    error = not_storable("x", value, TypeError("the reason"))
    assert re.match(
        f"{re.escape(path)} can't be stored: a value of type .*{kind}.* can't be pickled .the reason.", error.message
    )
    assert "local variable" in error.hint


def test_what_is_open() -> None:
    with open(os.devnull) as file, socket.socket() as plug, contextlib.closing(sqlite3.connect(":memory:")) as base:
        for value in (file, plug, base):
            error = not_storable("x", Holder(inner=value), TypeError("no"))
            assert re.match(r"self\.x\.inner can't be stored: .*(TextIOWrapper|socket|Connection)", error.message)


def test_too_deep() -> None:
    error = not_storable("tree", deep(1, 10), RecursionError("maximum recursion depth exceeded"))
    assert error.message == "self.tree can't be stored: it is nested too deeply to be pickled"


def test_a_name_that_is_no_attribute() -> None:
    assert not_storable("item 3", LOCK, TypeError("no")).message.startswith("item 3 can't be stored")


def test_a_large_neighbour_is_not_copied() -> None:
    value: dict[str, Any] = {"large": bytearray(64 << 20), "lock": LOCK}
    tracemalloc.start()
    try:
        assert not_storable("x", value, TypeError("no")).message.startswith("self.x['lock']")
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()
