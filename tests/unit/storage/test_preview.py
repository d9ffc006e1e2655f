"""Previews: short, safe, and never by the user's code."""

from __future__ import annotations

import collections
import enum
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.storage.preview import LONGEST, package, preview, type_name, version

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.complex_numbers() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner),
)


@given(anything)
def test_short_and_storable(value: object) -> None:
    text = preview(value)
    assert text is not None
    assert len(text) <= LONGEST
    json.dumps(text)


TABLE: list[tuple[object, str]] = [
    (3, "3"),
    (10**5000, "int of 16610 bits"),
    (0.25, "0.25"),
    (None, "None"),
    (True, "True"),
    ("héllo", "'héllo'"),
    ("x" * 100, "'" + "x" * 78 + "…"),
    (b"\0" * 100, "b'" + r"\x00" * 19 + r"\…"),
    ([1, 2.5, "a"], "[1, 2.5, 'a']"),
    ({"cat": 3}, "{'cat': 3}"),
    ((), "()"),
    (["x" * 100], "list of 1"),
    ([[1], [2]], "list of 2"),
    (list(range(1000)), "list of 1000"),
    ([10**5000], "list of 1"),
    (set(range(100)), "set of 100"),
]


@pytest.mark.parametrize(("value", "text"), TABLE, ids=[str(number) for number in range(len(TABLE))])
def test_table(value: object, text: str) -> None:
    assert preview(value) == text


class Tells:
    """Fails the test as soon as somebody asks."""

    def __getattribute__(self, name: str) -> Any:
        raise AssertionError(name)

    def __repr__(self) -> str:
        raise AssertionError("repr")

    __str__ = __hash__ = __eq__ = __len__ = __iter__ = __repr__  # type: ignore[assignment]


class Number(int):
    def __repr__(self) -> str:
        raise AssertionError("repr")


class Colour(enum.Enum):
    RED = 1


def test_no_code_of_the_user_runs() -> None:
    for value in (Tells(), [Tells()], {"a": Tells()}, (1, Tells()), Number(3), [Number(3)]):
        preview(value)


def test_nothing_safe_to_say() -> None:
    for value in (Tells(), Number(3), Colour.RED, collections.OrderedDict(), object(), int, len):
        assert preview(value) is None


def test_numpy() -> None:
    np = pytest.importorskip("numpy")
    assert preview(np.zeros((3, 4))) == "3 x 4 float64"
    assert preview(np.float64(0.5)) == "0.5"
    assert preview(np.array(7)) == "7"
    held = np.empty((), dtype=object)
    held[()] = Number(3)
    assert preview(held) == "single object"
    assert preview(np.zeros(2, dtype=[("a", "f8"), ("b" * 200, "i4")]))[:12] == "2 [('a', '<f"  # type: ignore[index]
    assert package(np.ndarray) == f"numpy {np.__version__}"
    assert type_name(np.ndarray) == "numpy.ndarray"


def test_pandas() -> None:
    pd = pytest.importorskip("pandas")
    assert preview(pd.DataFrame({"a": [1, 2], "b": [3, 4], "c": [5, 6]})) == "2 x 3"
    assert preview(pd.Series([1.0, 2.0])) == "2 float64"


def test_types_and_packages() -> None:
    assert type_name(dict) == "dict"
    assert type_name(Tells) == f"{__name__}.Tells"
    assert package(dict) is None
    assert package(json.JSONDecoder) is None  # it states a version, and Python's own tells enough
    assert package(Tells) is None
    assert version("pytest") == pytest.__version__
    assert version("never_imported") is None
