"""The commit of a gang: the nodes of one `num_parallel` succeed together or not at all.

They talk to one another, so one of them alone could never be run again. Each that is done stages the record that it
would have, and waits; the first node, once it is done and all others are staged, stages its own. **That exclusive put
is the commit**: from then on whoever comes by, a scheduler of next week included, claims the staged records. A node
that ends in any other way puts its refusal in the same place first: then the gang is broken, and no node of it can
succeed any more.
"""

from __future__ import annotations

import time

from penstock.errors import BackendUnavailable, KeyMissing
from penstock.storage import keys, records
from penstock.values import CANCELLED, SUCCEEDED, place_beside, place_index

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from penstock.contracts.datastore import Datastore
    from penstock.storage.keys import At
    from penstock.values import Record

FIRST_LOOK_S, LONGEST_LOOK_S = 0.01, 1.0  # how often a node looks for the others: each time a quarter later
AWAY_S = 600.0  # how long the store may be away meanwhile


def claim(store: Datastore, record: Record, nodes: int | None) -> tuple[bool, Record]:
    """`records.claim_record` for one of so many nodes; for a task of its own, None, the same.

    A success waits here until all nodes are done, or the gang is broken.
    """
    if not nodes:
        return records.claim_record(store, record)
    gang = _Gang(store, record, nodes)
    if record.outcome == SUCCEEDED:
        gang.stage()
    else:
        gang.refuse()
    return records.claim_record(store, record)


def complete(store: Datastore, recorded: Collection[str], staged: Iterable[At]) -> bool:
    """Claim what gangs have committed and not claimed, because everybody died between the two; whether there was any.

    recorded: keys of the records of a run; staged: its attempts that have staged one. Whoever reads what a dead
    scheduler left does this first: a node of such a gang has succeeded, with a record or without.
    """
    leads = {(*at[:3], place_beside(at[3], 0), at[4]) for at in staged}
    left = [lead for lead in leads if keys.record(*lead) not in recorded and _is_committed(store, lead)]
    for lead in left:
        _claim_all(store, lead)
    return bool(left)


def _is_committed(store: Datastore, lead: At) -> bool:
    try:
        return records.kind_of(store.get(keys.staged(*lead))) == "record"
    except KeyMissing:
        return False


def _claim_all(store: Datastore, lead: At) -> None:
    """After the commit: the record of each node; the first one's last, for with it a platform may end them all."""
    index = 1
    while store.exists(keys.staged(*(at := (*lead[:3], place_beside(lead[3], index), lead[4])))):
        _claim_staged(store, at)
        index += 1
    _claim_staged(store, lead)


def _claim_staged(store: Datastore, at: At) -> None:
    records.claim_record(store, records.decode_record(store.get(keys.staged(*at)), keys.record(*at)))


class _Gang:
    def __init__(self, store: Datastore, record: Record, nodes: int) -> None:
        self.store, self.record, self.nodes = store, record, nodes
        self.index = place_index(record.place)

    def _at(self, index: int) -> At:
        one = self.record
        return one.flow, one.run, one.step, place_beside(one.place, index), one.attempt

    def stage(self) -> None:
        """Come to the commit, or make of the record one that tells why there can't be any."""
        one, waiting = self.record, list(range(1, self.nodes))
        if self.index:
            self.store.put(keys.staged(*self._at(self.index)), records.encode_record(one))
            waiting = [0]
        look_s, answered_s = FIRST_LOOK_S, time.monotonic()
        while waiting:
            try:
                if self._is_given_up():
                    break
                is_staged = self.store.exists(keys.staged(*self._at(waiting[-1])))
                answered_s = time.monotonic()
            except BackendUnavailable:  # others may need hours yet
                if time.monotonic() - answered_s > AWAY_S:
                    raise
                is_staged = False
            if is_staged:
                waiting.pop()
                continue
            time.sleep(look_s)
            look_s = min(LONGEST_LOOK_S, look_s * 1.25)
        if not self.index and not waiting:
            self.store.put(keys.staged(*self._at(0)), records.encode_record(one))
        if not _is_committed(self.store, self._at(0)):
            one.outcome, one.transition, one.reason = CANCELLED, None, self._refusal()
        elif not self.index:
            _claim_all(self.store, self._at(0))

    def _is_given_up(self) -> bool:
        """Whether this node has its record from somebody else, or a node has refused."""
        keys_ = [keys.record(*self._at(self.index))] + [keys.staged(*self._at(0))] * (not self.index)
        return any(self.store.exists(key) for key in keys_)

    def refuse(self) -> None:
        """Break the gang. Where it has come to its commit already, that is the truth."""
        one = self.record
        said = {"token": one.token, "refused": one.place, "outcome": one.outcome}
        records.claim(self.store, keys.staged(*self._at(0)), "refusal", said)
        if _is_committed(self.store, self._at(0)):
            _claim_all(self.store, self._at(0))

    def _refusal(self) -> str:
        said = records.read(self.store, keys.staged(*self._at(0))) or {}
        return f"node {place_index(said['refused'])} of its gang {said['outcome']}" if "refused" in said else ""
