"""A way to an engine that can be shut: what is said is passed on, until the engine is to be gone for a while."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from pathlib import Path


class Gate:
    """Listens for an engine that listens at a socket: at another one in `folder`, or, without a folder, at a port of
    this machine, as an engine elsewhere would. A context manager."""

    def __init__(self, folder: Path | None, engine_url: str) -> None:
        self._engine = engine_url.removeprefix("unix://")
        self._path = None if folder is None else str(folder / "gate.sock")
        self.url = "" if folder is None else f"unix://{self._path}"
        self._ends: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._listener: socket.socket | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Gate:
        self.open()
        return self

    def __exit__(self, *_: object) -> None:
        self.shut()

    def open(self) -> None:
        """The engine can be reached."""
        if self._path is None:
            listener = socket.create_server(("127.0.0.1", 0), backlog=64)
            self.url = f"tcp://127.0.0.1:{listener.getsockname()[1]}"
        else:
            listener = socket.socket(socket.AF_UNIX)
            listener.bind(self._path)
            listener.listen(64)
        self._listener = listener
        self._thread = threading.Thread(target=self._accept, args=(listener,), daemon=True)
        self._thread.start()

    def shut(self) -> None:
        """Nobody answers any more, and what was being said is cut off."""
        if self._listener is None or self._thread is None:
            return
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()
        self._listener = None
        if self._path is not None:
            os.unlink(self._path)
        with self._lock:
            for end in self._ends:
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            far = socket.socket(socket.AF_UNIX)
            far.connect(self._engine)
            left = [2]  # directions that are open
            with self._lock:
                self._ends |= {near, far}
            for one, other in ((near, far), (far, near)):
                threading.Thread(target=self._pass_on, args=(one, other, left), daemon=True).start()

    def _pass_on(self, one: socket.socket, other: socket.socket, left: list[int]) -> None:
        with contextlib.suppress(OSError):
            while piece := one.recv(1 << 16):
                other.sendall(piece)
        with contextlib.suppress(OSError):
            other.shutdown(socket.SHUT_WR)
        with self._lock:
            left[0] -= 1
            if not left[0]:
                for end in (one, other):
                    self._ends.discard(end)
                    end.close()
