"""A zip that `zipfile` reads, and would have written in the same way."""

from __future__ import annotations

import io
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.storage.zipped import MOST_MEMBERS, zipped

names = st.from_regex(r"[a-zü][a-zü/._]{0,30}[a-zü]", fullmatch=True)
members = st.dictionaries(names, st.binary(max_size=5000) | st.binary(max_size=5).map(lambda some: some * 900))


@given(members, st.booleans())
def test_the_bytes_are_those_of_zipfile(given: dict[str, bytes], compress: bool) -> None:
    method = zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED
    expected = io.BytesIO()
    with zipfile.ZipFile(expected, "w", method) as archive:
        for name, content in given.items():
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), content, method)
    assert zipped(given.items(), compress=compress) == expected.getvalue()


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="65,536 files"):
        zipped((str(number), b"") for number in range(MOST_MEMBERS + 1))
    with pytest.raises(ValueError, match="does not fit"):
        zipped([("n" * 70_000, b"")])
