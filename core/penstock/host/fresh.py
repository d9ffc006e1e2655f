"""`python -P -m penstock.host.fresh HOST CONTROL WORD...`: one attempt in an interpreter of its own, beside its host.

HOST: the host's process; the attempt ends with it. WORD: those of the `FlowFile`. The
host says over CONTROL, as one line of JSON, what was opened and which attempt it is; then the attempt runs as a fork
would.
"""

from __future__ import annotations

import json
import os
import sys
from _socket import socket

from penstock import contracts
from penstock.host.attempt_process import run_attempt
from penstock.host.flow_file import FlowFile
from penstock.host.libc import libc
from penstock.running.message import Message
from penstock.running.world import World

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def main(parent: str, control_fd: str, *words: str) -> int:
    """Returns the exit code of the attempt."""
    control = socket(fileno=int(control_fd))
    os.set_inheritable(control.fileno(), False)
    c_library = libc()
    c_library.die_with_parent(int(parent))
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    said = _line(control)
    source = FlowFile.of(words)
    sys.argv = [source.path]
    flow_class, graph = source.load()
    opened = said["opened"]
    datastore = contracts.open(opened["datastore"]["target"], opened["datastore"]["options"])
    world = World(flow_class=flow_class, graph=graph, datastore=datastore, opened=opened)
    try:
        return run_attempt(Message.of(said["message"]), world, control, c_library)
    finally:
        control.close()


def _line(control: socket) -> dict[str, Any]:
    data = b""
    while not data.endswith(b"\n"):
        piece = control.recv(1 << 16)
        if not piece:
            raise SystemExit(1)
        data += piece
    said: dict[str, Any] = json.loads(data)
    return said


if __name__ == "__main__":
    status = main(*sys.argv[1:])
    os._exit(status)
