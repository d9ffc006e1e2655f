"""Nodes that wait for one another: pure bookkeeping.

The nodes of one `num_parallel` start together; where one of them ends without success, those that have not succeeded
are ended, and start together again. Their success they have in common as well: see `gang_commit.py`.
"""

from __future__ import annotations

from collections import deque

from penstock.values import CANCELLED, FAILED, LOST, SUCCEEDED, place_beside, place_index

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from penstock.running.plan import Ready
    from penstock.values import Record


class Nodes:
    """Of one gang. left: how many have not succeeded; ready: of those, the ones that can start, by place; running:
    names of the attempts; ended: those of the same attempt that ended otherwise, with their records; apart: some have
    succeeded without the others, where nodes run one by one, so the rest are tasks like any others."""

    __slots__ = ("apart", "count", "ended", "left", "ready", "running")

    def __init__(self, count: int) -> None:
        self.count = self.left = count
        self.apart = False
        self.ready: dict[str, Ready] = {}
        self.running: set[str] = set()
        self.ended: list[tuple[Ready, Record]] = []

    def take_ready(self) -> list[Ready]:
        """Those that can start, in the order of their places."""
        found = sorted(self.ready.values(), key=lambda ready: place_index(ready.place))
        self.ready.clear()
        return found

    def settle(self, name: str, ready: Ready, record: Record) -> None:
        """An attempt is over."""
        self.running.discard(name)
        if record.outcome != SUCCEEDED:
            self.ended.append((ready, record))

    def take_ended(self) -> list[tuple[Ready, Record]]:
        """Those whose fate is to be decided."""
        found, self.ended = self.ended, []
        return found


class Gangs:
    """Of a run. broken: those that can't succeed any more, and when to end what still runs of them."""

    def __init__(self) -> None:
        self._nodes: dict[tuple[str, str], Nodes] = {}  # by step and the place of the first node
        self._whole: deque[Nodes] = deque()
        self.broken: dict[Nodes, float] = {}

    def of(self, ready: Ready) -> Nodes:
        """Those that a node belongs to."""
        key = self._key(ready)
        if key not in self._nodes:
            self._nodes[key] = Nodes(ready.nodes or 0)
        return self._nodes[key]

    def succeeded(self, ready: Ready) -> None:
        """A node has. With the last one they are forgotten: a run may have many."""
        nodes = self.of(ready)
        nodes.left -= 1
        if not nodes.left:
            del self._nodes[self._key(ready)]

    def _key(self, ready: Ready) -> tuple[str, str]:
        return ready.step, place_beside(ready.place, 0)

    def add(self, ready: Ready) -> list[Ready]:
        """A node can start, as soon as all others can that are left. Returns those that are found to be apart."""
        nodes = self.of(ready)
        nodes.ready[ready.place] = ready
        if len(nodes.ready) < nodes.left:
            return []
        nodes.apart = nodes.left < nodes.count
        if nodes.apart:
            return nodes.take_ready()
        self._whole.append(nodes)
        return []

    @property
    def waiting(self) -> int:
        """How many nodes start together next; 0 where none can."""
        return len(self._whole[0].ready) if self._whole else 0

    def next(self) -> tuple[Nodes, list[Ready]]:
        """Take them out, in the order of their places."""
        nodes = self._whole.popleft()
        return nodes, nodes.take_ready()

    def broke(self, nodes: Nodes, moment_s: float) -> None:
        """They can't succeed any more; from that moment on those that still run are to be ended."""
        self.broken[nodes] = min(moment_s, self.broken.get(nodes, moment_s))

    def clear(self) -> None:
        """None of them shall start any more."""
        self._whole.clear()


def outcome_of(ended: Sequence[tuple[Ready, Record]]) -> str:
    """What became of them together: lost where the platform lost one, whatever the others died of."""
    outcomes = {record.outcome for _, record in ended}
    return next((one for one in (LOST, FAILED) if one in outcomes), CANCELLED)
