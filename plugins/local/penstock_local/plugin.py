"""Everything that a single machine offers: processes, files, SQLite. Bundled with core, and a plugin like any other."""

from __future__ import annotations

from dataclasses import dataclass

from penstock.plugin import Backend, hookimpl, option

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path  # the type of an option is its text: importing it takes longer than this module


@dataclass(frozen=True)
class ProcessOptions:
    """How much of this machine steps with `@resources` may claim together; without a word all of it."""

    cpus: float | None = option(None, help="Cores that steps with @resources may claim together.")
    memory_mb: int | None = option(None, help="Memory in MiB that steps with @resources may claim together.")
    gpus: int | None = option(None, help="GPUs that steps with @resources may claim together.")


@dataclass(frozen=True)
class FileOptions:
    """Where the files lie, and how hard they are kept."""

    root: Path = option(".penstock", help="Folder of the data; default: the nearest .penstock.", nearest_folder=True)
    durable: bool = option(False, help="Sync every object to the disk, against a power cut.")


@hookimpl
def penstock_backends() -> Iterator[Backend]:
    """Two executors, one datastore, one catalogue, one log sink."""
    yield Backend(
        kind="executor",
        name="local",
        contract=1,
        summary="A process of this machine for each task.",
        options=ProcessOptions,
        target="penstock_local.process_executor:ProcessExecutor",
        default=True,
    )
    yield Backend(
        kind="executor",
        name="inline",
        contract=1,
        summary="One task after another in the calling process, for debuggers.",
        target="penstock_local.inline_executor:InlineExecutor",
        debug=True,
    )
    yield Backend(
        kind="datastore",
        name="local",
        contract=1,
        summary="Files in a folder of this machine.",
        options=FileOptions,
        target="penstock_local.file_datastore:FileDatastore",
        companions={"metadata": "local", "logging": "local"},
        default=True,
    )
    yield Backend(
        kind="metadata",
        name="local",
        contract=1,
        summary="A SQLite file beside the data.",
        target="penstock_local.sqlite_metadata:SqliteMetadata",
    )
    yield Backend(
        kind="logging",
        name="local",
        contract=1,
        summary="Files in a folder of this machine.",
        target="penstock_local.file_logsink:FileLogSink",
    )
