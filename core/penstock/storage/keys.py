"""Where everything lies in a datastore: the one function of names to keys. Format 1; the list is in `docs/format.md`.

Names come from users, so this is also the guard: no name can lead outside its folder.
"""

from __future__ import annotations

import functools

from penstock.storage.sha256 import sha256
from penstock.values import Pathspec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeAlias

    At: TypeAlias = tuple[str, str, str, str, int]  # of an attempt: flow, run, step, place, number

FORMAT = "format"
CHUNKS = "chunks/"
CODE = "code/"
RUNS = "runs/"

_PLAIN = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._~-")
_HEX = frozenset("0123456789abcdef")
_HASHED = 1 + 64  # characters
_LONGEST_PART = 120  # bytes; file systems allow 255, and a suffix and a temporary name must fit too


@functools.lru_cache(1024)
def part(name: str) -> str:
    """One name as one part of a key: plain characters stay, others become `=` and two hex digits, long ones a hash.

    Different names give different parts. Raises ValueError for an empty name.
    """
    if 0 < len(name) <= _LONGEST_PART and name[0] != "." and _PLAIN.issuperset(name):
        return name
    if not name:
        raise ValueError("an empty name can't be part of a key")
    raw = name.encode("utf-8", "surrogateescape")
    quoted = "".join(chr(byte) if chr(byte) in _PLAIN else f"={byte:02X}" for byte in raw)
    if quoted.startswith("."):
        quoted = "=2E" + quoted[1:]
    if len(quoted) > _LONGEST_PART or is_hashed(quoted):
        return "=" + sha256(raw).hexdigest()
    return quoted


def flow_prefix(flow: str) -> str:
    """Prefix of all runs of a flow."""
    return f"{RUNS}{part(flow)}/"


def run_prefix(flow: str, run: str) -> str:
    """Prefix of everything of a run."""
    return f"{RUNS}{part(flow)}/{part(run)}/"


def run_header(flow: str, run: str) -> str:
    """Who runs what, since when, with which code and settings."""
    return run_prefix(flow, run) + "run"


def run_outcome(flow: str, run: str) -> str:
    """How the run ended; claimed last."""
    return run_prefix(flow, run) + "outcome"


def lease(flow: str, run: str, number: int) -> str:
    """Who drives the run; the highest number holds."""
    return f"{run_prefix(flow, run)}lease/{number:06d}"


def lease_prefix(flow: str, run: str) -> str:
    """Prefix of the leases."""
    return run_prefix(flow, run) + "lease/"


def run_beat(flow: str, run: str) -> str:
    """Replaced by the driver every 10 s."""
    return run_prefix(flow, run) + "beat"


def run_lock(flow: str, run: str) -> str:
    """The file that driver, host and attempts lock where jobs are on this machine; never has content."""
    return run_prefix(flow, run) + "lock"


def taken(flow: str, run: str) -> str:
    """Bundle of the records that a resumed run takes from its origin; claimed once."""
    return run_prefix(flow, run) + "taken"


def cancel(flow: str, run: str) -> str:
    """Asked from outside: that the run end."""
    return run_prefix(flow, run) + "cancel"


def index(flow: str, run: str) -> str:
    """Names the bundle of a finished run's records; claimed after the bundle is written."""
    return run_prefix(flow, run) + "index"


def tag(flow: str, run: str, text: str) -> str:
    """One tag; the object holds the full text."""
    return f"{run_prefix(flow, run)}tags/{part(text)}"


def tag_prefix(flow: str, run: str) -> str:
    """Prefix of the tags of a run."""
    return run_prefix(flow, run) + "tags/"


def tasks_prefix(flow: str, run: str, step: str | None = None, place: str | None = None) -> str:
    """Prefix of the attempts of a run, a step or a task."""
    tail = "".join(f"{part(name)}/" for name in (step, place) if name is not None)
    return f"{run_prefix(flow, run)}tasks/{tail}"


def owner(flow: str, run: str, step: str, place: str, attempt: int) -> str:
    """Whose job runs the attempt; claimed where jobs are elsewhere."""
    return f"{tasks_prefix(flow, run, step, place)}{attempt}.owner"


def record(flow: str, run: str, step: str, place: str, attempt: int) -> str:
    """What became of the attempt: the truth."""
    return f"{RUNS}{part(flow)}/{part(run)}/tasks/{part(step)}/{place}/{attempt}.record"


def staged(flow: str, run: str, step: str, place: str, attempt: int) -> str:
    """The record that a node of a gang will have, once all of them are done. The first node's decides."""
    return f"{tasks_prefix(flow, run, step, place)}{attempt}.staged"


def beat(flow: str, run: str, step: str, place: str, attempt: int) -> str:
    """Replaced by the host of an attempt that runs elsewhere for longer than 30 s."""
    return f"{tasks_prefix(flow, run, step, place)}{attempt}.beat"


def inputs(flow: str, run: str, step: str, place: str) -> str:
    """Bundle of the records that a join reads, in the order of `inputs`."""
    return f"{run_prefix(flow, run)}inputs/{part(step)}/{part(place)}"


def log(flow: str, run: str, step: str, place: str, attempt: int, source: str, offset: int) -> str:
    """Output of an attempt from byte `offset`; the digits keep the order of names the order of bytes."""
    return f"{log_prefix(flow, run, step, place, attempt, source)}{offset:015d}"


def log_prefix(flow: str, run: str, step: str, place: str, attempt: int, source: str) -> str:
    """Prefix of one stream of an attempt."""
    return f"{run_prefix(flow, run)}logs/{part(step)}/{part(place)}/{attempt}.{source}."


def chunk(name: str) -> str:
    """Key of `SHA256.codec`."""
    return f"{CHUNKS}{name[:2]}/{name}"


def code(sha256: str) -> str:
    """Key of a code archive."""
    return f"{CODE}{sha256}"


def record_of(key: str) -> Pathspec | None:
    """The attempt that a record's key names, None for any other key. Inverse of `record` for plain names."""
    parts = key.split("/")
    if len(parts) != 7 or parts[0] != "runs" or parts[3] != "tasks" or not parts[6].endswith(".record"):
        return None
    return Pathspec(name(parts[1]), name(parts[2]), name(parts[4]), name(parts[5]), int(parts[6][: -len(".record")]))


def name(quoted: str) -> str:
    """The name that `part` quoted. A hashed one comes back as it stands: the object holds its full text."""
    if "=" not in quoted or is_hashed(quoted):
        return quoted
    import re

    raw = re.sub(rb"=([0-9A-F]{2})", lambda match: bytes([int(match[1], 16)]), quoted.encode("ascii"))
    return raw.decode("utf-8", "surrogateescape")


def is_hashed(quoted: str) -> bool:
    """Whether this part is the hash of a name that was too long."""
    return len(quoted) == _HASHED and quoted[0] == "=" and _HEX.issuperset(quoted[1:])
