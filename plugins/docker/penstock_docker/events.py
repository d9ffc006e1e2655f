"""What happens to the containers of a run, as the engine tells it: one connection, listened to by one thread."""

from __future__ import annotations

import threading

import docker.errors

from penstock.errors import BackendError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from penstock_docker.engine import Engine

_AGAIN_S = 0.5  # between two tries to reach an engine that is gone
# What is asked for, and what it is called in answers: Podman filters by names of its own.
ACTIONS = {"die": "die", "died": "die", "kill": "kill", "destroy": "destroy", "remove": "destroy"}


class Events:
    """Listens from its construction on. hear: takes name, action and attributes of each event. deaf: takes the error
    when the engine is gone, None once it is heard again."""

    def __init__(
        self,
        engine: Engine,
        label: str,
        hear: Callable[[str, str, Mapping[str, str]], None],
        deaf: Callable[[BackendError | None], None],
    ) -> None:
        self._engine, self._label, self._hear, self._deaf = engine, label, hear, deaf
        self._closed = threading.Event()
        self._stream = self._open()
        self._thread = threading.Thread(target=self._listen, name="penstock docker events", daemon=True)
        self._thread.start()

    def _open(self) -> Any:
        filters = {"type": "container", "label": self._label, "event": list(ACTIONS)}
        with self._engine.errors():
            return self._engine.api.events(filters=filters, decode=True)

    def _listen(self) -> None:
        while not self._closed.is_set():
            try:
                with self._engine.errors():
                    for event in self._stream:
                        facts = event.get("Actor", {}).get("Attributes", {})
                        action = event.get("Action", "")
                        self._hear(facts.get("name", ""), ACTIONS.get(action, action), facts)
            except (BackendError, docker.errors.APIError):
                pass
            self._reopen()

    def _reopen(self) -> None:
        while not self._closed.wait(_AGAIN_S):
            try:
                self._stream = self._open()
            except BackendError as error:
                self._deaf(error)
            except docker.errors.APIError:
                continue
            else:
                self._deaf(None)
                return

    def close(self) -> None:
        """Stop to listen."""
        self._closed.set()
        self._stream.close()
        self._thread.join()
