"""`python -P -m penstock.host SOCKET FILE [FLOW]`: import the flow, answer with its declaration, serve.

SOCKET: the inherited descriptor of the link to the driver.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import socket
import sys

from penstock.errors import PenstockError
from penstock.host.declare import declare, graph_of, import_flow
from penstock.host.protocol import Link
from penstock.host.seeds import SeedWatch
from penstock.host.serve import Server, serve


def main(arguments: list[str]) -> int:
    """Returns the exit code."""
    fd, file, *flow = arguments
    link = Link(socket.socket(fileno=int(fd)))
    os.set_inheritable(int(fd), False)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the driver hears it and decides
    os.dup2(2, 1)  # what the flow file prints while it is imported is no result
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    sys.argv = [file]
    before = dict(os.environ)
    gc.disable()
    try:
        with SeedWatch() as watch:
            flow_class = import_flow(file, flow[0] if flow else None)
        graph = graph_of(flow_class)
        declaration = declare(flow_class, graph, before, file)
    except PenstockError as error:
        reason = {"error": type(error).__name__, "message": error.message, "hint": error.hint, "where": error.where}
        link.send({"event": "refused", **reason})
        link.close()
        return 1
    link.send({"event": "declared", **declaration.data()})
    server = Server(flow_class=flow_class, graph=graph, file=file, seeded=watch.seeded, tell=link.send)
    serve(link, server)
    link.close()
    return 0


if __name__ == "__main__":
    status = main(sys.argv[1:])
    with contextlib.suppress(OSError, ValueError):  # the flow file may have closed it
        sys.stdout.flush()
    os._exit(status)
