"""One living host, as its driver sees it. Light to import: the host imports the flow while the driver loads more."""

from __future__ import annotations

import os
import sys
from _socket import socketpair  # of which `socket` is a wrapper that takes longer to import than a process to start

from penstock import errors
from penstock.errors import BackendError, FlowError
from penstock.host.flow_file import FlowFile
from penstock.host.spawned import Spawned
from penstock.values import FACTS_VARIABLE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from penstock.host.declaration import Declaration
    from penstock.host.protocol import Frame

STOP_WAIT_S = 5.0


class HostProcess:
    """One living host: the process, the link to it, and the attempts that run there
    (name -> pid, 0 not started yet)."""

    def __init__(self, source: FlowFile, environment: Mapping[str, str]) -> None:
        ours, theirs = socketpair()
        command = [sys.executable, "-P", "-m", "penstock.host", str(os.getpid()), str(theirs.fileno()), *source.words()]
        # In a session of its own: Ctrl-C in the terminal is the driver's to hear.
        self.process = Spawned(command, _environment(environment), [theirs.fileno()])
        theirs.close()
        from penstock.host.protocol import Link  # here, because the host begins by now

        self.file = source.path
        self.link = Link(ours)
        self.running: dict[str, int] = {}
        self._answered = False  # it said what the file declares, or why it can't be used

    def declaration(self) -> Declaration:
        """Wait for what the flow file declares. Raises FlowError (or what the file raised of ours) when it refuses."""
        from penstock.host.declaration import Declaration  # here, because the host imports the flow by now

        while True:
            self.link.wait()
            for header, _ in self._received():
                self._answered = True
                if header["event"] == "declared":
                    return Declaration.of({name: value for name, value in header.items() if name != "event"})
                if header["event"] == "refused":
                    self.close()
                    kind = getattr(errors, header["error"], FlowError)
                    raise kind(header["message"], hint=header["hint"], where=header["where"])
            if self.link.closed:
                import shlex

                code = self.process.wait()
                how = f"signal {-code}" if code < 0 else f"exit code {code}"
                raise FlowError(
                    f"the process that imports {os.path.basename(self.file)} ended with {how}",
                    where=self.file,
                    hint=f"python {shlex.quote(self.file)}   # shows what it does",
                )

    def _received(self) -> list[Frame]:
        try:
            return self.link.receive()
        except BackendError as error:
            self.close()
            raise FlowError(
                f"{os.path.basename(self.file)} writes into a descriptor that it did not open: {error}",
                where=self.file,
                hint="write only to files and sockets that the flow opens itself",
            ) from error

    def kill(self) -> None:
        """End it, and what runs there. The host first: it shall not live to record that its attempts were killed."""
        self.process.kill()
        self.process.wait()
        self.end_attempts()

    def end_attempts(self) -> None:
        """The host is gone: end the process groups of its attempts."""
        for pid in self.running.values():
            if pid:
                _kill_group(pid)

    def close(self) -> None:
        """Stop the host, by force if it does not stop by itself; one that still imports can't hear. Twice is once."""
        if not self._answered:
            self.process.kill()
        self.link.close()
        try:
            self.process.wait(STOP_WAIT_S)
        except TimeoutError:
            self.process.kill()
            self.process.wait()
        self.end_attempts()
        self.running.clear()


def _environment(changes: Mapping[str, str]) -> dict[str, str]:
    environment = {**os.environ, **changes}
    environment.pop(FACTS_VARIABLE, None)  # of a task that runs a flow itself: they are that task's
    environment.setdefault("PYTHONHASHSEED", "0")  # equal values have equal hashes, whichever process pickled them
    return environment


def _kill_group(pid: int) -> None:
    import signal

    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return


def declared(source: FlowFile, environment: Mapping[str, str] | None = None) -> HostProcess:
    """Start a host that imports a file, with these variables; ask it for its `declaration()`. Raises NotFound where
    there is no such file."""
    file = source.path
    if source.archive is not None:
        return HostProcess(source, environment or {})
    if not os.path.exists(file) or os.path.isdir(file):
        raise source.missing()
    return HostProcess(source, environment or {})
