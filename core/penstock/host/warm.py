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
from penstock.host.once import BEAT_EVERY_S, Beats, owns, refuse, server_of
from penstock.host.protocol import Link, Pipes
from penstock.running.message import Message
from penstock.running.plan import NOT_OWNER_EXIT_CODE
from penstock.storage import keys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeAlias

    At: TypeAlias = tuple[str, str, str, str, int]  # flow, run, step, place, number of the attempt


def serve_streams(launch: dict[str, Any], folder: str) -> int:
    """Serve until the driver closes the streams. Returns the exit code."""
    host = _Host(launch, _standard_streams())
    try:
        host.load(launch, folder)
    except PenstockError as error:
        host.refuse(error)
        return 0
    signal.signal(signal.SIGTERM, lambda *_: host.end_all("the platform asked it to end"))
    while host.turn():
        pass
    return 0


class _Host:
    def __init__(self, launch: dict[str, Any], streams: Pipes) -> None:
        self._flow, self._opened = launch["flow"], launch["opened"]
        self._streams, self._link = streams, Link(streams)
        self._beats: dict[str, Beats] = {}
        store = self._opened["datastore"]
        self._datastore = contracts.open(store["target"], store["options"])

    def load(self, launch: dict[str, Any], folder: str) -> None:
        """Import the flow, and be ready. Raises PenstockError for a flow that can't be imported."""
        self._server = server_of(launch, folder, self._tell)
        self._server.open(self._opened, self._datastore)
        self._server.register(self._streams.fileno(), self._streams.write_fileno())

    def refuse(self, error: PenstockError) -> None:
        """Record each attempt that comes as failed for this reason, until the driver closes the streams."""
        while not self._link.closed:
            self._link.wait()
            for header, _ in self._link.receive():
                if header["do"] != "run":
                    continue
                message = Message.of(json.loads(header["message"]))
                code, at = NOT_OWNER_EXIT_CODE, self._at(message)
                if owns(self._datastore, at):
                    refuse(self._datastore, at, message, error)
                    code = 1
                self._link.send({"event": "ended", "name": header["name"], "exit_code": code})

    def _at(self, message: Message) -> At:
        return self._flow, self._opened["run"], message.step, message.place, message.attempt

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
        at = self._at(message)
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
