"""Tags of a run: one small object each, so that tasks and people can add and remove them at once without losing any."""

from __future__ import annotations

from penstock.storage import keys, records

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from penstock.contracts.datastore import Datastore


def add_tags(datastore: Datastore, flow: str, run: str, tags: Iterable[str]) -> None:
    """Add tags; those that are there stay."""
    for tag in tags:
        datastore.put(keys.tag(flow, run, tag), records.encode("tag", {"tag": tag}))


def remove_tags(datastore: Datastore, flow: str, run: str, tags: Iterable[str]) -> None:
    """Remove tags; those that are not there are passed over."""
    datastore.delete([keys.tag(flow, run, tag) for tag in tags])


def read_tags(datastore: Datastore, flow: str, run: str) -> list[str]:
    """Every tag of the run, sorted; system tags are in its header and not among them."""
    found = [records.read(datastore, one.key) for one in datastore.list(keys.tag_prefix(flow, run))]
    return sorted(one["tag"] for one in found if one is not None)
