"""What the scheduler says of an attempt to whoever runs it."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


class Message:
    """One line of JSON on its way. `constants`, `parents`... are keys of records.

    parents: the one record that a step reads, or none; inputs: the bundle that a join reads; split: the record of a
    foreach over nothing, whose join has no inputs. given: parameters as typed, for the attempt of `_parameters`.
    last: no further attempt follows a failure. handler: why the body is not run but only the handler of `@catch`.
    timeout_s: after how long the host ends the attempt by force. nodes: how many tasks run side by side with this one
    as its gang, itself among them.
    """

    __slots__ = (
        "attempt", "constants", "given", "handler", "inputs", "last", "nodes", "parents", "place", "split", "step",
        "timeout_s", "token",
    )  # fmt: skip

    def __init__(
        self,
        *,
        step: str,
        place: str,
        attempt: int,
        token: str,
        constants: str | None = None,
        parents: tuple[str, ...] = (),
        inputs: str | None = None,
        split: str | None = None,
        given: Mapping[str, str] | None = None,
        last: bool = True,
        handler: str | None = None,
        timeout_s: float | None = None,
        nodes: int | None = None,
    ) -> None:
        self.step, self.place, self.attempt, self.token = step, place, attempt, token
        self.constants, self.parents, self.inputs, self.split = constants, tuple(parents), inputs, split
        self.given, self.last, self.handler, self.timeout_s = given, last, handler, timeout_s
        self.nodes = nodes

    def data(self) -> dict[str, Any]:
        """As JSON, without what is empty."""
        full = {name: getattr(self, name) for name in self.__slots__}
        return {name: value for name, value in full.items() if value not in (None, (), {})}

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Message:
        """The inverse of `data`."""
        return cls(**data)
