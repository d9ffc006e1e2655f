"""The author's door: everything that a plugin imports to announce itself.

A plugin is a module that an entry point of the group `penstock` names. It imports no SDK; it declares backends by
import target, and the working class is loaded when it is chosen:

    @dataclass(frozen=True)
    class DockerOptions:
        image: str = option("python:3.12-slim", help="Image that runs the tasks.")

    @hookimpl
    def penstock_backends():
        yield Backend(
            kind="executor", name="docker", contract=1, summary="Each task in a container of this machine's engine.",
            options=DockerOptions, target="penstock_docker.executor:DockerExecutor", decorator="docker",
        )

A field of the options becomes `--docker-image`, `PENSTOCK_DOCKER_IMAGE`, `image` below `[tool.penstock.docker]`, an
argument of `@executor("docker", image=...)` (or of `@docker(image=...)`, if it says `decorator`), and a keyword of the
class. Its type is one of `str`, `int`, `float`, `bool`, `Path` (handed over as absolute text), `tuple[str, ...]`, or
one of these `| None`.
"""

from __future__ import annotations

from dataclasses import field

from pluggy import HookimplMarker, HookspecMarker

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from penstock.values import Record

hookimpl = HookimplMarker("penstock")
_hookspec = HookspecMarker("penstock")

# Kind of backend -> its contract: module, class, and the constant that holds its number.
KINDS = {
    "executor": ("penstock.contracts.executor", "Executor", "EXECUTOR_CONTRACT"),
    "datastore": ("penstock.contracts.datastore", "Datastore", "DATASTORE_CONTRACT"),
    "metadata": ("penstock.contracts.metadata", "MetadataStore", "METADATA_CONTRACT"),
    "logging": ("penstock.contracts.logsink", "LogSink", "LOGGING_CONTRACT"),
}


def option(default: Any, *, help: str, secret: bool = False, nearest_folder: bool = False) -> Any:
    """A field of an options class.

    secret: never shown, never written into a run. nearest_folder: `default` is the name of a folder, which is looked
    for in the working directory and the folders above it (`nearest_folder.py` has the rule).
    """
    return field(default=default, metadata={"help": help, "secret": secret, "nearest_folder": nearest_folder})


class Backend:
    """One backend of one kind, as data.

    kind: one of `KINDS`; name: what people type (`[a-z0-9-]`); contract: number of the contract that it was written
    for; summary: one line; target: `module:Class`; options: a frozen dataclass or None.
    companions: kind -> name, of a datastore: the metadata and logging backends that go with it (default: core's own,
    which live in any datastore). A datastore with an option `url` is also chosen by `name://...`.
    offered: False for one that is for tests: it is chosen by its name, and never proposed.
    default, debug: taken when nothing is said, and by `flow run --debug`; heeded from core's distribution alone.
    decorator: of an executor, the name under which `from penstock import NAME` gives a step decorator that takes its
    options and what `@resources` takes; "" for none.
    """

    __slots__ = (
        "companions", "contract", "debug", "decorator", "default", "kind", "name", "offered", "options", "summary",
        "target",
    )  # fmt: skip

    def __init__(
        self,
        *,
        kind: str,
        name: str,
        contract: int,
        summary: str,
        target: str,
        options: type[Any] | None = None,
        companions: Mapping[str, str] | None = None,
        default: bool = False,
        debug: bool = False,
        decorator: str = "",
        offered: bool = True,
    ) -> None:
        self.kind, self.name, self.contract, self.summary, self.target = kind, name, contract, summary, target
        self.options, self.companions, self.default, self.debug = options, dict(companions or {}), default, debug
        self.decorator, self.offered = decorator, offered

    def __repr__(self) -> str:
        return f"<Backend {self.kind} {self.name}: {self.target}>"


class Command:
    """A command that a plugin adds to `flow`. target: `module:attribute` of a click command, imported when called."""

    __slots__ = ("name", "summary", "target")

    def __init__(self, *, name: str, summary: str, target: str) -> None:
        self.name, self.summary, self.target = name, summary, target


# -------------------------------------------------------------------------------------------------- hooks
#
# Two hooks declare. Four observe: they are called in the process that drives a run, from one thread of their own, after
# the fact. What they return is ignored, what they raise is told once with the plugin's name and never changes the run.
# An implementation names only the arguments that it wants.


@_hookspec
def penstock_backends() -> Iterable[Backend]:  # type: ignore[empty-body]
    """Declare backends. Called by every command that needs a backend which core's distribution does not have."""


@_hookspec
def penstock_commands() -> Iterable[Command]:  # type: ignore[empty-body]
    """Add commands to `flow`. Called when its help is shown, and for a command that core does not know."""


@_hookspec
def penstock_run_started(flow: str, run: str, facts: Mapping[str, Any]) -> None:
    """A run has its id and header. facts: the header, as JSON (`docs/format.md`)."""


@_hookspec
def penstock_run_finished(flow: str, run: str, outcome: str) -> None:
    """A run has its outcome: `succeeded`, `failed` or `cancelled`."""


@_hookspec
def penstock_attempt_started(pathspec: str, executor: str) -> None:
    """A job was handed to its executor. pathspec: `Flow/run/step/task/attempt`."""


@_hookspec
def penstock_attempt_finished(pathspec: str, record: Record, will_retry: bool) -> None:
    """An attempt has its record, which is a copy for each plugin."""
