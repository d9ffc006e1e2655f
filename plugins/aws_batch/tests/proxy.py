"""What Batch does beside what networks do."""

from __future__ import annotations

from tests.services.proxy import Proxy, Told

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

BUSY = "busy"


class BatchProxy(Proxy):
    """Kinds are actions: `submitjob`."""

    def kind(self, method: str, path: str, headers: Mapping[str, str]) -> str:
        """The last part of the path, or what the header says."""
        return path.rpartition("/")[2] or (headers["X-Amz-Target"] or "").rpartition(".")[2]

    def answer(self, fault: str, headers: Mapping[str, str], told: Callable[[], Told]) -> Told | None:
        """An overloaded service."""
        if fault != BUSY:
            return None
        return Told(503, {"x-amzn-ErrorType": "ServiceUnavailable"}, b'{"message": "slow down"}')

    def environment(self, of_endpoint: dict[str, str]) -> dict[str, str]:
        """The endpoint's variables, by way of here."""
        return {name: self.endpoint if "ENDPOINT" in name else value for name, value in of_endpoint.items()}
