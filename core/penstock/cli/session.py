"""What a command knows beside its own arguments: who called, the flags that all commands share, and the way home."""

from __future__ import annotations

import functools
import os

from penstock.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from penstock.home import Home
    from penstock.host.flow_file import FlowFile
    from penstock.registry import Registry
    from penstock.running.opening import Opening


class Session:
    """`ctx.obj` of every command.

    program: how the user called us; file, flow: of `python petsflow.py`, where both are known before anything is
    parsed, else None. flags: settings as typed, by key; quiet: say nothing but results and the output of tasks.
    """

    def __init__(self, program: str = "flow", file: str | None = None, flow: str | None = None) -> None:
        self.program, self.file, self.flow = program, file, flow
        self.flags: dict[str, str | None] = {}
        self.profile: str | None = None
        self.quiet = False
        self.added: tuple[str, ...] = ()  # of `--with`, as typed
        self.configs: list[str] = []  # names after `--config`
        self._homes: list[Home] = []
        self._opening: Opening | None = None
        self.owns_process = False  # True: this process is ours alone, and may be replaced (`flow run --debug`)

    @property
    def script(self) -> bool:
        """Whether a flow file was started as a program: then pathspecs may leave out the flow, as Metaflow's do."""
        return self.file is not None

    def flow_file(self, named: str = "", *, alias: str = "") -> FlowFile:
        """The flow that a command is about: of the script, else `FILE[:FLOW]` as named."""
        from penstock.host.flow_file import FlowFile

        file, flow = (self.file, self.flow) if self.file is not None else split_file(named)
        return FlowFile(file, flow, alias=alias, added=self.added)

    @functools.cached_property
    def registry(self) -> Registry:
        """What is installed."""
        from penstock.registry import Registry

        return Registry()

    @functools.cached_property
    def home(self) -> Home:
        """The stores that the flags name."""
        return self.open_home()

    def open_home(
        self, environ: Mapping[str, str | None] | None = None, recorded: Mapping[str, Any] | None = None
    ) -> Home:
        """A home for a flow that changed the environment when it was imported, or for a run that goes on."""
        from penstock.home import Home

        home = Home.open(self.flags, registry=self.registry, environ=environ, profile=self.profile, recorded=recorded)
        self._homes.append(home)
        return home

    def open_flow(self, source: FlowFile) -> Opening:
        """Begin to open a flow file, if this was not begun already. Raises FlowError when there is none."""
        if self._opening is None or self._opening.source.text() != source.text():
            from penstock.running.opening import Opening

            if self._opening is not None:
                self._opening.close()
            self._opening = Opening(source)
        return self._opening

    def close(self) -> None:
        """End a host that nobody took; close the stores of every home that was opened."""
        if self._opening is not None:
            self._opening.close()
        while self._homes:
            self._homes.pop().close()

    def which_run(self, text: str) -> tuple[str, str]:
        """Flow and run id of `Flow/RUN` as typed; of a script also `RUN` alone. Raises UsageError or NotFound."""
        from penstock.storage import keys
        from penstock.which_run import which_run

        parts = text.strip("/").split("/")
        if len(parts) == 1 and self.flow is not None and parts[0] != self.flow:
            parts = [self.flow, *parts]
        if len(parts) > 2 or not all(parts):
            raise UsageError(f"{text!r} is not of the form Flow/RUN", hint="flow runs")
        flow, wanted = parts[0], parts[1] if len(parts) == 2 else None
        folders = self.home.datastore.list_folders(keys.flow_prefix(flow))
        return flow, which_run(flow, wanted, map(keys.name, folders))


def split_file(text: str) -> tuple[str, str | None]:
    """`petsflow.py:PetsFlow` -> file and flow."""
    file, colon, flow = text.rpartition(":")
    return (file, flow) if colon and flow.isidentifier() and not os.path.exists(text) else (text, None)
