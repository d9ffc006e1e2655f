"""A console that remembers what it was told."""

from __future__ import annotations

from penstock.running.outcome import RunResult
from penstock.values import Pathspec, Record


class Heard:
    """begun, ended: attempts in order, `step/place` and `step/place outcome`, with a `+` when another one follows."""

    live = False

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.begun: list[str] = []
        self.ended: list[str] = []
        self.printed: list[bytes] = []

    def note(self, text: str) -> None:
        self.notes.append(text)

    def started(self, pathspec: Pathspec, executor: str, where: str) -> None: ...
    def run_ended(self, result: RunResult) -> None: ...
    def output_lost(self, error: OSError) -> None: ...

    def task_started(self, pathspec: Pathspec) -> None:
        self.begun.append(f"{pathspec.step}/{pathspec.place}")

    def output(self, step: str, place: str, stream: str, data: bytes) -> None:
        self.printed.append(data)

    def task_ended(self, record: Record, will_retry: bool) -> None:
        self.ended.append(f"{record.step}/{record.place} {record.outcome}{'+' if will_retry else ''}")
