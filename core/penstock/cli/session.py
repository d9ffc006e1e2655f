"""What a command knows beside its own arguments: who called, the flags that all commands share, and the way home."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    import click

    from penstock.home import Home
    from penstock.host.flow_file import FlowFile
    from penstock.registry import Registry
    from penstock.running.opening import Opening
    from penstock.settings import Settings


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
        self.typed: tuple[click.Context, list[str]] | None = None  # the command, and the words behind its name
        self._registry: Registry | None = None
        self._home: Home | None = None
        self._homes: list[Home] = []
        self._environ: Mapping[str, str | None] | None = None  # what the flow file changed
        self._opening: Opening | None = None
        self.owns_process = False  # True: this process is ours alone, and may be replaced (`flow run --debug`)

    @property
    def script(self) -> bool:
        """Whether a flow file was started as a program: then pathspecs may leave out the flow, as Metaflow's do."""
        return self.file is not None

    @property
    def called(self) -> str:
        """How this program is called from a shell."""
        if self.file is None:
            return self.program
        from penstock.cli.failure import shown_file

        return f"python {shown_file(self.file)}"

    def flow_file(self, named: str = "", *, alias: str = "") -> FlowFile:
        """The flow that a command is about: of the script, else `FILE[:FLOW]` as named."""
        from penstock.host.flow_file import FlowFile

        file, flow = (self.file, self.flow) if self.file is not None else split_file(named)
        return FlowFile(file, flow, alias=alias, added=self.added)

    @property
    def registry(self) -> Registry:
        """What is installed."""
        if self._registry is None:
            from penstock.registry import Registry

            self._registry = Registry()
        return self._registry

    @property
    def home(self) -> Home:
        """The stores that the flags name."""
        if self._home is None:
            self._home = self.open_home()
        return self._home

    def open_home(
        self,
        environ: Mapping[str, str | None] | None = None,
        recorded: Mapping[str, Any] | None = None,
        executor: str | None = None,
    ) -> Home:
        """A home for a flow that changed the environment when it was imported, or for a run that goes on.

        executor: in place of the one that was chosen.
        """
        from penstock.home import Home

        flags = self.flags if executor is None else {**self.flags, "executor": executor}
        home = Home.open(flags, registry=self.registry, environ=environ, profile=self.profile, recorded=recorded)
        self._homes.append(home)
        self._environ = environ
        return home

    def settings_and_bare(self, *, of_the_flow: bool) -> tuple[Settings, Settings]:
        """The settings that hold here, and those that would hold without what was typed.

        of_the_flow: with the variables that the flow file sets; it is read again.
        """
        from penstock.home import Home

        environ = self._environ if of_the_flow else None
        here = self._homes[-1].settings
        bare = Home.open({}, registry=self.registry, environ=environ, profile=self.profile, folder=here.folder)
        return here, bare.settings

    @property
    def open(self) -> bool:
        """Whether settings are known."""
        return bool(self._homes)

    def again(self, text: str) -> str:
        """A text that says what to type next, with the options that this needs (`cli/again.py`)."""
        from penstock.cli.again import again

        return again(self, text)

    def open_flow(self, source: FlowFile) -> Opening:
        """Begin to open a flow file, if this was not begun already. Raises FlowError when there is none."""
        if self._opening is None or self._opening.source.words() != source.words():
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


def split_file(text: str) -> tuple[str, str | None]:
    """`petsflow.py:PetsFlow` -> file and flow."""
    file, colon, flow = text.rpartition(":")
    return (file, flow) if colon and flow.isidentifier() and not os.path.exists(text) else (text, None)
