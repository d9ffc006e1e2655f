"""The host of many jobs elsewhere: what one on a laptop is told over a socket, it is told over its standard streams.

It stands between `once` and `serve`: each attempt is claimed first, because a platform may start it twice, and beats;
and when the driver is gone, what still runs is ended and recorded, so that another one need not wait for it.
"""

from __future__ import annotations

import json
import os
import signal

from penstock import contracts
from penstock.errors import PenstockError
from penstock.host.once import BEAT_EVERY_S, Beats, owns, server_of
from penstock.host.protocol import Link, Pipes
from penstock.running.message import Message
from penstock.running.plan import NOT_OWNER_EXIT_CODE
from penstock.storage import keys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def serve_streams(launch: dict[str, Any], folder: str) -> int:
    """Serve until the driver closes the streams. Returns the exit code."""
    host = _Host(launch, folder, _standard_streams())
    signal.signal(signal.SIGTERM, lambda *_: host.end_all("the platform asked it to end"))
    while host.turn():
        pass
    return 0


class _Host:
    def __init__(self, launch: dict[str, Any], folder: str, streams: Pipes) -> None:
        self._flow, self._opened = launch["flow"], launch["opened"]
        self._link = Link(streams)
        self._beats: dict[str, Beats] = {}
        self._server = server_of(launch, folder, self._tell)
        store = self._opened["datastore"]
        self._datastore = contracts.open(store["target"], store["options"])
        self._server.open(self._opened, self._datastore)
        self._server.register(streams.fileno(), streams.write_fileno())

    def _tell(self, header: dict[str, Any], payload: bytes) -> None:
        if header["event"] == "ended":
            self._beats.pop(header["name"], None)
        if header["event"] != "output":  # its record, or the log sink, has it
            self._link.send(header, payload)

    def turn(self) -> bool:
        """Wait for something and deal with it; False when nothing more can come."""
        self._server.turn(0.0 if self._link.has_frames else BEAT_EVERY_S / 2 if self._beats else None)
        for header, _ in self._link.receive():
            if header["do"] == "kill":
                self._server.kill(header["name"])
            else:
                self._start(header["name"], Message.of(json.loads(header["message"])), header.get("fresh", False))
        for beat in self._beats.values():
            beat.beat()
        if self._link.closed:
            self._server.forget(self._link.fileno())
            self.end_all("its scheduler is gone")
        return bool(self._server.children) or not self._link.closed

    def _start(self, name: str, message: Message, fresh: bool) -> None:
        at = (self._flow, self._opened["run"], message.step, message.place, message.attempt)
        try:  # whatever keeps this one from starting, the others go on
            if not owns(self._datastore, at):
                self._link.send({"event": "ended", "name": name, "exit_code": NOT_OWNER_EXIT_CODE})
                return
            self._server.start(name, message, fresh=fresh)
        except (OSError, PenstockError) as error:
            why = error.strerror if isinstance(error, OSError) else str(error)
            reason = f"no process could be started for it: {why}"
            self._link.send({"event": "ended", "name": name, "exit_code": 1, "reason": reason})
        else:
            self._beats[name] = Beats(self._datastore, keys.beat(*at))

    def end_all(self, reason: str) -> None:
        """Ask every attempt to end; that it was cancelled is recorded."""
        for name in list(self._server.children):
            self._server.kill(name, reason)


def _standard_streams() -> Pipes:
    """Take 0 and 1 for the driver; what code reads and prints has nothing and standard error in their place."""
    streams = Pipes(os.dup(0), os.dup(1))
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return streams
