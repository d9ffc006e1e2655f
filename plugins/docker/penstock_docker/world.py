"""What all containers of a run share."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from penstock.contracts.executor import RunInfo
    from penstock_docker.engine import Engine


class World:
    """run: `Flow/RUN`; user: its name; ids: UID:GID of the caller as the engine sees it; cores: of the engine's
    machine; runtime: `RunInfo.runtime`, None where the engine can't see it."""

    def __init__(self, run: str, user: str, ids: str, cores: float, runtime: str | None) -> None:
        self.run, self.user, self.ids, self.cores, self.runtime = run, user, ids, cores, runtime

    @classmethod
    def of(cls, run: RunInfo, engine: Engine) -> World:
        """As the engine says. Raises BackendUnavailable, BackendMisconfigured."""
        ids = "0:0" if engine.rootless else f"{os.getuid()}:{os.getgid()}"
        cores = float(engine.facts.get("NCPU") or os.cpu_count() or 1)
        return cls(f"{run.flow}/{run.run}", run.user, ids, cores, run.runtime if engine.is_here else None)
