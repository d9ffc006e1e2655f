"""Copies of chunks of stores that are far away, in a folder of this user: what was read once is read and mapped here.

    FOLDER/HH/SHA256.codec     as the store has it; its time of change is when it was last used

Chunks are named by their content, so copies of all stores lie together, none is ever out of date, and any number of
processes may use the folder at once: a file appears whole, and one that is taken away stays readable to who maps it.
Whoever reads a copy checks it as it checks what a store gives.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from penstock.contracts.datastore import Bytes

_NAME = re.compile(r"[0-9a-f]{64}\.[a-z]{1,8}\Z")
_USED_EVERY_S = 3600.0  # how exactly is known when a copy was last used
_KEPT_SHARE = 0.8  # of the limit is left when the oldest copies go, so that they do not go one by one
_LOOK_SHARE = 0.05  # of the limit is written by one process before it looks at the size again


class ChunkCache:
    """At most about `limit_mb` (10^6 bytes each) below `folder`. On a disk that is full or broken it has no copies."""

    def __init__(self, folder: str, limit_mb: int) -> None:
        self.folder, self.limit_bytes = folder, limit_mb * 1_000_000
        self._written_bytes: float = self.limit_bytes  # since the last look: the first write of a process looks

    def path(self, name: str) -> str | None:
        """The file of a chunk, None when there is no copy. It counts as used now."""
        path = self._place(name)
        if path is None:
            return None
        try:
            if time.time() - os.stat(path).st_mtime > _USED_EVERY_S:
                os.utime(path)
        except OSError:
            return None
        return path

    def get(self, name: str) -> bytes | None:
        """The copy's bytes, None when there is none."""
        path = self.path(name)
        try:
            if path is not None:
                with open(path, "rb") as file:
                    return file.read()
        except OSError:
            pass
        return None

    def keep(self, name: str, stored: Bytes) -> str | None:
        """Copy a chunk; returns its file, None where it can't be kept."""
        path = self._place(name)
        size = memoryview(stored).nbytes
        if path is None or size > self.limit_bytes:
            return None
        try:
            os.makedirs(self.folder, mode=0o700, exist_ok=True)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            self._make_room(size)
            import tempfile

            handle, part = tempfile.mkstemp(dir=self.folder, prefix="part-")
            try:
                with open(handle, "wb") as file:
                    file.write(stored)
                os.replace(part, path)
            except BaseException:
                os.unlink(part)
                raise
        except OSError:
            return None
        return path

    def drop(self, name: str) -> None:
        """Take away a copy that is damaged."""
        path = self._place(name)
        if path is not None:
            with contextlib.suppress(OSError):
                os.unlink(path)

    def _place(self, name: str) -> str | None:
        """Where a copy belongs; names come from a store, and nothing else than such a name leads anywhere."""
        return os.path.join(self.folder, name[:2], name) if _NAME.match(name) else None

    # -- room

    def _make_room(self, size: int) -> None:
        self._written_bytes += size
        if self._written_bytes > self.limit_bytes * _LOOK_SHARE:
            self._written_bytes = 0
            with self._alone() as alone:
                if alone:
                    self._take_away_oldest(size)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[bool]:
        """False while another process takes copies away: one is enough."""
        with open(os.path.join(self.folder, "lock"), "ab") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
                return
            yield True

    def _take_away_oldest(self, size: int) -> None:
        found = sorted(self._files())
        total = size + sum(one for _, one, _ in found)
        if total <= self.limit_bytes:
            return
        for _, one, path in found:
            if total <= self.limit_bytes * _KEPT_SHARE:
                return
            with contextlib.suppress(OSError):
                os.unlink(path)
            total -= one

    def _files(self) -> Iterator[tuple[float, int, str]]:
        """When it was last used, its size and path, of each copy and of halves that somebody left."""
        for at, _, files in os.walk(self.folder):
            for name in files:
                path = os.path.join(at, name)
                with contextlib.suppress(OSError):
                    facts = os.stat(path)
                    if name != "lock":
                        yield facts.st_mtime, facts.st_size, path
