"""Which store is read where nothing is said: inside a task that of its run, elsewhere the one that settings name."""

from __future__ import annotations

import contextlib
import os
import weakref
from contextvars import ContextVar

from penstock import contracts
from penstock.authoring.context import current
from penstock.client.client import Client
from penstock.client.namespace import get_namespace
from penstock.storage.catalogue import DatastoreCatalogue
from penstock.storage.logs import DatastoreLogSink

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from penstock.contracts.datastore import Datastore
    from penstock.contracts.logsink import LogSink
    from penstock.contracts.metadata import MetadataStore
    from penstock.storage.chunk_cache import ChunkCache


class DefaultClient(Client):
    """The client of this process's settings; its namespace is the global one."""

    all_runs = "namespace(None)"

    @property
    def namespace(self) -> str | None:
        return get_namespace()


_chosen: Client | None = None
_of_task: tuple[object, Client] | None = None
_loading: ContextVar[Client | None] = ContextVar("loading", default=None)


def default_client() -> Client:
    """The client that objects use unless told otherwise.

    While a client loads a value it is that one: a run that lies in an artifact belongs to the store it was read from.
    """
    global _chosen, _of_task  # noqa: PLW0603 - one default client in a process
    reader = _loading.get()
    if reader is not None:
        return reader
    if current._stores is not None:
        if _of_task is None or _of_task[0] is not current._stores:
            _of_task = current._stores, DefaultClient.over(TaskStores(*current._stores))
        return _of_task[1]
    if _chosen is None:
        _chosen = DefaultClient()
    return _chosen


@contextlib.contextmanager
def loading(client: Client) -> Iterator[None]:
    """Until it is left, `client` is the default of this thread."""
    before = _loading.set(client)
    try:
        yield
    finally:
        _loading.reset(before)


def metadata(where: str) -> str:
    """Let the default client read another store from now on, and return its name.

    where: what `--datastore` takes (a backend's name or a URL), a project's folder, or what `get_metadata` returned.
    """
    global _chosen
    folder = where.rpartition("@")[2]
    client = DefaultClient(folder=folder) if os.path.isdir(folder) else DefaultClient(where)
    name, _chosen = client.label, client  # a store that can't be is told before it is chosen
    return name


def get_metadata() -> str:
    """Where the default client reads: a folder or a URL."""
    return default_client().label


def default_metadata() -> str:
    """Let the default client read again what settings name, and return where that is."""
    global _chosen  # noqa: PLW0603 - as above
    _chosen = None
    return get_metadata()


class TaskStores:
    """The stores of the run whose task this process runs. opened: how the driver said that they are opened; a job
    elsewhere is told no catalogue, which may be a file of the driver's machine: there the datastore answers."""

    def __init__(self, datastore: Datastore, opened: Mapping[str, Any]) -> None:
        self.datastore, self._opened = datastore, opened
        self._made: dict[str, Any] = {}

    @property
    def metadata(self) -> MetadataStore:
        """The catalogue."""
        found: MetadataStore = self._store("metadata", DatastoreCatalogue)
        return found

    @property
    def logging(self) -> LogSink:
        """The log sink."""
        found: LogSink = self._store("logging", DatastoreLogSink)
        return found

    @property
    def cache(self) -> ChunkCache | None:
        """Copies of chunks, on the driver's machine."""
        how = self._opened.get("cache")
        if how is None:
            return None
        from penstock.storage.chunk_cache import ChunkCache

        return ChunkCache(**how)

    def _store(self, kind: str, otherwise: Any) -> Any:
        if kind not in self._made:
            how = self._opened.get(kind)
            made = otherwise(self.datastore) if how is None else contracts.open(
                how["target"], how["options"], self.datastore
            )  # fmt: skip
            weakref.finalize(self, made.close)
            self._made[kind] = made
        return self._made[kind]
