"""Where this user's caches lie."""

from __future__ import annotations

import os
import sys


def folder_of(name: str) -> str:
    """Source: XDG base directories; on macOS the folder of caches."""
    if os.environ.get("XDG_CACHE_HOME"):
        return os.path.join(os.environ["XDG_CACHE_HOME"], "penstock", name)
    below = ("Library", "Caches") if sys.platform == "darwin" else (".cache",)
    return os.path.join(os.path.expanduser("~"), *below, "penstock", name)
