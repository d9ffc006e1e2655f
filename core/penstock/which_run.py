"""Which run is meant: by its id, a beginning of it that no other has, `latest`, or `latest~N`."""

from __future__ import annotations

from penstock.errors import NotFound
from penstock.nearest import hint

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

LATEST = "latest"


def runs_back(wanted: str) -> int | None:
    """How many runs `wanted` goes back from the latest: `latest` 0, `latest~2` 2; None for an id."""
    name, tilde, number = wanted.partition("~")
    if name != LATEST or (tilde and not number.isdecimal()):
        return None
    return int(number or 0)


def which_run(flow: str, wanted: str | None, runs: Iterable[str]) -> str:
    """The full id among `runs` of a flow, in any order; None is the latest.
    Raises NotFound, which names what there is."""
    known = sorted(runs, reverse=True)
    if not known:
        raise NotFound(f"{flow} has no run", hint="flow runs   # all runs of the store")
    wanted = wanted or LATEST
    back = runs_back(wanted)
    if back is not None:
        if back < len(known):
            return known[back]
        raise NotFound(f"{flow} has only {len(known)} run{'s' * (len(known) > 1)}", hint=f"flow runs {flow}")
    if wanted in known:
        return wanted
    matching = [run for run in known if run.startswith(wanted)]
    if len(matching) == 1:
        return matching[0]
    if matching:
        raise NotFound(f"{wanted!r} begins the ids of {len(matching)} runs of {flow}", hint=hint(wanted, matching))
    raise NotFound(f"{flow} has no run {wanted!r}", hint=hint(wanted, [*known, LATEST]))
