"""Chunks as memory: files mapped behind one another, private and copy-on-write, so that nothing is read until touched.

A range of addresses is reserved as anonymous memory, then each chunk's file is laid over its part of it. What a step
changes in place stays in its own process.
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
_READ_WRITE = mmap.PROT_READ | mmap.PROT_WRITE
_MAP_FIXED = 0x10  # Source: asm-generic/mman-common.h of Linux, for this and the next
_MAP_NORESERVE = 0x4000  # an artifact may be larger than the memory of this machine
_FAILED = 2 ** (8 * (8 if sys.maxsize > 2**32 else 4)) - 1  # MAP_FAILED, (void *) -1
_functions: dict[str, Any] = {}


def map_files(files: Sequence[tuple[str | None, int]]) -> mmap.mmap:
    """Lay files `(path, size in bytes)` behind each other; every size but the last is a multiple of the page size.

    Where a path is None the memory stays zero, for the caller to fill.
    Returns writable memory of all sizes together; it is unmapped when the last view of it is gone.
    Raises ChunkDamaged for a file that is missing or of another size, OSError when memory can't be mapped.
    """
    import ctypes

    total = sum(size for _, size in files)
    reserved = mmap.mmap(-1, total, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _MAP_NORESERVE, _READ_WRITE)
    anchor = ctypes.c_char.from_buffer(reserved)
    address = ctypes.addressof(anchor)
    del anchor  # it would keep the memory from being freed
    for path, size in files:
        if path is not None:
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
        if not _map(address, size, fd):
            raise OSError(f"{path} can't be mapped")
    finally:
        os.close(fd)


def _map(address: int, size: int, fd: int) -> bool:
    """mmap(2) itself: Python's own does not let one choose the address."""
    from ctypes import c_int, c_long, c_size_t, c_void_p

    function = _system("mmap", c_void_p, [c_void_p, c_size_t, c_int, c_int, c_int, c_long])
    flags = mmap.MAP_PRIVATE | _MAP_FIXED | _MAP_NORESERVE
    return function(address, size, _READ_WRITE, flags, fd, 0) not in (None, _FAILED)


def ask_for_huge_pages(memory: memoryview) -> None:
    """Let writable memory that was not touched yet come in huge pages; small ones take half the time of filling it.

    Does nothing where the system has none.
    """
    import ctypes

    advice = getattr(mmap, "MADV_HUGEPAGE", None)
    if advice is None:
        return
    anchor = ctypes.c_char.from_buffer(memory)
    first = -(-ctypes.addressof(anchor) // mmap.PAGESIZE) * mmap.PAGESIZE
    end = (ctypes.addressof(anchor) + len(memory)) // mmap.PAGESIZE * mmap.PAGESIZE
    if end > first:
        _system("madvise", ctypes.c_int, [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int])(first, end - first, advice)


def _system(name: str, result: Any, arguments: list[Any]) -> Any:
    """A function of the C library."""
    if name not in _functions:
        import ctypes

        function = getattr(ctypes.CDLL(None), name)
        function.restype, function.argtypes = result, arguments
        _functions[name] = function
    return _functions[name]
