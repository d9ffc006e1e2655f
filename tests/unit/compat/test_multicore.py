"""`parallel_map`: order, any function, failures."""

from __future__ import annotations

import os

import pytest
from penstock.multicore_utils import parallel_imap_unordered  # type: ignore[import-not-found]

from penstock import parallel_map


@pytest.mark.parametrize("max_parallel", [None, 1, 3, 50])
def test_the_order_of_the_items(max_parallel: int | None) -> None:
    add = 3
    assert parallel_map(lambda x: x + add, range(7), max_parallel=max_parallel) == list(range(3, 10))
    assert sorted(parallel_imap_unordered(lambda x: x + add, range(7), max_parallel)) == list(range(3, 10))


def test_nothing_to_do() -> None:
    assert parallel_map(str, []) == []


def test_other_processes() -> None:
    assert os.getpid() not in parallel_map(lambda _: os.getpid(), [1, 2])


@pytest.mark.parametrize(
    ("work", "error", "text"),
    [
        (lambda x: 1 // x, ZeroDivisionError, "by zero"),
        (lambda x: (lambda: x), TypeError, "can't be pickled"),
        (lambda _: os._exit(3), RuntimeError, "died"),
    ],
)
def test_failures(work: object, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        parallel_map(work, [0, 1])  # type: ignore[arg-type]
