"""How a run ended: said once, by whoever comes first; and what its driver returns of it."""

from __future__ import annotations

import time

from penstock.contracts.reach import Reach
from penstock.errors import BackendUnavailable
from penstock.running.copies import enter_outcome
from penstock.storage import keys, records
from penstock.storage.catalogue import write_index

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from penstock.home import Home
    from penstock.storage.catalogue import ReadMany
    from penstock.values import Pathspec


class RunResult:
    """How a run ended. failed: tasks without success; counts: attempts by outcome; reused: tasks taken over; begun: its
    parameters are known, so that a resumed run can go on from them."""

    __slots__ = ("begun", "counts", "exit_code", "failed", "file", "flow", "outcome", "reused", "run", "wall_s")

    def __init__(
        self,
        *,
        flow: str,
        run: str,
        outcome: str,
        failed: Sequence[Pathspec],
        counts: Mapping[str, int],
        reused: int,
        begun: bool,
        wall_s: float,
        file: str,
        exit_code: int,
    ) -> None:
        self.flow, self.run, self.outcome, self.failed, self.file = flow, run, outcome, tuple(failed), file
        self.begun = begun
        self.counts, self.reused, self.wall_s, self.exit_code = dict(counts), reused, wall_s, exit_code


def end_run(
    home: Home,
    header: Mapping[str, Any],
    outcome: str,
    token: str,
    reason: str,
    note: Callable[[str], None],
    *,
    read: ReadMany | None = None,
) -> str:
    """Say how the run ended; whoever said it first is right. Returns the outcome that stands.

    read: gives the run's records by key, if not the datastore.
    """
    datastore, flow, run = home.datastore, header["flow"], header["run"]
    data = {"outcome": outcome, "token": token, "ended_s": time.time(), "reason": reason}
    key = keys.run_outcome(flow, run)
    _, standing = records.claim(datastore, key, "outcome", data)
    if not standing:  # torn by a power cut: nobody has read it, and nobody would ever
        datastore.put(key, records.encode("outcome", data), replace=True)
    stands = {**data, **standing}
    enter_outcome(home, header, stands["outcome"], stands["ended_s"], note)
    if datastore.reach is Reach.ANYWHERE:
        try:
            write_index(datastore, flow, run, read or datastore.get_many)
        except BackendUnavailable as error:
            note(f"the run has no index, which only makes reading it slower: {error}")
    return str(stands["outcome"])
