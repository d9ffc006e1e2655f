"""What a run has done already: its records and those that it took from its origin, before a scheduler begins."""

from __future__ import annotations

import contextlib

from penstock.errors import KeyMissing
from penstock.running import gang_commit, plan
from penstock.storage import keys, records

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from penstock.contracts.datastore import Datastore
    from penstock.storage.keys import At
    from penstock.values import Record


def standing_of(found: Iterable[Record]) -> dict[tuple[str, str], tuple[Record, str]]:
    """The success and its key, of each task that has one."""
    return {
        task: (one, records.key_of(one))
        for task, attempts in records.fold(found).items()
        if (one := records.standing(attempts)) is not None
    }


def attempts_of(datastore: Datastore, flow: str, run: str) -> tuple[list[str], list[At]]:
    """Keys of the records of a run, and its attempts that a job elsewhere has claimed and that have no record yet.

    What a gang has committed and not claimed is claimed first.
    """
    recorded, owned, staged = records.list_attempts(datastore, flow, run)
    if staged and gang_commit.complete(datastore, frozenset(recorded), staged):
        recorded, owned, _ = records.list_attempts(datastore, flow, run)
    return recorded, owned


def records_of(datastore: Datastore, flow: str, run: str) -> list[Record]:
    """Every record of a run: its own, and those that it took from its origin."""
    recorded, _ = attempts_of(datastore, flow, run)
    return [record for record, _ in read_history(datastore, flow, run, recorded)]


def read_history(datastore: Datastore, flow: str, run: str, recorded: Iterable[str]) -> Iterator[tuple[Record, bytes]]:
    """The records under these keys and those that the run took from its origin, each with its object."""
    yield from records.read_raw(datastore, recorded)
    with contextlib.suppress(KeyMissing):
        key = keys.taken(flow, run)
        yield from records.decode_bundle_raw(datastore.get(key), key)


def known_of(found: Sequence[Record]) -> tuple[dict[tuple[str, str], Record], dict[tuple[str, str], plan.Past]]:
    """What records say before the loop begins: successes by task, and the past of tasks without one."""
    known: dict[tuple[str, str], Record] = {}
    past: dict[tuple[str, str], plan.Past] = {}
    for task, attempts in records.fold(found).items():
        standing = records.standing(attempts)
        if standing is not None:
            known[task] = standing
            continue
        past[task] = plan.Past()
        for record in attempts:
            past[task].add(record)
    return known, past
