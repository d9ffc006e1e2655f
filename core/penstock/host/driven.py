"""A host that a driver has started: it imports the flow, answers with its declaration, and serves."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import sys
from _socket import socket

from penstock.errors import PenstockError
from penstock.host.archived_code import keep_lines
from penstock.host.declare import declare
from penstock.host.flow_file import FlowFile
from penstock.host.libc import libc
from penstock.host.protocol import Link
from penstock.host.seeds import SeedWatch
from penstock.host.serve import Server, serve

DESCRIPTORS = 16_384


def main(arguments: list[str]) -> int:
    """Returns the exit code."""
    driver, fd, *words = arguments
    source = FlowFile.of(words)
    c_library = libc()
    c_library.die_with_parent(int(driver))  # an import may take long, and hears nothing of the link's end
    link = Link(socket(fileno=int(fd)))
    os.set_inheritable(int(fd), False)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the driver hears it and decides
    os.dup2(2, 1)  # what the flow file prints while it is imported is no result
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    _allow_many_descriptors()
    sys.argv = [source.path]
    before = dict(os.environ)
    try:
        with SeedWatch() as watch:
            flow_class, graph = source.load()
        keep_lines()
        source.flow = graph.name
        declaration = declare(flow_class, graph, before, source)
    except PenstockError as error:
        reason = {"error": type(error).__name__, "message": error.message, "hint": error.hint, "where": error.where}
        link.send({"event": "refused", **reason})
        link.close()
        return 1
    link.send({"event": "declared", **declaration.data()})
    c_library.outlive_parent()  # from here on the link's end is heard, and attempts are ended in good order
    later = bool(declaration.later)
    server = Server(
        flow_class=flow_class, graph=graph, source=source, seeded=watch.seeded, tell=link.send, imports_later=later
    )
    gc.collect()  # while the driver makes the run: what a file has left behind shall not be in each attempt, too
    serve(link, server)
    link.close()
    return 0


def _allow_many_descriptors() -> None:
    """Four an attempt: hundreds of attempts at once pass the usual soft limit of 1,024."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(OSError, ValueError):  # macOS promises more than it gives
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
