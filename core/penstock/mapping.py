"""Chunks as memory: files mapped one behind the other, private and copy-on-write, so that nothing is read until touched.

A range of addresses is reserved as anonymous memory, then each chunk's file is laid over its part of it. What a step changes
in place stays in its own process.
"""

from __future__ import annotations

import mmap
import os
import sys

from penstock.errors import ChunkDamaged

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

AVAILABLE = sys.platform == "linux"
_MAP_FIXED = 0x10  # Source: mman.h of Linux, the same on every architecture that Python supports there
_FAILED = 2 ** (8 * (8 if sys.maxsize > 2**32 else 4)) - 1
_mmap_function: Any = None


def _system_mmap() -> Any:
    """mmap(2) itself: Python's own does not let one choose the address."""
    global _mmap_function
    if _mmap_function is None:
        import ctypes

        function = ctypes.CDLL(None, use_errno=True).mmap
        function.restype = ctypes.c_void_p
        function.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
        _mmap_function = function
    return _mmap_function


def map_files(files: Sequence[tuple[str, int]]) -> mmap.mmap:
    """Lay files `(path, size in bytes)` behind each other; every size but the last is a multiple of the page size.

    Returns writable memory of all sizes together; it is unmapped when the last view of it is gone.
    Raises ChunkDamaged for a file that is missing or of another size, OSError when memory can't be mapped.
    """
    import ctypes

    total = sum(size for _, size in files)
    reserved = mmap.mmap(-1, total, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, prot=mmap.PROT_READ | mmap.PROT_WRITE)
    anchor = ctypes.c_char.from_buffer(reserved)
    address = ctypes.addressof(anchor)
    del anchor  # it would keep the memory from being freed
    for path, size in files:
        _lay(path, size, address)
        address += size
    return reserved


def _lay(path: str, size: int, address: int) -> None:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        raise ChunkDamaged(f"the chunk {path} is missing") from None
    try:
        found = os.fstat(fd).st_size
        if found != size:
            raise ChunkDamaged(f"the chunk {path} has {found} bytes instead of {size}")
        flags = mmap.MAP_PRIVATE | _MAP_FIXED
        got = _system_mmap()(address, size, mmap.PROT_READ | mmap.PROT_WRITE, flags, fd, 0)
        if got in (None, _FAILED):
            raise OSError(f"{path} can't be mapped")
    finally:
        os.close(fd)
