"""Bundles: any items, each by its number, by ranges only."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.storage import bundle

items = st.lists(st.binary(max_size=200), max_size=50)


@given(items)
def test_items_come_back_in_order(given_items: list[bytes]) -> None:
    assert list(bundle.decode(bundle.encode(given_items))) == given_items


@given(items.filter(bool), st.data())
def test_one_item_takes_its_own_bytes_and_the_table_only(given_items: list[bytes], data: st.DataObject) -> None:
    raw = bundle.encode(given_items)
    reads: list[int] = []

    def read(start: int, length: int) -> bytes:
        reads.append(length)
        return raw[start : start + length]

    reader = bundle.BundleReader(len(raw), read)
    number = data.draw(st.integers(0, len(given_items) - 1))
    assert reader.item(number) == given_items[number]
    assert reads == [16, 16, len(given_items[number])]


@pytest.mark.parametrize("raw", [b"", b"short", b"x" * 40, bundle.encode([b"a"])[:-1], bundle.encode([b"a"])[1:][-20:]])
def test_what_is_no_bundle_is_refused(raw: bytes) -> None:
    with pytest.raises(ValueError, match="not a bundle"):
        list(bundle.decode(raw))


def test_a_number_outside_is_refused() -> None:
    raw = bundle.encode([b"a"])
    with pytest.raises(IndexError):
        bundle.BundleReader(len(raw), lambda start, length: raw[start : start + length]).item(1)
