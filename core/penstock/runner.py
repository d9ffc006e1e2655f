"""Runner: run a flow file from Python, in a process of its own, and look at the run while it goes on and afterwards.

    with Runner("petsflow.py", max_workers=2) as runner:
        result = runner.run(alpha=3, tags=["trial"])
    print(result.status, result.run.data.pets)

Keywords are the options of `flow run` with `_` for `-`, and the parameters of the flow; a list repeats an option. An
unknown one is refused before anything starts. A run that fails raises nothing: `returncode`, `status` say so.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
import threading

from penstock.cli.flow_command import run_options
from penstock.cli.option import shared_options
from penstock.cli.parameters import as_texts
from penstock.cli.resume import command as resume
from penstock.client import Client, Run
from penstock.errors import UsageError
from penstock.home import Home
from penstock.host.flow_file import FlowFile
from penstock.host.process import declared
from penstock.nearest import hint
from penstock.options import options_of
from penstock.registry import Registry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import IO, Any, Self

    import click

    from penstock.host.declaration import Declaration

# Keyword -> option, where the one is not the other with `-` for `_`.
_OTHERWISE = {"tags": "--tag", "decospecs": "--with", "with_": "--with"}


class Runner:
    """show_output: pass on what the run prints; profile: of the project file; env: variables to set; cwd: where it
    runs, and where its data is looked for. options: of every command (`branch="fix"`, `decospecs=["retry"]` ...).
    Raises UsageError for an unknown option.
    """

    def __init__(
        self,
        flow_file: str,
        show_output: bool = True,
        profile: str | None = None,
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
        file_read_timeout: int = 3600,
        **options: Any,
    ) -> None:
        del file_read_timeout  # Metaflow's runner waits for a file; this one needs none
        if profile is not None:
            options["profile"] = profile
        self.cwd = os.path.abspath(cwd or os.curdir)
        self.flow_file = os.path.abspath(flow_file if os.path.exists(flow_file) else os.path.join(self.cwd, flow_file))
        self.show_output, self.env = show_output, dict(env or {})
        self._options = options
        self._shared = _words(options, _flags())
        self._running: list[ExecutingRun] = []

    # -- runs

    def run(self, **arguments: Any) -> ExecutingRun:
        """Run the flow to its end. arguments: parameters and options. Raises UsageError, FlowError before it starts."""
        return self._start("run", arguments)._waited()

    def resume(self, step_to_rerun: str | None = None, **arguments: Any) -> ExecutingRun:
        """`flow resume`, to its end. arguments: options, `origin_run_id` among them."""
        return self._start("resume", arguments, step_to_rerun)._waited()

    async def async_run(self, **arguments: Any) -> ExecutingRun:
        """Start a run and return while it goes on."""
        return self._start("run", arguments)

    async def async_resume(self, step_to_rerun: str | None = None, **arguments: Any) -> ExecutingRun:
        """Start `flow resume` and return while it goes on."""
        return self._start("resume", arguments, step_to_rerun)

    def _start(self, command: str, arguments: Mapping[str, Any], step: str | None = None) -> ExecutingRun:
        host = declared(FlowFile(self.flow_file), self.env)
        declaration = host.declaration()
        host.close()
        named = {one["name"].replace("-", "_"): one["name"] for one in declaration.parameters if command == "run"}
        given = {named[word]: value for word, value in arguments.items() if word in named and value is not None}
        flags = _flags(*run_options(), *(resume.params if command == "resume" else ()))
        typed = _words({word: value for word, value in arguments.items() if word not in named}, flags, named)
        typed += [f"--{name}={text}" for name, text in as_texts(declaration, given).items() if name in given]
        words = [command, self.flow_file, *([step] if step else []), *self._shared, *typed]
        started = ExecutingRun(self, declaration, words, arguments.get("run_id_file"))
        self._running.append(started)
        return started

    def client(self, declaration: Declaration) -> Client:
        """A reader of the stores that the runs write."""
        flags = {kind: self._options.get(kind) for kind in ("datastore", "metadata", "logging")}
        environ = {**self.env, **declaration.environ}
        home = Home.open(flags, environ=environ, folder=self.cwd, profile=self._options.get("profile"))
        return Client.over(home)

    # -- the end

    def cleanup(self) -> None:
        """End what still runs, and remove what was kept of the output."""
        while self._running:
            self._running.pop().close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.cleanup()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.cleanup()


class ExecutingRun:
    """A run that was started: `run`, `status`, `returncode` (None while it runs), `stdout`, `stderr`."""

    def __init__(self, runner: Runner, declaration: Declaration, words: list[str], run_id_file: str | None) -> None:
        self._client = runner.client(declaration)
        self._flow = declaration.flow
        self._folder = tempfile.mkdtemp(prefix="penstock-runner-")
        self._id_file = os.path.join(runner.cwd, run_id_file or os.path.join(self._folder, "id"))
        if run_id_file is None:
            words = [*words, f"--run-id-file={self._id_file}"]
        elif os.path.exists(self._id_file):
            os.remove(self._id_file)  # of an earlier run
        self._timed_out = False
        self.command = [sys.executable, "-P", "-m", "penstock", *words]
        self._process = subprocess.Popen(
            self.command, cwd=runner.cwd, env={**os.environ, **runner.env}, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        self._copies = {
            "stdout": _Copy(self._process.stdout, sys.stdout if runner.show_output else None),
            "stderr": _Copy(self._process.stderr, sys.stderr if runner.show_output else None),
        }

    @property
    def run(self) -> Run | None:
        """The run, as the client shows it; None while it has no id."""
        try:
            with open(self._id_file, encoding="utf-8") as file:
                run = file.read()
        except FileNotFoundError:
            return None
        return Run(f"{self._flow}/{run}", _namespace_check=False, client=self._client)

    @property
    def returncode(self) -> int | None:
        """The exit code, None while it runs."""
        return self._process.poll()

    @property
    def status(self) -> str:
        """`running`, `successful`, `failed`, or `timeout` after a wait that was in vain."""
        if self.returncode is None:
            return "timeout" if self._timed_out else "running"
        return "successful" if self.returncode == 0 else "failed"

    @property
    def stdout(self) -> str:
        """What came on standard output so far."""
        return self._copies["stdout"].text()

    @property
    def stderr(self) -> str:
        """What came on standard error so far."""
        return self._copies["stderr"].text()

    async def wait(self, timeout: float | None = None, stream: str | None = None) -> ExecutingRun:
        """Until it ends, or timeout seconds have passed; stream: `stdout` or `stderr`, printed when it is over."""
        try:
            await asyncio.to_thread(self._process.wait, timeout)
        except subprocess.TimeoutExpired:
            self._timed_out = True
            return self
        await asyncio.to_thread(self._waited)
        if stream is not None:
            print(getattr(self, stream), end="")
        return self

    def _waited(self) -> ExecutingRun:
        try:
            self._process.wait()
        except BaseException:  # Ctrl-C: the run ends in good order, and so does its process
            self._end()
            raise
        for copy in self._copies.values():
            copy.thread.join()
        return self

    def _end(self) -> None:
        if self._process.poll() is None:
            self._process.terminate()
            self._process.wait()

    def close(self) -> None:
        """End it if it still runs."""
        self._end()
        for copy in self._copies.values():
            copy.thread.join()
        shutil.rmtree(self._folder, ignore_errors=True)

    def __repr__(self) -> str:
        return f"<ExecutingRun {self._flow}: {self.status}>"


class _Copy:
    """Keeps what comes by a pipe, and passes it on."""

    def __init__(self, stream: IO[bytes] | None, shown: Any) -> None:
        self._kept = bytearray()
        self._shown = shown
        self.thread = threading.Thread(target=self._read, args=(stream,), daemon=True)
        self.thread.start()

    def _read(self, stream: IO[bytes]) -> None:
        with stream:
            for line in stream:
                self._kept += line
                if self._shown is not None:
                    self._shown.write(line.decode("utf-8", "replace"))
                    self._shown.flush()

    def text(self) -> str:
        return bytes(self._kept).decode("utf-8", "replace")


# ------------------------------------------------------------------------------------------------- keywords


def _flags(*more: click.Parameter) -> dict[str, click.Parameter | None]:
    """Options by flag: those of every command and some more, and those of all backends (None: one value)."""
    found: dict[str, click.Parameter | None] = {
        option.flag: None for backend in Registry().backends() for option in options_of(backend)
    }
    found.update({flag: one for one in [*shared_options(), *more] for flag in one.opts if flag.startswith("--")})
    return found


def _words(
    arguments: Mapping[str, Any], flags: Mapping[str, click.Parameter | None], parameters: Iterable[str] = ()
) -> list[str]:
    """Keywords as words of a command line. Raises UsageError for an unknown one, with the nearest of all that are
    known, `parameters` among them."""
    found: list[str] = []
    for word, value in arguments.items():
        flag = _OTHERWISE.get(word, "--" + word.replace("_", "-"))
        if flag not in flags:
            known = [*parameters, *_OTHERWISE, *(one[2:].replace("-", "_") for one in flags)]
            raise UsageError(f"Runner: unknown keyword {word!r}", hint=hint(word, known))
        if value is not None:
            found += _typed(flag, flags, value)
    return found


def _typed(flag: str, flags: Mapping[str, click.Parameter | None], value: Any) -> Iterator[str]:
    option, opposite = flags[flag], f"--no-{flag[2:]}"
    if option is not None and option.multiple:
        for one in [value] if isinstance(value, str) else value:
            yield from [flag, *map(str, one)] if option.nargs > 1 else [f"{flag}={one}"]
    elif not isinstance(value, bool):
        yield f"{flag}={','.join(value) if isinstance(value, (list, tuple)) else value}"
    elif value:
        yield flag
    elif option is None or option.secondary_opts or opposite in flags:
        yield opposite
