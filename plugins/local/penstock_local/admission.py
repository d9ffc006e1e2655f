"""Which jobs may run beside one another: those that declare what they need share what the machine has."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from penstock.values import Resources

_UNITS = {"cpu": "cores", "memory_mb": "MiB of memory", "gpu": "GPUs"}


class Admission:
    """Counts what jobs hold. capacity: `cpu`, `memory_mb`, `gpu` -> how much there is; note: takes remarks.

    A job that asks for more than there is gets all there is (and is noted once); one that asks for nothing is always
    let in, and only `--max-workers` bounds it.
    """

    def __init__(self, capacity: dict[str, float], note: Callable[[str], None]) -> None:
        self._capacity, self._note = capacity, note
        self._held: dict[str, dict[str, float]] = {}
        self._noted: set[str] = set()

    def enter(self, name: str, resources: Resources) -> bool:
        """Let a job in if what it needs is free. A job that is in already stays in."""
        if name in self._held:
            return True
        needs = self._needs(resources)
        for what, amount in needs.items():
            if sum(held.get(what, 0) for held in self._held.values()) + amount > self._capacity[what]:
                return False
        if needs:
            self._held[name] = needs
        return True

    def leave(self, name: str) -> None:
        """Give back what a job held. Unknown names are passed over."""
        self._held.pop(name, None)

    def _needs(self, resources: Resources) -> dict[str, float]:
        needs = {}
        for what, there in self._capacity.items():
            asked = getattr(resources, what)
            if not asked:
                continue
            if asked > there and what not in self._noted:
                self._noted.add(what)
                self._note(f"a step asks for {asked:g} {_UNITS[what]}, this machine has {there:g}: it gets those")
            needs[what] = min(asked, there)
        return {what: amount for what, amount in needs.items() if amount}
