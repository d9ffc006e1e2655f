"""Which run is meant: by its id, a beginning of it that no other has, `latest`, or `latest~N`."""

from __future__ import annotations

from penstock.errors import NotFound
from penstock.nearest import hint

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

LATEST = "latest"


def which_run(flow: str, wanted: str | None, runs: Iterable[str]) -> str:
    """The full id among `runs` of a flow, in any order; None is the latest.
    Raises NotFound, which names what there is."""
    known = sorted(runs, reverse=True)
    if not known:
        raise NotFound(f"{flow} has no run", hint="flow runs   # all runs of the store")
    if wanted is None or wanted == LATEST:
        return known[0]
    back = wanted.removeprefix(f"{LATEST}~")
    if back != wanted and back.isdigit():
        if int(back) < len(known):
            return known[int(back)]
        raise NotFound(f"{flow} has only {len(known)} runs", hint=f"flow runs {flow}")
    if wanted in known:
        return wanted
    matching = [run for run in known if run.startswith(wanted)]
    if len(matching) == 1:
        return matching[0]
    if matching:
        raise NotFound(f"{wanted!r} begins the ids of {len(matching)} runs of {flow}", hint=hint(wanted, matching))
    raise NotFound(f"{flow} has no run {wanted!r}", hint=hint(wanted, known))
