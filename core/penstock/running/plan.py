"""What is ready, and what a task's attempts mean: pure functions of the graph and of records.

`Plan.add(record) -> what became ready` is a fold. The loop, `continue` and `resume` feed it the same way, only with
other records, so there is no machinery for resuming. It keeps a few counters per open join and the keys of the records
that arrived there, never a manifest.
"""

from __future__ import annotations

from penstock.values import (
    CANCELLED,
    FAILED,
    LOST,
    PARAMETERS_STEP,
    ROOT_PLACE,
    SUCCEEDED,
    next_turn,
    place_index,
    place_outside,
    place_within,
    without_turn,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from penstock.authoring.graph import Graph
    from penstock.values import Record

FREE_LOSSES = 3  # attempts of a task that the platform may lose before it counts as failed
SUCCESSOR = "successor"  # writer of a record for an attempt whose driver died: a loss that nobody counts


class Ready:
    """A task that can start. parents: keys of the records it reads, in order; split: of a foreach over nothing; nodes:
    of the `num_parallel` that it is one of, None for any other task."""

    __slots__ = ("nodes", "parents", "place", "split", "step")

    def __init__(
        self, step: str, place: str, parents: tuple[str, ...] = (), split: str | None = None, nodes: int | None = None
    ) -> None:
        self.step, self.place, self.parents, self.split, self.nodes = step, place, parents, split, nodes

    @property
    def task(self) -> tuple[str, str]:
        """Its name within the run."""
        return self.step, self.place

    def __repr__(self) -> str:
        return f"Ready({self.step}/{self.place}, {len(self.parents)} parents)"


class _Join:
    """A join that waits: one slot for each chain that its split let go."""

    __slots__ = ("arrived", "width")

    def __init__(self, width: int) -> None:
        self.width = width
        self.arrived: dict[int, str] = {}


class Plan:
    """The state of a run as far as its graph goes. `finished` once the last step has succeeded."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.finished = False
        self._joins: dict[tuple[str, str], _Join] = {}

    def begin(self) -> list[Ready]:
        """The first task of every run."""
        return [Ready(PARAMETERS_STEP, ROOT_PLACE)]

    def add(self, record: Record, key: str) -> Iterator[Ready]:
        """Take in the success of a task, once; `key` is where its record stands. Yields what became ready by it."""
        transition = record.transition
        if record.outcome != SUCCEEDED or transition is None:
            raise ValueError(f"{record!r} is no success")
        if record.step == PARAMETERS_STEP:
            yield Ready(self.graph.start, ROOT_PLACE)
            return
        kind, to = transition["kind"], transition.get("to", ())
        if kind == "end":
            self.finished = True
        elif kind in ("foreach", "parallel"):
            yield from self._fan_out(record, key, to[0], transition["width"], kind == "parallel")
        else:
            if kind == "split":
                self._open(record.step, record.place, len(to))
            for target in to:
                yield from self._arrive(record, key, target)

    def _fan_out(self, record: Record, key: str, target: str, width: int, nodes: bool) -> Iterator[Ready]:
        step = self.graph.steps[record.step]
        if width == 0:
            if step.join is not None:
                yield Ready(step.join, without_turn(record.place), split=key)
            return
        self._open(record.step, record.place, width)
        for index in range(width):
            place = place_within(record.place, step.depth, index)
            yield Ready(target, place, (key,), nodes=width if nodes else None)

    def _open(self, split: str, place: str, width: int) -> None:
        join = self.graph.steps[split].join
        if join is not None:
            self._joins[join, without_turn(place)] = _Join(width)

    def _arrive(self, record: Record, key: str, target: str) -> Iterator[Ready]:
        if target == record.step:
            yield Ready(target, next_turn(record.place), (key,))
        elif not self.graph.steps[target].is_join:
            yield Ready(target, without_turn(record.place), (key,))
        else:
            place, slot = self._slot(record, target)
            join = self._joins[target, place]
            join.arrived[slot] = key
            if len(join.arrived) == join.width:
                del self._joins[target, place]
                yield Ready(target, place, tuple(join.arrived[number] for number in sorted(join.arrived)))

    def _slot(self, record: Record, join: str) -> tuple[str, int]:
        """The place of the join that a chain arrives at, and the number of the chain there."""
        step = self.graph.steps[record.step]
        if step.depth > self.graph.steps[join].depth:
            return place_outside(record.place), place_index(record.place)
        split = self.graph.steps[step.split_parents[-1]]
        return without_turn(record.place), split.to.index(step.split_branches[-1])


def taken(
    graph: Graph, standing: Mapping[tuple[str, str], tuple[Record, str]], again: str | None = None
) -> tuple[list[Record], list[Ready]]:
    """The fold of a graph over the successes of a run: those that a resumed run takes, and what comes next.

    standing: success and key by task; again: step that runs again with everything after it. A task whose `self.next`
    no longer fits the graph counts as not done, and so does everything that only it made ready.
    """
    redone = after(graph, again) if again is not None else frozenset()
    plan = Plan(graph)
    found: list[Record] = []
    following: list[Ready] = []
    waiting = plan.begin()
    while waiting:
        ready = waiting.pop()
        done = standing.get(ready.task)
        if done is None or ready.step in redone or not _fits(graph, done[0]):
            following.append(ready)
            continue
        found.append(done[0])
        waiting += plan.add(*done)
    return found, following


def after(graph: Graph, step: str) -> frozenset[str]:
    """A step and all that can follow it."""
    found: set[str] = set()
    waiting = [step]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += graph.steps[name].to
    return frozenset(found)


def _fits(graph: Graph, record: Record) -> bool:
    if record.step == PARAMETERS_STEP:
        return True
    transition, step = record.transition or {}, graph.steps[record.step]
    return transition.get("kind") == step.kind and set(transition.get("to", ())) <= set(step.to)


# ------------------------------------------------------------------------------------ attempts of a task


class Policy:
    """What a step grants: times further attempts after failures; delay_s before one, None for the executor's own;
    catches: a handler stands in when all is used up."""

    __slots__ = ("catches", "delay_s", "times")

    def __init__(self, times: int = 0, delay_s: float | None = None, catches: bool = False) -> None:
        self.times, self.delay_s, self.catches = times, delay_s, catches


class Attempt:
    """The attempt to start next. last: no further one follows its failure; handler: why only the handler runs."""

    __slots__ = ("handler", "last", "number")

    def __init__(self, number: int, last: bool, handler: str | None = None) -> None:
        self.number, self.last, self.handler = number, last, handler

    def __repr__(self) -> str:
        return f"Attempt({self.number}, last={self.last}, handler={self.handler!r})"


class Past:
    """What the scheduler remembers of the attempts of a task that did not succeed: a few numbers.

    failed, lost: bits, one for each attempt that did or was.
    """

    __slots__ = ("failed", "handled", "lost", "raised", "reason", "total")

    def __init__(self) -> None:
        self.total = self.failed = self.lost = 0
        self.handled = self.raised = False
        self.reason = ""

    def add(self, record: Record) -> None:
        """Count one record that is no success."""
        self.total = max(self.total, record.attempt + 1)
        self.failed |= (record.outcome == FAILED) << record.attempt
        self.lost |= (record.outcome == LOST and record.writer != SUCCESSOR) << record.attempt
        self.handled |= record.handler
        self.raised = record.exception is not None
        self.reason = record.reason or (record.exception or {}).get("message", "")


def together(pasts: Sequence[Past | None]) -> Past | None:
    """The past of a gang from those of its nodes: it is one task that is tried again.

    Where the platform lost one node, the others' failures in the same attempt are the platform's doing, too.
    """
    known = [past for past in pasts if past is not None]
    if not known:
        return None
    found = Past()
    for past in known:
        found.total = max(found.total, past.total)
        found.failed |= past.failed
        found.lost |= past.lost
        found.handled |= past.handled
    culprits = [past for past in known if past.failed or past.lost]  # the others were ended on their account
    found.reason = next((past.reason for past in (*culprits, *known) if past.reason), "")
    found.failed &= ~found.lost
    found.raised = len(known) == len(pasts) and all(past.raised for past in known)
    return found


def next_attempt(past: Past | None, policy: Policy) -> Attempt | None:
    """The attempt that a task gets after `past`, None when it has failed for good.

    Failures count against `@retry`, the platform's losses against a budget of their own; cancelled attempts, and those
    that their driver took with it, against neither. A body
    that raised in its last attempt was seen by `@catch` already; one whose process died gets an attempt of the handler.
    """
    if past is None:
        return Attempt(0, last=policy.times == 0)
    if past.failed.bit_count() <= policy.times and past.lost.bit_count() <= FREE_LOSSES:
        return Attempt(past.total, last=past.failed.bit_count() == policy.times)
    if policy.catches and not past.handled and not past.raised:
        return Attempt(past.total, last=True, handler=past.reason or "its process died")
    return None


# ---------------------------------------------------------------------------------- job and record, joined

SETTLED = "settled"  # the record says it all
WATCH = "watch"  # the job is over, but another copy of it owns the attempt: wait for that one's record
NOT_OWNER_EXIT_CODE = 75  # EX_TEMPFAIL of sysexits.h: this copy of the job found the attempt owned


def reconcile(job_lost: bool, exit_code: int | None, has_record: bool) -> str:
    """What the end of a job and the presence of a record mean together.

    Returns SETTLED, WATCH, or the outcome (FAILED, LOST) with which the scheduler gives the attempt up.

        job \\ record        there         none
        ended 0             settled       failed: it exited without a result
        ended otherwise     settled       failed; exit 75: watch
        lost                settled       lost
    """
    if has_record:
        return SETTLED
    if job_lost:
        return LOST
    return WATCH if exit_code == NOT_OWNER_EXIT_CODE else FAILED


def run_outcome(finished: bool, cancelled: bool, failed: Sequence[object]) -> str:
    """How a run ended whose scheduler has nothing left to do."""
    if cancelled:
        return CANCELLED
    return SUCCEEDED if finished and not failed else FAILED
