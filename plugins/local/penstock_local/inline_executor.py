"""Tasks in the calling process, one after another: breakpoints, debuggers and notebooks work."""

from __future__ import annotations

from penstock.contracts.reach import Reach
from penstock_local.process_executor import ProcessExecutor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from penstock.contracts.executor import RunInfo


class InlineExecutor(ProcessExecutor):
    """Drives the host that core makes inside the process; what steps declare is of no matter to a single task."""

    jobs_at = Reach.PROCESS
    in_process = True
    runs_gangs = False

    def __init__(self, run: RunInfo) -> None:
        super().__init__(run)

    @property
    def max_workers(self) -> int:
        """One."""
        return 1
