"""The runtime of jobs elsewhere, unpacked and compiled on this machine, so that not each of its jobs has to do it.

Jobs only read it: who may write there decides what all later jobs run. So it is filled from here, before there is one.
"""

from __future__ import annotations

import contextlib
import os
import time

from penstock.storage import archive, caches
from penstock.storage.sha256 import sha256

_UNUSED_S = 30 * 86_400.0  # one that nobody has used for so long goes when another one comes


def folder() -> str | None:
    """Where runtimes are kept, by the sha256 of their archives; None where this user has no place for it."""
    place = caches.folder_of("runtime")
    try:
        os.makedirs(place, exist_ok=True)
        os.chmod(place, 0o755)  # jobs may be somebody else
    except OSError:
        return None
    return place


def keep(packed: bytes) -> None:
    """Unpack and compile the archive of a runtime, unless it is there. A job that does not find it unpacks its own."""
    place = folder()
    if place is None:
        return
    kept = os.path.join(place, sha256(packed).hexdigest())
    with contextlib.suppress(OSError):
        if not os.path.isdir(kept):
            _fill(kept, packed)
            _forget_old(place)
        os.utime(kept)


def _fill(kept: str, packed: bytes) -> None:
    import compileall
    import py_compile
    import shutil
    import tempfile

    part = tempfile.mkdtemp(dir=os.path.dirname(kept))
    try:
        archive.unpack(packed, part)
        never = py_compile.PycInvalidationMode.UNCHECKED_HASH  # the name of the folder says what the source is
        compileall.compile_dir(part, quiet=2, invalidation_mode=never)
        for at, _, files in os.walk(part):  # jobs may be somebody else, whatever this user's mask is
            os.chmod(at, 0o755)
            for name in files:
                os.chmod(os.path.join(at, name), 0o644)
        os.rename(part, kept)
    except OSError:
        shutil.rmtree(part, ignore_errors=True)  # another run was faster, or there is no room
        raise


def _forget_old(place: str) -> None:
    import shutil

    for entry in os.scandir(place):
        if entry.stat().st_mtime < time.time() - _UNUSED_S:
            shutil.rmtree(entry.path, ignore_errors=True)
