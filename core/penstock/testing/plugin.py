"""The isolated executor by its name: `--executor=isolated`. Announced like any plugin's backend."""

from __future__ import annotations

from dataclasses import dataclass

from penstock.plugin import Backend, hookimpl, option

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True)
class IsolatedOptions:
    """How strange the jobs find their world."""

    folder: str | None = option(None, help="Where jobs keep their state; default: below the temporary folder.")
    twice: float = option(0.0, help="Share of jobs that are started a second time.")
    lost: float = option(0.0, help="Share of jobs that are taken for lost while they may still run.")
    killed: float = option(0.0, help="Share of jobs that are killed soon after they start.")
    seed: int = option(0, help="Chooses which.")
    clock_shift_s: int = option(3600, help="How far the clock of the jobs is off, in seconds.")


@hookimpl
def penstock_backends() -> Iterator[Backend]:
    """For tests: what works there works in a container."""
    yield Backend(
        kind="executor",
        name="isolated",
        contract=1,
        summary="For tests: each task as a stranger on this machine.",
        options=IsolatedOptions,
        target="penstock.testing.isolated_executor:IsolatedExecutor",
        offered=False,
    )
