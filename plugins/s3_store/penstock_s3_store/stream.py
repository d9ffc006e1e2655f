"""An object as a stream. An answer that breaks off is gone on with by another, from where it was."""

from __future__ import annotations

import io
import zlib

from penstock.errors import BackendUnavailable, KeyMissing
from penstock_s3_store.client import TRIES, checksum_text
from penstock_s3_store.connections import NoAnswer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from penstock_s3_store.client import Reply, S3Client

_EXPECTED = frozenset({404, 416})
_PIECE_BYTES = 1 << 20


class ObjectStream(io.RawIOBase):
    """Bytes of an object from `start`, `length` of them (None: to the end). Raises KeyMissing.

    checks: compare a whole object with the checksum that it was written with. left: bytes that are still to come, None
    where the store does not say; tag: names this version of the object; one that is replaced meanwhile is never mixed
    with the new one.
    """

    def __init__(
        self,
        client: S3Client,
        key: str,
        start: int = 0,
        length: int | None = None,
        *,
        checks: bool = True,
        tag: str = "",
    ) -> None:
        self._client, self._key, self._at, self.tag, self._checks = client, key, start, tag, checks
        self._end = None if length is None else start + length
        self._breaks = 0
        self._sum: int | None = None  # CRC-32 so far, where the store tells that of the whole
        self.left: int | None = None
        self._reply: Reply | None = self._ask()

    def _ask(self) -> Reply | None:
        """None where there is no byte to come."""
        whole = not self._at and self._end is None
        headers = {} if whole else {"range": f"bytes={self._at}-{'' if self._end is None else self._end - 1}"}
        if whole and self._checks:
            headers["x-amz-checksum-mode"] = "ENABLED"
        reply = self._client.ask("GET", self._key, headers=headers, expected=_EXPECTED, stream=True)
        if reply.status == 404:
            if reply.refusal is not None and reply.refusal.code == "NoSuchBucket":
                raise self._client.error(reply.refusal, "GET", self._key)
            raise KeyMissing(self._key)
        if reply.status == 416:
            self.left = 0
            return None
        tag = reply.headers["ETag"] or ""
        if self.tag and tag != self.tag:
            reply.answer.close()
            raise BackendUnavailable(f"{self._client.location.url}: {self._key} was replaced while it was read")
        self.tag, self.left = tag, reply.answer.length
        told = whole and self._checks and "-" not in (reply.headers["x-amz-checksum-crc32"] or "-")
        self._sum = 0 if told else None
        return reply

    def readable(self) -> bool:
        """True."""
        return True

    def readinto(self, target: Any) -> int:
        """Fill the beginning of `target`; 0 at the end. Raises BackendUnavailable."""
        view = memoryview(target).cast("B")
        while self._reply is not None and len(view):
            try:
                count = self._reply.answer.read_into(view)
            except NoAnswer as error:
                self._go_on(error)
                continue
            self._at += count
            if self.left is not None:
                self.left -= count
            if self._sum is not None:
                self._sum = zlib.crc32(view[:count], self._sum)
            if not count:
                self._check()
            return count
        return 0

    def _go_on(self, error: NoAnswer) -> None:
        self._breaks += 1
        if self._breaks >= TRIES:
            where = self._client.location.url
            raise BackendUnavailable(f"{where}: {self._key} can't be read to its end: {error}") from error
        if self._end is not None and self._at >= self._end:
            self._reply = None
            return
        known = self._sum
        self._reply = self._ask()
        self._sum = known if self._at else self._sum

    def _check(self) -> None:
        """At the end: whether the bytes are those that were written."""
        told = None if self._reply is None else self._reply.headers["x-amz-checksum-crc32"]
        if self._sum is not None and told and checksum_text(self._sum) != told:
            raise BackendUnavailable(f"{self._client.location.url}: {self._key} came with other bytes than were stored")
        self._reply = None

    def fill(self, target: memoryview) -> None:
        """All of `target`. Raises BackendUnavailable when the object is shorter."""
        done = 0
        while done < len(target):
            count = self.readinto(target[done:])
            if not count:
                raise BackendUnavailable(f"{self._client.location.url}: {self._key} is shorter than it was")
            done += count

    def readall(self) -> bytes:
        """Everything that is still to come."""
        if self.left is None:
            return b"".join(iter(lambda: self.read(_PIECE_BYTES) or b"", b""))
        target = bytearray(self.left)
        self.fill(memoryview(target))
        self.readinto(bytearray(1))  # sees the end, and checks the sum
        return bytes(target)

    def close(self) -> None:
        """Give up what was not read."""
        if self._reply is not None:
            self._reply.answer.close()
            self._reply = None
        super().close()
