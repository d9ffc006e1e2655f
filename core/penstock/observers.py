"""Tell plugins what happened in a run: after the fact, from one thread, without letting them change or delay it."""

from __future__ import annotations

import contextlib
import queue
import threading
import time

from penstock.values import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from penstock.registry import Registry
    from penstock.values import Pathspec

WAITING_AT_MOST = 1000  # events; an observer that falls further behind misses some and is told so
CLOSE_WAIT_S = 5.0
HOOKS = ("penstock_run_started", "penstock_run_finished", "penstock_attempt_started", "penstock_attempt_finished")


class Observers:
    """One method a hook. note: takes remarks for the user. Without a listening plugin there is no thread.

    Nobody listens before `listen`, which loads every plugin: that can wait until the first attempt is on its way. What
    happened before is told then.
    """

    def __init__(self, registry: Registry, note: Callable[[str], None]) -> None:
        self._registry, self._note = registry, note
        self._told: set[str] = set()
        self._listener = ""  # the plugin that hears of an event at this moment
        self._before: list[tuple[str, dict[str, Any]]] | None = []  # None: they listen
        self._listening: dict[str, list[tuple[str, Callable[..., Any], tuple[str, ...]]]] = {}
        self._events: queue.Queue[tuple[str, dict[str, Any]] | None] = queue.Queue(WAITING_AT_MOST)
        self._thread: threading.Thread | None = None

    def listen(self) -> None:
        """Load the plugins, and begin to tell them. May be called twice."""
        if self._before is None:
            return
        self._listening = {hook: self._registry.observers(hook) for hook in HOOKS}
        if any(self._listening.values()):
            self._thread = threading.Thread(target=self._deliver, name="penstock observers", daemon=True)
            self._thread.start()
        before, self._before = self._before, None
        for hook, event in before:
            self._tell(hook, **event)

    def run_started(self, flow: str, run: str, facts: Mapping[str, Any]) -> None:
        """The header was put."""
        self._tell("penstock_run_started", flow=flow, run=run, facts=facts)

    def run_finished(self, flow: str, run: str, outcome: str) -> None:
        """The outcome was claimed."""
        self._tell("penstock_run_finished", flow=flow, run=run, outcome=outcome)

    def attempt_started(self, pathspec: Pathspec, executor: str) -> None:
        """A job was submitted."""
        self._tell("penstock_attempt_started", pathspec=str(pathspec), executor=executor)

    def attempt_finished(self, record: Record, will_retry: bool) -> None:
        """A record was settled."""
        self._tell("penstock_attempt_finished", pathspec=str(record.pathspec), record=record, will_retry=will_retry)

    def close(self) -> None:
        """Let listeners hear what is waiting, for at most 5 s. May be called twice."""
        self.listen()
        if self._thread is not None:
            until = time.monotonic() + CLOSE_WAIT_S
            with contextlib.suppress(queue.Full):
                self._events.put(None, timeout=CLOSE_WAIT_S)
            self._thread.join(max(0.0, until - time.monotonic()))
            if self._thread.is_alive():
                self._once("the end", f"the plugin {self._listener} is too slow; the last events are not told")
            self._thread = None

    def _tell(self, hook: str, **event: Any) -> None:
        if self._before is not None:
            self._before.append((hook, event))
            return
        if self._thread is None or not self._listening[hook]:
            return
        try:
            self._events.put_nowait((hook, event))
        except queue.Full:
            self._once("observers", f"observers are more than {WAITING_AT_MOST} events behind and miss some")

    def _deliver(self) -> None:
        while (item := self._events.get()) is not None:
            hook, event = item
            for plugin, function, wanted in self._listening[hook]:
                self._listener = plugin
                try:
                    function(**{name: _copy(event[name]) for name in wanted})
                except BaseException as error:  # noqa: BLE001  an observer never changes the run, nor ends this thread
                    self._once(plugin, f"the plugin {plugin} failed in {hook}: {type(error).__name__}: {error}")

    def _once(self, who: str, text: str) -> None:
        if who not in self._told:
            self._told.add(who)
            self._note(text)


def _copy(value: Any) -> Any:
    """What a listener may change without anybody else seeing it."""
    import copy

    return Record.of(copy.deepcopy(value.data())) if isinstance(value, Record) else copy.deepcopy(value)
