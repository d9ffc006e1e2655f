"""Ports for servers that have to be told one."""

from __future__ import annotations

import socket


class Ports:
    """Held until they are closed, so that nobody else is given them; a server may listen there all the same.

    Each has a socket that is bound and never listens: Linux then lets another one with SO_REUSEADDR, as servers have
    it, listen on the port, while it gives it to nobody who asks for any port.
    """

    def __init__(self) -> None:
        self._held: list[socket.socket] = []

    def take(self) -> int:
        """One more."""
        held = socket.socket()
        self._held.append(held)
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", 0))
        return int(held.getsockname()[1])

    def close(self) -> None:
        """Let all of them go."""
        while self._held:
            self._held.pop().close()
