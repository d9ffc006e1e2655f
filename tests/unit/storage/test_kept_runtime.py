"""The runtime that jobs of this machine read: filled once, compiled, and swept of what nobody has used for long."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from penstock.storage import archive, kept_runtime

PACKED = archive.pack({}, {"somewhere/__init__.py": b"", "somewhere/answer.py": b"ANSWER = 42\n"})


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "penstock" / "runtime"


def test_it_is_unpacked_and_compiled_where_it_may_not_be_written(place: Path) -> None:
    assert kept_runtime.folder() == str(place)
    kept_runtime.keep(PACKED)
    kept = place / hashlib.sha256(PACKED).hexdigest()
    assert (kept / "somewhere" / "answer.py").read_bytes() == b"ANSWER = 42\n"
    program = f"import sys; sys.path.insert(0, {str(kept)!r}); from somewhere import answer; print(answer.__cached__)"
    said = subprocess.run([sys.executable, "-v", "-c", program], capture_output=True, text=True, check=True)
    assert Path(said.stdout.strip()).is_relative_to(kept)
    assert f"code object from '{said.stdout.strip()}'" in said.stderr, "no source was compiled"


def test_others_can_read_it_whatever_the_mask_is(place: Path) -> None:
    before = os.umask(0o077)
    try:
        kept_runtime.keep(PACKED)
    finally:
        os.umask(before)
    found = list(place.rglob("*"))
    assert any(path.suffix == ".pyc" for path in found)
    assert {(path.is_dir(), path.stat().st_mode & 0o777) for path in (place, *found)} == {(True, 0o755), (False, 0o644)}


def test_what_is_there_is_left_alone(place: Path) -> None:
    kept_runtime.keep(PACKED)
    before = {path: path.stat().st_mtime_ns for path in place.rglob("*") if path.is_file()}
    kept_runtime.keep(PACKED)
    assert {path: path.stat().st_mtime_ns for path in place.rglob("*") if path.is_file()} == before


def test_one_that_nobody_has_used_for_long_goes_when_another_comes(place: Path) -> None:
    kept_runtime.keep(PACKED)
    (old,) = place.iterdir()
    other = archive.pack({}, {"elsewhere.py": b""})
    kept_runtime.keep(other)
    assert old.exists()
    long_ago = time.time() - 90 * 86_400
    os.utime(old, (long_ago, long_ago))
    kept_runtime.keep(archive.pack({}, {"third.py": b""}))
    assert not old.exists()
    assert (place / hashlib.sha256(other).hexdigest()).exists()


def test_where_nothing_can_be_kept_nothing_is(place: Path) -> None:
    place.parent.write_text("a file is in its place")
    assert kept_runtime.folder() is None
    kept_runtime.keep(PACKED)
