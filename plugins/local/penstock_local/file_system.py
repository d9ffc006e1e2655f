"""On which kind of file system a folder lies: on a network's, locks and shared memory between machines can't be
relied on."""

from __future__ import annotations

import os

# Names as the kernel gives them in `mountinfo`; `fuse.*` and `fuseblk` too, behind which there may be anything.
NETWORK = frozenset({
    "9p", "afs", "beegfs", "ceph", "cifs", "fuse", "fuseblk", "gfs2", "glusterfs", "gpfs", "lustre", "ncpfs", "nfs",
    "nfs4", "ocfs2", "orangefs", "pvfs2", "smb3", "smbfs", "virtiofs", "wekafs",
})  # fmt: skip


def network_kind(folder: str) -> str | None:
    """`nfs4` and the like where the nearest folder that exists lies on one; None where not, or nobody can tell."""
    try:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
            kind = kind_in(file.read(), os.path.realpath(folder))
    except OSError:
        return None
    return kind if kind.partition(".")[0] in NETWORK else None


def kind_in(mountinfo: str, path: str) -> str:
    """The file system that holds `path`, empty for none. Source: proc_pid_mountinfo(5); later lines lie over others."""
    longest, found = "", ""
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        fields = before.split(" ")
        if len(fields) < 5 or not after:
            continue
        point = _unescaped(fields[4])
        if len(point) >= len(longest) and (path == point or path.startswith(point.rstrip("/") + "/")):
            longest, found = point, after.split(" ")[0]
    return found


def _unescaped(text: str) -> str:
    """Space, tab, newline and backslash stand as three octal digits."""
    for escaped, plain in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        text = text.replace(escaped, plain)
    return text
