"""Where a folder of data stands: in the working directory, or in a folder above it that is the user's own."""

from __future__ import annotations

import os
import stat


def nearest_folder(name: str, folder: str, home: str | None) -> str:
    """Where a folder of this name stands: in `folder` or the nearest one above it that has one; if none, in `folder`.

    Folders above are looked at below the home folder, or outside of it, as long as they are the user's own and nobody
    else may write there; never on another file system. So nothing is found that another user, or another disk, may have
    laid in the way.
    """
    start = at = os.path.realpath(folder)
    top = os.path.realpath(home) if home else None
    while True:
        if os.path.isdir(os.path.join(at, name)):
            return os.path.join(at, name)
        above = os.path.dirname(at)
        if above in (at, top) or not _is_ours(start, above):
            return os.path.join(start, name)
        at = above


def _is_ours(start: str, folder: str) -> bool:
    """Whether a folder above `start` is on its file system, and nobody but this user may put anything there."""
    try:
        one, other = os.stat(start), os.stat(folder)
    except OSError:
        return False
    if one.st_dev != other.st_dev or other.st_uid != os.getuid() or other.st_mode & stat.S_IWOTH:
        return False
    return not other.st_mode & stat.S_IWGRP or _is_private(other.st_gid)


def _is_private(gid: int) -> bool:
    """Whether a group holds this user alone. Many systems make such a group for each user, of its number or its name,
    and let it write."""
    if gid != os.getgid() or gid == os.getuid():
        return gid == os.getgid()
    import grp
    import pwd

    try:
        return grp.getgrgid(gid).gr_name == pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return False
