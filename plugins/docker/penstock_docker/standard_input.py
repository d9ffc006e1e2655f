"""The standard input of a container that is about to start."""

from __future__ import annotations

import contextlib
import json
import socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import docker


def as_line(variables: Mapping[str, str]) -> bytes:
    """As the container's first program reads them."""
    return json.dumps(dict(variables)).encode("ascii") + b"\n"


@contextlib.contextmanager
def feed(api: docker.APIClient, name: str) -> Iterator[Callable[[Mapping[str, str]], None]]:
    """Attach before the container starts; gives a function that writes one JSON object as a line."""
    attached = api.attach_socket(name, params={"stdin": 1, "stream": 1})
    raw: socket.socket = getattr(attached, "_sock", attached)

    def write(said: Mapping[str, str]) -> None:
        raw.settimeout(30)
        raw.sendall(as_line(said))

    try:
        yield write
    finally:
        with contextlib.suppress(OSError):
            raw.shutdown(socket.SHUT_WR)
        raw.close()
        attached.close()
