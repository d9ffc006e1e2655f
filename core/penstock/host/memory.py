"""What the kernel says of a limit on memory that this process lives under, as in most containers.

Source: cgroups(7); memory.events, memory.max and memory.peak of version 2, memory.oom_control and the others of 1.
"""

from __future__ import annotations

_KILLS = ("/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/memory/memory.oom_control")
_LIMIT = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
_PEAK = ("/sys/fs/cgroup/memory.peak", "/sys/fs/cgroup/memory/memory.max_usage_in_bytes")
_NO_LIMIT = 1 << 60  # version 1 says a number near 2**63, version 2 `max`


def kills() -> int:
    """How many processes were killed for memory here so far; 0 where nobody counts."""
    for line in _read(_KILLS).splitlines():
        name, _, count = line.partition(" ")
        if name == "oom_kill":
            return int(count)
    return 0


def exceeded() -> str:
    """`out of memory: the limit is 512 MiB, the peak was 511 MiB`, as far as it is known."""
    limit, peak = _read(_LIMIT).strip(), _read(_PEAK).strip()
    said = []
    if limit.isdigit() and int(limit) < _NO_LIMIT:
        said.append(f"the limit is {int(limit) >> 20} MiB")
    if peak.isdigit():
        said.append(f"the peak was {int(peak) >> 20} MiB")
    return ": ".join(["out of memory", *filter(None, [", ".join(said)])])


def _read(paths: tuple[str, str]) -> str:
    for path in paths:
        try:
            with open(path, "rb") as file:  # as text it would take the codec's module along
                return file.read().decode("ascii")
        except OSError:
            continue
    return ""
