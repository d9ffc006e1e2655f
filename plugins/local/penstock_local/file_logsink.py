"""Output as files: one a stream of an attempt, written at the offset that the bytes have."""

from __future__ import annotations

import os

from penstock.contracts.logsink import LogSink
from penstock.errors import BackendMisconfigured, BackendUnavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Any

    from penstock.contracts.datastore import Datastore
    from penstock.contracts.logsink import LogStream

_PIECE = 1 << 20
_LONGEST_PART = 120  # bytes; file systems allow 255


class FileLogSink(LogSink):
    """root: default `logs` beside the datastore's own folders; on a store that is no folder it must be given."""

    def __init__(self, datastore: Datastore, root: str | None = None) -> None:
        super().__init__(datastore)
        self._given = root

    def _path(self, stream: LogStream) -> Path:
        from pathlib import Path  # most runs write no such file

        root = self._given or self.datastore.local_path("logs")
        if root is None:
            raise BackendMisconfigured(
                "local logging needs a folder, and this datastore has none",
                hint="--logging=datastore   # or --logging-root=FOLDER",
            )
        names = (stream.flow, stream.run, stream.step, stream.place)
        return Path(root).joinpath(*map(_safe, names), f"{stream.attempt}.{stream.source}")

    def append(self, stream: LogStream, offset: int, chunk: bytes) -> None:
        """Written in place: the same bytes again change nothing."""
        path = self._path(stream)
        try:
            try:
                fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o666)
            except FileNotFoundError:
                path.parent.mkdir(parents=True, exist_ok=True)
                fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o666)
            try:
                view = memoryview(chunk)
                while view:
                    written = os.pwrite(fd, view, offset)
                    view, offset = view[written:], offset + written
            finally:
                os.close(fd)
        except OSError as error:
            raise BackendUnavailable(f"{path}: {error.strerror}") from error

    def read(self, stream: LogStream, start: int = 0) -> Iterator[bytes]:
        """To the present end of the file."""
        try:
            file = open(self._path(stream), "rb")  # noqa: SIM115 - closed by the `with` below
        except FileNotFoundError:
            return
        with file:
            file.seek(start)
            while piece := file.read(_PIECE):
                yield piece

    def options(self) -> dict[str, Any]:
        """Where the files are."""
        return {"root": self._given}


def _safe(name: str) -> str:
    """A user's name as one part of a path: everything but plain characters is quoted, a long one is its hash."""
    quoted = "".join(
        character if character.isascii() and (character.isalnum() or character in "._-~") else f"={byte:02X}"
        for character in name
        for byte in character.encode("utf-8", "surrogateescape")[: 1 if character.isascii() else None]
    )
    if len(quoted) > _LONGEST_PART:
        import hashlib

        return "=" + hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()
    return f"={quoted[1:]}" if quoted.startswith(".") else quoted
