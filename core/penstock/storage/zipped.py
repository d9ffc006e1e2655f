"""Named bytes as a zip, the same for the same, without the module `zipfile`: each run would load it for one small file.

Source: APPNOTE.TXT of PKWARE, 4.3.7, 4.3.12 and 4.3.16.
"""

from __future__ import annotations

import struct
import zlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

MOST_MEMBERS = 65_535  # of a plain zip; and 4 GiB
_MEMBER = struct.Struct("<4s5H3I2H")
_ENTRY = struct.Struct("<4s2B5H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_VERSION, _UNIX, _UTF_8 = 20, 3, 1 << 11
_STORED, _DEFLATED = 0, 8
_DATE = 1 << 5 | 1  # 1980-01-01, the earliest that there is
_MODE = 0o600 << 16


def zipped(members: Iterable[tuple[str, bytes]], *, compress: bool = True) -> bytes:
    """A zip of members, name and content, in the order given. Raises ValueError for too many, or too much."""
    written, entries, at, count = [], [], 0, 0
    method = _DEFLATED if compress else _STORED
    for name, content in members:
        raw, packed = name.encode("utf-8", "surrogateescape"), _deflated(content) if compress else content
        flags = 0 if name.isascii() else _UTF_8
        facts = (flags, method, 0, _DATE, zlib.crc32(content), len(packed), len(content), len(raw), 0)
        try:
            head = _MEMBER.pack(b"PK\3\4", _VERSION, *facts)
            entries.append(_ENTRY.pack(b"PK\1\2", _VERSION, _UNIX, _VERSION, *facts, 0, 0, 0, _MODE, at) + raw)
        except struct.error as error:
            raise ValueError(f"{name} does not fit into a zip") from error
        written += [head, raw, packed]
        at += len(head) + len(raw) + len(packed)
        count += 1
    if count > MOST_MEMBERS:
        raise ValueError(f"{count:,} files do not fit into a zip")
    table = b"".join(entries)
    return b"".join([*written, table, _END.pack(b"PK\5\6", 0, 0, count, count, len(table), at, 0)])


def _deflated(content: bytes) -> bytes:
    """Without the head and the sum of zlib's own format."""
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(content) + packer.flush()
