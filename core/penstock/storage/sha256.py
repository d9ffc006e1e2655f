"""SHA-256, of small things without OpenSSL: to load that takes longer than to hash half a megabyte by other means.

`hashlib` is taken for what is large, and from the moment on that anybody has loaded it. The standard library's `random`
avoids it in the same way.
"""

from __future__ import annotations

import importlib
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Protocol

    from penstock.contracts.datastore import Bytes

    class Hash(Protocol):
        """As `hashlib` makes them."""

        def update(self, data: Bytes, /) -> None: ...
        def hexdigest(self) -> str: ...


SMALL_BYTES = 256 * 1024
_MODULES = ("_sha2", "_sha256")  # of Python 3.12 and later; of those before


def sha256(data: Bytes = b"") -> Hash:
    """As `hashlib.sha256`."""
    if _small is None or "hashlib" in sys.modules or memoryview(data).nbytes > SMALL_BYTES:
        import hashlib

        return hashlib.sha256(data)
    found: Hash = _small(data)
    return found


def _builtin() -> Callable[[Bytes], Any] | None:
    for name in _MODULES:
        try:
            found: Callable[[Bytes], Any] = importlib.import_module(name).sha256
            return found
        except ImportError:
            continue
    return None


_small = _builtin()
