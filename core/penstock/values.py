"""Plain values that every other module speaks in: places, pathspecs, run ids, resources, records.

Imports nothing. `from penstock import FlowSpec` passes through here, so these are slot classes, not dataclasses
(importing `dataclasses` costs as much as starting Python one and a half times).
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any, Self

# What became of an attempt. `LOST` is the platform's doing (a free retry), `FAILED` the user's.
SUCCEEDED = "succeeded"
FAILED = "failed"
LOST = "lost"
CANCELLED = "cancelled"
OUTCOMES = (SUCCEEDED, FAILED, LOST, CANCELLED)

# Further states of a run. Only `SUCCEEDED`, `FAILED` and `CANCELLED` are ever stored; these two are computed.
RUNNING = "running"
DIED = "died"

PARAMETERS_STEP = "_parameters"  # the task that holds parameters and class constants
FOREACH_ITEMS = "_foreach_items"  # the hidden artifact of a foreach split: one pickle an item
ROOT_PLACE = "0"


class Value:
    """What has facts and does nothing: equal where all of its slots are, and never changed after it was made."""

    __slots__: tuple[str, ...] = ()

    def changed(self, **facts: Any) -> Self:
        """The same with other facts."""
        return type(self)(**{**{name: getattr(self, name) for name in self.__slots__}, **facts})

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and all(getattr(self, one) == getattr(other, one) for one in self.__slots__)

    def __hash__(self) -> int:
        return hash(tuple(getattr(self, name) for name in self.__slots__))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={getattr(self, name)!r}' for name in self.__slots__)})"


# --------------------------------------------------------------------------------------------- places
#
# A task's id is its place: `frame ("." frame)*` with `frame = index ["~" turn]`. Outside any foreach the only
# frame is `0`; each foreach adds a frame and its join takes it away. Every scheduler computes the same place.


def place_within(place: str, depth: int, index: int) -> str:
    """The place of item `index` of a foreach whose split lies at `place`, inside `depth` other foreachs."""
    return str(index) if depth == 0 else f"{place}.{index}"


def place_outside(place: str) -> str:
    """The place of the join that ends the innermost foreach of `place`."""
    return place.rpartition(".")[0] or ROOT_PLACE


def place_beside(place: str, index: int) -> str:
    """The place of item `index` of the same foreach."""
    outside, dot, _ = place.rpartition(".")
    return f"{outside}{dot}{index}"


def place_index(place: str) -> int:
    """The index in the innermost foreach (0 outside any)."""
    return int(place.rpartition(".")[2].partition("~")[0])


def place_turn(place: str) -> int:
    """The turn of a step that switches to itself; 0 is the first."""
    return int(place.rpartition(".")[2].partition("~")[2] or 0)


def next_turn(place: str) -> str:
    """The same place, one turn of the loop later: `17` -> `17~1` -> `17~2`."""
    return f"{place.partition('~')[0]}~{place_turn(place) + 1}"


def without_turn(place: str) -> str:
    """The place that a step after the loop has."""
    return place.partition("~")[0]


def place_order(place: str) -> tuple[tuple[int, int], ...]:
    """Sort key: numeric, frame by frame (`2` before `17`, `17` before `17~1`).

    Raises ValueError when `place` is not a place.
    """
    frames = []
    for frame in place.split("."):
        index, _, turn = frame.partition("~")
        if not (index.isdecimal() and (turn or "0").isdecimal()):
            raise ValueError(f"{place!r} is no task id, such as 0, 17 or 17.3")
        frames.append((int(index), int(turn or 0)))
    return tuple(frames)


# ------------------------------------------------------------------------------------------ pathspecs


class Pathspec:
    """`Flow/run/step/place/attempt`, to any depth; `str()` gives the text."""

    __slots__ = ("attempt", "flow", "place", "run", "step")

    def __init__(
        self,
        flow: str,
        run: str | None = None,
        step: str | None = None,
        place: str | None = None,
        attempt: int | None = None,
    ) -> None:
        self.flow, self.run, self.step, self.place, self.attempt = flow, run, step, place, attempt

    @classmethod
    def parse(cls, text: str) -> Pathspec:
        """Read a pathspec. Raises ValueError when it has an empty part, too many, or an odd place or attempt."""
        parts = text.strip("/").split("/")
        if not all(parts) or len(parts) > 5:
            raise ValueError(f"{text!r} is not of the form Flow/run/step/task/attempt")
        if len(parts) > 3:
            place_order(parts[3])
        attempt = int(parts[4]) if len(parts) == 5 else None
        named = dict(zip(("flow", "run", "step", "place"), parts, strict=False))
        return cls(named["flow"], named.get("run"), named.get("step"), named.get("place"), attempt)

    def parts(self) -> tuple[str, ...]:
        """The parts that are set, as text."""
        every = (self.flow, self.run, self.step, self.place, None if self.attempt is None else str(self.attempt))
        return tuple(part for part in every if part is not None)

    def __str__(self) -> str:
        return "/".join(self.parts())

    def __repr__(self) -> str:
        return f"Pathspec({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Pathspec) and self.parts() == other.parts()

    def __hash__(self) -> int:
        return hash(self.parts())


# -------------------------------------------------------------------------------------------- run ids

_TAIL_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # 32 characters in their sort order, without i l o u
_TAIL_STEPS = 32**4  # 60 s / 32^4 = 57 us: the resolution of a run id


def run_id(now_s: float) -> str:
    """`YYYYMMDD-HHMM-xxxx` of a Unix time: UTC, the tail is the position within the minute."""
    import time

    tail = int(now_s % 60 / 60 * _TAIL_STEPS)
    text = ""
    for _ in range(4):
        tail, digit = divmod(tail, 32)
        text = _TAIL_ALPHABET[digit] + text
    return time.strftime("%Y%m%d-%H%M-", time.gmtime(now_s)) + text


def run_id_after(taken: str) -> str:
    """The next id within the same minute, for when `taken` belongs to another run already."""
    head, _, tail = taken.rpartition("-")
    number = 0
    for character in tail:
        number = number * 32 + _TAIL_ALPHABET.index(character)
    number = (number + 1) % _TAIL_STEPS
    text = ""
    for _ in range(4):
        number, digit = divmod(number, 32)
        text = _TAIL_ALPHABET[digit] + text
    return f"{head}-{text}"


# ----------------------------------------------------------------------------------- what a task needs


class Resources(Value):
    """What an attempt asks of its executor. `None`: the executor's default.

    cpu: cores (may be a fraction); gpu: devices; memory_mb, disk_mb, shared_memory_mb: MiB.
    """

    __slots__ = ("cpu", "disk_mb", "gpu", "memory_mb", "shared_memory_mb")

    def __init__(
        self,
        cpu: float | None = None,
        memory_mb: int | None = None,
        gpu: int | None = None,
        disk_mb: int | None = None,
        shared_memory_mb: int | None = None,
    ) -> None:
        self.cpu, self.memory_mb, self.gpu = cpu, memory_mb, gpu
        self.disk_mb, self.shared_memory_mb = disk_mb, shared_memory_mb

    def __repr__(self) -> str:
        asked = ((n, getattr(self, n)) for n in ("cpu", "memory_mb", "gpu", "disk_mb", "shared_memory_mb"))
        return "Resources(" + ", ".join(f"{n}={v}" for n, v in asked if v is not None) + ")"


# -------------------------------------------------------------------------------------- what was decided


class Transition(Value):
    """What `self.next` stated in one attempt.

    kind: `linear`, `split`, `switch`, `foreach`, `parallel` or `end`; to: the steps that follow (of a switch: the
    one chosen); width: number of items of a foreach or nodes of a parallel step; var: the artifact iterated over.
    """

    __slots__ = ("kind", "to", "var", "width")

    def __init__(self, kind: str, to: Iterable[str] = (), width: int | None = None, var: str | None = None) -> None:
        self.kind, self.to, self.width, self.var = kind, tuple(to), width, var

    def data(self) -> dict[str, Any]:
        """As JSON; absent means None."""
        full = {"kind": self.kind, "to": list(self.to), "width": self.width, "var": self.var}
        return {name: value for name, value in full.items() if value is not None}

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Transition:
        """The inverse of `data`."""
        return cls(data["kind"], data.get("to", ()), data.get("width"), data.get("var"))

    def __repr__(self) -> str:
        return f"Transition({self.data()!r})"


# Variables by which an executor tells its jobs something. What it wants to be remembered of the place where they
# run, a JSON object of texts ({"image": ...}), becomes `facts` of their records. The folder where they find the runtime
# unpacked and compiled (`RunInfo.runtime`), so that they need not do it. The address of the first job of a gang.
FACTS_VARIABLE = "PENSTOCK_JOB_FACTS"
RUNTIME_VARIABLE = "PENSTOCK_JOB_RUNTIME"
MAIN_ADDRESS_VARIABLE = "PENSTOCK_JOB_MAIN_ADDRESS"
WRONG_PYTHON_EXIT_CODE = 76  # of a job whose interpreter is too old to know our code; 75 is of one that came second


class Record:
    """What became of one attempt: the truth that everything else is computed from. One object in the datastore.

    outcome: one of `OUTCOMES`. token: names the writer, so that a repeated put is recognised as one's own.
    writer: `worker` (the attempt itself), `host` (its death was seen), `driver` (it was given up) or `successor` (its
    own driver had died: no loss of the platform's).
    started_s, ended_s: Unix time by the writer's clock. peak_bytes: largest resident memory. cpu_s: user + system.
    parents: keys of the records that the attempt read, in the order of `inputs`; empty where `inputs` holds a bundle.
    inputs: key of the bundle that a join read, or None.
    stack: foreach frames, outermost first: {"step", "var", "index", "width", "items": row of `_foreach_items`}.
    transition: what `self.next` said, as `Transition.data()`; None unless succeeded.
    artifacts: name -> row (`artifacts.py`): the whole map, except what `_parameters` holds.
    exception: {"type", "message", "file", "line", "source", "traceback"} or None.
    stdout, stderr: {"size": bytes, "text": the bytes as UTF-8 with surrogateescape} where they are short,
    {"size": bytes} where the log sink keeps them; None for no output.
    handler: this attempt ran only the handler of `@catch`. caught: the step's own exception was caught by it.
    refers: key of the record of another run that this one takes over, or None.
    python: `3.11`; the minor version that pickled by value, or None where any reads.
    host, pid: where it ran. facts: what its executor said of the place, in FACTS_VARIABLE.
    """

    __slots__ = (
        "artifacts",
        "attempt",
        "caught",
        "cpu_s",
        "ended_s",
        "exception",
        "facts",
        "flow",
        "handler",
        "host",
        "inputs",
        "outcome",
        "parents",
        "peak_bytes",
        "pid",
        "place",
        "python",
        "reason",
        "refers",
        "run",
        "stack",
        "started_s",
        "stderr",
        "stdout",
        "step",
        "token",
        "transition",
        "writer",
    )

    def __init__(
        self,
        *,
        flow: str,
        run: str,
        step: str,
        place: str,
        attempt: int,
        outcome: str,
        token: str,
        writer: str = "worker",
        started_s: float = 0.0,
        ended_s: float = 0.0,
        peak_bytes: int | None = None,
        cpu_s: float | None = None,
        parents: Iterable[str] = (),
        inputs: str | None = None,
        stack: Iterable[Mapping[str, Any]] = (),
        transition: Mapping[str, Any] | None = None,
        artifacts: Mapping[str, Any] | None = None,
        exception: Mapping[str, Any] | None = None,
        reason: str = "",
        stdout: Mapping[str, Any] | None = None,
        stderr: Mapping[str, Any] | None = None,
        handler: bool = False,
        caught: bool = False,
        refers: str | None = None,
        python: str | None = None,
        host: str | None = None,
        pid: int | None = None,
        facts: Mapping[str, str] | None = None,
    ) -> None:
        self.flow, self.run, self.step, self.place, self.attempt = flow, run, step, place, attempt
        self.outcome, self.token, self.writer, self.reason = outcome, token, writer, reason
        self.started_s, self.ended_s, self.peak_bytes, self.cpu_s = started_s, ended_s, peak_bytes, cpu_s
        self.parents, self.inputs, self.stack = tuple(parents), inputs, tuple(stack)
        self.transition, self.artifacts, self.exception = transition, dict(artifacts or {}), exception
        self.stdout, self.stderr, self.handler, self.caught = stdout, stderr, handler, caught
        self.refers, self.python, self.host, self.pid = refers, python, host, pid
        self.facts = dict(facts or {})

    @property
    def pathspec(self) -> Pathspec:
        """Where the attempt stands."""
        return Pathspec(self.flow, self.run, self.step, self.place, self.attempt)

    def data(self) -> dict[str, Any]:
        """As JSON; fields that are empty are left out."""
        kept = {}
        for name in RECORD_FIELDS:
            value = getattr(self, name)
            if value not in (None, (), {}, False, ""):
                kept[name] = value
        kept["attempt"], kept["token"] = self.attempt, self.token  # asked for, also where they are nothing
        return kept

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Record:
        """The inverse of `data`. Fields of a later version are passed over.

        Field by field, not by `__init__`: a client that lists a run reads thousands of records.
        """
        made = cls.__new__(cls)
        for name, default in _RECORD_DEFAULTS:
            setattr(made, name, data.get(name, default))
        made.parents, made.stack = tuple(made.parents), tuple(made.stack)
        made.artifacts, made.facts = made.artifacts or {}, made.facts or {}
        return made

    def __repr__(self) -> str:
        return f"<Record {self.pathspec} {self.outcome}>"


# The order in which a record is written: what a person looks for first stands first.
RECORD_FIELDS = (
    "flow", "run", "step", "place", "attempt", "outcome", "reason", "exception", "started_s", "ended_s", "cpu_s",
    "peak_bytes", "transition", "artifacts", "stack", "parents", "inputs", "refers", "handler", "caught", "stdout",
    "stderr", "writer", "token", "python", "host", "pid", "facts",
)  # fmt: skip
assert frozenset(Record.__slots__) == frozenset(RECORD_FIELDS)
_RECORD_DEFAULTS = tuple(
    (name, getattr(Record(flow="", run="", step="", place="", attempt=0, outcome="", token=""), name))
    for name in RECORD_FIELDS
)


class CaughtError:
    """What `@catch(var=...)` leaves in the artifact: an exception as text, readable where its class is not.

    type: dotted name of the class; message: `str(exception)`; step: name of the step; traceback: the user's frames.
    """

    __slots__ = ("message", "step", "traceback", "type")

    def __init__(self, type: str, message: str, step: str = "", traceback: str = "") -> None:
        self.type, self.message, self.step, self.traceback = type, message, step, traceback

    @property
    def exception(self) -> str:
        """The message, under the name that Metaflow gives it."""
        return self.message

    def __reduce__(self) -> tuple[Any, ...]:
        return CaughtError, (self.type, self.message, self.step, self.traceback)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, CaughtError) and (self.type, self.message) == (other.type, other.message)

    def __hash__(self) -> int:
        return hash((self.type, self.message))

    def __str__(self) -> str:
        return f"{self.type}: {self.message}"

    def __repr__(self) -> str:
        return f"CaughtError({self.type!r}, {self.message!r})"
