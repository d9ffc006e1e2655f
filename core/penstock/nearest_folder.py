"""Where a folder of data stands: in the working directory, or in a folder above it that is the user's own."""

from __future__ import annotations

import os
import stat


def nearest_folder(name: str, folder: str, home: str | None) -> str:
    """Where a folder of this name stands: in `folder` or the nearest one above it that has one; if none, in `folder`.

    Folders above are looked at below the home folder, or outside of it as long as they are the user's own and nobody
    else may write there; never on another file system. So nothing is found that another user, or another disk, may have
    laid in the way.
    """
    start = os.path.realpath(folder)
    top = os.path.realpath(home) if home else None
    at = start
    while True:
        if os.path.isdir(os.path.join(at, name)):
            return os.path.join(at, name)
        above = os.path.dirname(at)
        if above in (at, top) or not _is_ours(start, above):
            return os.path.join(start, name)
        at = above


def _is_ours(start: str, folder: str) -> bool:
    """Whether a folder above `start` is on its file system, belongs to its owner, and others can't write there."""
    try:
        one, other = os.stat(start), os.stat(folder)
    except OSError:
        return False
    return one.st_dev == other.st_dev and one.st_uid == other.st_uid and not other.st_mode & stat.S_IWOTH
