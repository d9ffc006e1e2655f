"""The process of one attempt, fork or fresh interpreter: it runs there, and tells its host when it is over."""

from __future__ import annotations

import contextlib
import json
import signal
import sys

from penstock.errors import PenstockError
from penstock.host.libc import Libc
from penstock.running import attempt
from penstock.running.message import Message
from penstock.running.world import World
from penstock.values import SUCCEEDED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _socket import socket
    from typing import Any

EXIT_WORK_S = 10  # for atexit functions and threads of the user's code


def run_attempt(message: Message, world: World, control: socket, libc: Libc) -> int:
    """Run one attempt whose host is at the other end of `control`. Returns the exit code: 0 when it succeeded."""

    def drain() -> tuple[Any, Any]:
        _finish_user_code(libc)
        control.sendall(b"R")
        size = int.from_bytes(_exactly(control, 4), "big")
        out, err = json.loads(_exactly(control, size))
        return out, err

    try:
        record = attempt.run(message, world, drain)
    except PenstockError as error:  # the store can't be written to: no record will tell it
        sys.stderr.write(f"penstock: {error}\n")
        sys.stderr.flush()
        return 1
    with contextlib.suppress(OSError):
        control.sendall(b"C")
    return 0 if record.outcome == SUCCEEDED else 1


def _exactly(stream: socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        piece = stream.recv(size - len(data))
        if not piece:
            raise ConnectionError("the host is gone")
        data += piece
    return data


def _finish_user_code(libc: Libc) -> None:
    """What a normal exit would do, since `os._exit` does not: atexit functions and flushing, for a limited time."""
    import atexit

    if atexit._ncallbacks():
        previous = signal.signal(signal.SIGALRM, _stop_waiting)
        signal.alarm(EXIT_WORK_S)
        try:
            atexit._run_exitfuncs()
        except BaseException as error:  # noqa: BLE001 - functions of the user's libraries
            sys.stderr.write(f"penstock: an atexit function failed: {type(error).__name__}: {error}\n")
        finally:
            signal.alarm(0)
            signal.signal(signal.SIGALRM, previous)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
    libc.flush()


def _stop_waiting(*_: object) -> None:
    raise TimeoutError(f"still at work after {EXIT_WORK_S} s")
