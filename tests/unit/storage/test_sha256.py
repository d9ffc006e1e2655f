"""SHA-256 by whichever module, and none loaded for nothing."""

from __future__ import annotations

import hashlib
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.storage import sha256 as module
from penstock.storage.sha256 import SMALL_BYTES, sha256


@given(st.lists(st.binary(max_size=300), min_size=1), st.booleans())
def test_the_hash_is_that_of_hashlib(pieces: list[bytes], lean: bool) -> None:
    with pytest.MonkeyPatch.context() as patch:
        if lean:
            patch.delitem(sys.modules, "hashlib")
        digest = sha256(pieces[0])
        for piece in pieces[1:]:
            digest.update(piece)
    assert digest.hexdigest() == hashlib.sha256(b"".join(pieces)).hexdigest()


def test_without_a_module_for_small_things_hashlib_does_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_small", None)
    assert sha256(memoryview(b"abc")).hexdigest() == hashlib.sha256(b"abc").hexdigest()


@pytest.mark.parametrize(("size", "loaded"), [(SMALL_BYTES, False), (SMALL_BYTES + 1, True)])
def test_only_large_things_load_openssl(size: int, loaded: bool) -> None:
    program = f"""
import sys
from penstock.storage.sha256 import sha256
sha256(bytes({size}))
print("_hashlib" in sys.modules)
"""
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert said.strip() == str(loaded)
