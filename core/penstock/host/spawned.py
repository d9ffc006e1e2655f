"""A process of ours with a session of its own, started by what the interpreter has built in.

`subprocess` does the same and more, and to import it takes longer than to start a process: a host shall begin at once.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_LOOK_EVERY_S = 0.005  # where a process is no descriptor that one can wait for
_SIGKILL = 9  # the module `signal` is not loaded yet when a host is started


class Spawned:
    """Begins on construction, with nothing to read and the outputs of this process. keeps: the only descriptors beyond
    the standard ones that it inherits. Raises OSError where it can't be started."""

    def __init__(self, command: list[str], environment: Mapping[str, str], keeps: Sequence[int] = ()) -> None:
        self.returncode: int | None = None
        actions: list[tuple[int, ...] | tuple[int, int, str, int, int]] = [
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)
        ]
        actions += [(os.POSIX_SPAWN_CLOSE, fd) for fd in _inherited() if fd not in keeps]
        for fd in keeps:
            os.set_inheritable(fd, True)
        self.pid = os.posix_spawn(command[0], command, environment, file_actions=actions, setsid=True)

    def wait(self, timeout_s: float | None = None) -> int:
        """The exit code, -N for signal N. Raises TimeoutError when it does not end in time."""
        if self.returncode is None and timeout_s is not None and not self._ended(timeout_s):
            raise TimeoutError(f"process {self.pid} has not ended")
        if self.returncode is None:
            self.returncode = _exit_code(self.pid)
        return self.returncode

    def _ended(self, timeout_s: float) -> bool:
        """Whether it can be reaped at once, after waiting for that."""
        import select
        import time

        if hasattr(os, "pidfd_open"):
            try:
                fd = os.pidfd_open(self.pid)
            except ProcessLookupError:  # somebody else has reaped it
                return True
            try:
                poll = select.poll()
                poll.register(fd, select.POLLIN)
                return bool(poll.poll(timeout_s * 1000))
            finally:
                os.close(fd)
        until = time.monotonic() + timeout_s
        while os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            if time.monotonic() >= until:
                return False
            time.sleep(_LOOK_EVERY_S)
        return True

    def kill(self) -> None:
        """SIGKILL; nothing to one that was reaped, whose number may be another's by now."""
        if self.returncode is None:
            try:
                os.kill(self.pid, _SIGKILL)
            except ProcessLookupError:  # somebody else has reaped it
                return


def _inherited() -> list[int]:
    """Descriptors that a process started now would have beyond the standard ones: those that we were started with."""
    try:
        listed = [int(name) for name in os.listdir("/dev/fd")]
    except OSError:
        return []
    found = []
    for fd in listed:
        try:
            if fd > 2 and os.get_inheritable(fd):
                found.append(fd)
        except OSError:  # that of the listing itself
            continue
    return found


def _exit_code(pid: int) -> int:
    try:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    except ChildProcessError:  # somebody else has reaped it
        return 0
