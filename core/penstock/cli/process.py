"""The process of a command line: its three streams, what SIGTERM means to it, and how it is left."""

from __future__ import annotations

import gc
import os
import sys

from penstock.errors import SettingsError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn


class Terminated(BaseException):
    """SIGTERM came while no run was driven; a driver has a handler of its own."""


def load_without_collecting() -> None:
    """Nothing that is loaded is garbage, and to look for it again and again takes a tenth of the time; for a process
    that is ours alone, as the next two. `collect_again` ends it."""
    gc.disable()


def collect_again() -> None:
    """All is loaded and stays; what the work itself leaves behind is collected from now on."""
    if not gc.isenabled():
        gc.freeze()
        gc.enable()


def open_streams() -> None:
    """Three open streams, before anything else is opened."""
    for fd, name in enumerate(("stdin", "stdout", "stderr")):
        stream = getattr(sys, name)
        if stream is None:  # `flow runs >&-`: the next file that is opened would take its place
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
            setattr(sys, name, open(fd, "w" if fd else "r", closefd=False))  # noqa: SIM115
        elif fd and stream.encoding.lower().replace("-", "") != "utf8":
            stream.reconfigure(errors="backslashreplace")  # what can't be written there is shown as an escape


def heed_signals() -> None:
    """SIGTERM ends us as Ctrl-C does."""
    import signal

    def end(*_: object) -> None:
        raise Terminated

    signal.signal(signal.SIGTERM, end)


def check_folder() -> None:
    """Raises SettingsError where the working folder is gone."""
    try:
        os.getcwd()
    except FileNotFoundError:
        raise SettingsError("the working folder is gone", hint="cd FOLDER   # one that is there") from None


def leave(code: int) -> NoReturn:
    """End this process, without taking its memory down object by object: that takes longer than a task.

    What others rely on is done first: exit functions are called and streams flushed. Where a thread of somebody's still
    works, the interpreter ends as it always does.
    """
    import atexit
    import threading

    if threading.active_count() > 1:
        raise SystemExit(code)
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):  # nobody reads it, or it was closed: there is nowhere to say so
            continue
    os._exit(code)
