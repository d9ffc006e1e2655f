"""What a run tells people while it goes on: plain lines.

The output of tasks goes where they sent it, byte for byte behind a prefix that names the task; everything else goes to
standard error.
"""

from __future__ import annotations

import sys

from penstock.cli.failure import forget_stream, shown_file, shown_place
from penstock.errors import apart
from penstock.printable import printable, tame
from penstock.values import CANCELLED, LOST, ROOT_PLACE, SUCCEEDED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TextIO

    from penstock.authoring.graph import Graph
    from penstock.running.outcome import RunResult
    from penstock.values import Pathspec, Record

WIDE = 50  # items of a foreach, from which on its tasks are counted and not named
TENTHS = 10
MOST_ALIKE = 10  # tasks that fail in the same way and are named one by one
MOST_TOLD = 50  # different tracebacks that are kept, so as not to show one twice
LONGEST_LINE = 64 << 10  # bytes of a line without an end that are held back before they are shown as they are


class PlainConsole:
    """One line an event.

    graph: says which steps are in a foreach, so that their tasks are told apart; quiet: only the output of tasks;
    script: the flow's file was started as a program, and is called so again; again: completes what is to be typed next;
    live: somebody looks on while tasks run.
    """

    def __init__(
        self,
        graph: Graph | None = None,
        *,
        quiet: bool = False,
        script: bool = False,
        cells: bool = False,
        again: Callable[[str], str] = str,
        live: bool = True,
    ) -> None:
        self.live = live and not quiet
        self._many = frozenset(name for name, step in graph.steps.items() if step.depth) if graph else frozenset()
        self._quiet, self._script, self._cells, self._again = quiet, script, cells, again
        self._halves: dict[tuple[str, str, str], bytes] = {}  # lines that have not ended, by step, place and stream
        self._counts: dict[tuple[str, str], int] = {}  # tasks that are done, of wide foreach steps
        self._same: dict[tuple[Any, ...], list[str]] = {}  # tasks that failed, by what and where
        self._run, self._mend = "", ""
        self._told: set[bytes] = set()  # tracebacks that attempts have shown

    # -- the protocol of `driver.Console`

    def started(self, pathspec: Pathspec, executor: str, where: str) -> None:
        """The first line: which run, where it executes, where its data lies."""
        self._run = str(pathspec)
        self._say(f"{pathspec}  executor {executor}  data {shown_place(where)}")

    def task_started(self, pathspec: Pathspec) -> None:
        """Nothing: a line that a task began is worth less than the place it takes."""

    def output(self, step: str, place: str, stream: str, data: bytes) -> None:
        """Show whole lines; what has no end yet waits for it."""
        held = self._without_told(self._halves.pop((step, place, stream), b"") + data)
        whole, newline, half = held.rpartition(b"\n")
        if half and len(half) > LONGEST_LINE:
            whole, newline, half = held, b"\n", b""
        if half:
            self._halves[step, place, stream] = half
        if newline:
            self._show(step, place, stream, whole.split(b"\n"))

    def output_lost(self, error: OSError) -> None:
        """Standard output can't be written: that is no reason to end a run."""
        gone = "nobody reads it any more" if isinstance(error, BrokenPipeError) else error.strerror
        self._say(f"standard output can't be written: {gone}; the run goes on, and keeps what its tasks print")
        self._say(f"  next: {self._again(f'flow logs {self._run}')}")

    def task_ended(self, record: Record, will_retry: bool) -> None:
        """How an attempt ended: once this says that a task is done, nothing can lose it."""
        for stream in ("stdout", "stderr"):
            half = self._halves.pop((record.step, record.place, stream), None)
            if half is not None:
                self._show(record.step, record.place, stream, [half])
        told = str((record.exception or {}).get("traceback", "")).encode("utf-8", "surrogateescape")
        if told and len(self._told) < MOST_TOLD:
            self._told.add(told)
        name, took = self._label(record.step, record.place), f"{max(0.0, record.ended_s - record.started_s):.1f}s"
        if record.outcome == SUCCEEDED:
            self._done(record, name, took)
        elif record.outcome == CANCELLED:
            self._say(f"{name}  cancelled after {took}")
        elif will_retry:
            self._say(f"{name}  {record.outcome} in {took}, is tried again: {_cause(record)}")
        else:
            self._failed(record, name, took)

    def note(self, text: str) -> None:
        """A remark."""
        self._say(self._again(self._mended(text)))

    def run_ended(self, result: RunResult) -> None:
        """The last block: outcome, counts, time, and what to type next."""
        for tasks in self._same.values():
            if len(tasks) > 1:
                self._say(f"the same error in {len(tasks)} tasks: {_some(tasks)}")
        done = result.counts.get(SUCCEEDED, 0)
        facts = [f"{done} {'task' if done == 1 else 'tasks'} done"]
        facts += [f"{number} {outcome}" for outcome, number in result.counts.items() if outcome != SUCCEEDED and number]
        facts += [f"{result.reused} taken over"] if result.reused else []
        self._say(f"{result.flow}/{result.run} {result.outcome}: {', '.join(facts)}, {_clock(result.wall_s)}")
        if result.outcome == SUCCEEDED and result.reused and not done:
            self._say(f"  nothing was left to run; to run a step and what follows again: {self._resume(result)} STEP")
        if result.outcome != SUCCEEDED:
            self._say(f"  next: {self._again(self._next(result))}")

    # -- lines

    def _without_told(self, data: bytes) -> bytes:
        """Without a traceback at its end that another attempt has shown, word for word: how this one failed is told in
        one line, and of ten tasks that fail alike one traceback is enough."""
        for told in () if self._quiet else self._told:
            if data.endswith(told) and data[-len(told) - 1 : -len(told)] in (b"", b"\n"):
                return data[: -len(told)]
        return data

    def _mended(self, text: str) -> str:
        """The text without what mends it, which is told at the end of the run."""
        message, mend = apart(text)
        self._mend = mend or self._mend
        return message

    def _next(self, result: RunResult) -> str:
        """A run that could not do what it should is not helped by another one: first by what mends it."""
        if self._mend and not self._mend.startswith("--"):
            return self._mend
        return f"{self._again_of(result)} {self._mend}".rstrip()

    def _again_of(self, result: RunResult) -> str:
        file = shown_file(result.file)
        if self._cells:  # the flow has no file that stays
            return f"flow show {result.flow}/{result.run}"
        if not result.begun:  # nothing is there to take over
            return f"python {file} run" if self._script else f"flow run {file}"
        return f"{self._resume(result)} --origin-run-id={result.run}"

    def _resume(self, result: RunResult) -> str:
        file = shown_file(result.file)
        return f"python {file} resume" if self._script else f"flow resume {file}"

    def _done(self, record: Record, name: str, took: str) -> None:
        """One line a task; of a wide foreach only its tenths, or they would be all that is seen."""
        width = record.stack[-1]["width"] if record.stack else 1
        if width <= WIDE or record.caught:
            self._say(f"{name}  done in {took}" + (", its exception was caught" if record.caught else ""))
        if width > WIDE:
            within = (record.step, record.place.rpartition(".")[0])
            count = self._counts[within] = self._counts.get(within, 0) + 1
            if count * TENTHS // width > (count - 1) * TENTHS // width:
                inside = f"[{within[1]}.*]" if within[1] else ""
                self._say(f"{record.step}{inside}  {count} of {width} done")

    def _failed(self, record: Record, name: str, took: str) -> None:
        """One line: the whole traceback is what the task itself said last."""
        error = record.exception or {}
        cause = (error.get("type"), error.get("message"), error.get("file"), error.get("line"), record.reason)
        same = self._same.setdefault(cause, [])
        same.append(name)
        if len(same) > MOST_ALIKE:
            if len(same) == MOST_ALIKE + 1:
                self._say(f"{name}  {record.outcome} like the {MOST_ALIKE} before; the end of the run counts them")
            return
        tries = f" after {record.attempt + 1} attempts" if record.attempt else ""
        at = f"{error['file']}:{error.get('line')}" if error.get("file") else str(error.get("where", ""))
        place = f"  {shown_place(at)}" if at else ""
        why = _cause(record) if error else self._mended(_cause(record))
        self._say(f"{name}  {record.outcome}{tries} ({took}){place}  {why}")

    def _show(self, step: str, place: str, stream: str, lines: list[bytes]) -> None:
        out = sys.stderr if stream == "stderr" else sys.stdout
        prefix = self._label(step, place).encode("utf-8", "surrogateescape") + b"  "
        data = b"".join(prefix + line + b"\n" for line in lines)
        lost = write(out, tame(data) if out.isatty() else data)
        if lost is not None and out is sys.stdout:
            self.output_lost(lost)

    def _label(self, step: str, place: str) -> str:
        """`start`, and inside a foreach `train[17]`."""
        return step if place == ROOT_PLACE and step not in self._many else f"{step}[{place}]"

    def _say(self, text: str) -> None:
        if not self._quiet:
            encoding = getattr(sys.stderr, "encoding", None) or "utf-8"
            write(sys.stderr, (printable(text, lines=True) + "\n").encode(encoding, "backslashreplace"))


def write(stream: TextIO, data: bytes) -> OSError | None:
    """Bytes to a text stream, past its encoding; a notebook's streams have no bytes below. Returns why it is given up:
    `flow run FILE | head`, a terminal that was closed, a full disk. The run goes on, unheard."""
    below = getattr(stream, "buffer", None)
    try:
        if below is None:
            stream.write(data.decode("utf-8", "replace"))
        else:
            stream.flush()
            below.write(data)
        stream.flush()
    except OSError as error:
        forget_stream(stream.fileno())
        return error
    return None


def _cause(record: Record) -> str:
    error = record.exception
    if error is not None:
        first = str(error.get("message", "")).strip().partition("\n")[0]
        kind = str(error.get("type", "")).rpartition(".")[2]
        return f"{kind}: {first}" if first else kind
    return record.reason or ("the platform lost it" if record.outcome == LOST else "it left no reason")


def _some(names: list[str]) -> str:
    shown = ", ".join(names[:5])
    return shown if len(names) <= 5 else f"{shown} and {len(names) - 5} more"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(seconds, 60)
    return f"{seconds:.1f}s" if minutes < 1 else f"{int(minutes)}:{int(rest):02d}"
