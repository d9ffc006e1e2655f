"""A host elsewhere, as its driver sees it: the frames of `protocol.py` over whatever stream its executor has opened."""

from __future__ import annotations

from penstock.contracts.host import HostElsewhere, HostEvent
from penstock.host.protocol import Link

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from penstock.contracts.executor import Job
    from penstock.contracts.host import ByteStream


class HostOverStream(HostElsewhere):
    """What an attempt prints is in its record and the log sink; nothing of it comes by the stream."""

    def __init__(self, stream: ByteStream) -> None:
        self._link = Link(stream)

    def fileno(self) -> int:
        return self._link.fileno()

    def start(self, job: Job) -> None:
        fresh = {"fresh": True} if job.resources.gpu else {}
        self._link.send({"do": "run", "name": job.name, "message": job.message, **fresh})

    def events(self) -> Sequence[HostEvent]:
        return [
            HostEvent(
                kind="ended", name=header["name"], exit_code=header["exit_code"], reason=header.get("reason", "")
            )
            for header, _ in self._link.receive()
            if header["event"] == "ended"
        ]

    @property
    def gone(self) -> bool:
        return self._link.closed

    def kill(self, name: str) -> None:
        self._link.send({"do": "kill", "name": name})

    def close(self) -> None:
        self._link.close()
