"""A reader of one store. There may be several side by side; every Flow, Run, Step and Task remembers its own."""

from __future__ import annotations

import os
import weakref

from penstock.client.history import History
from penstock.errors import BackendUnavailable, NamespaceMismatch, NotFound, UsageError
from penstock.nearest import hint
from penstock.storage import keys, records
from penstock.storage.artifacts import Artifacts
from penstock.storage.catalogue import DatastoreCatalogue, flow_names
from penstock.which_run import runs_back, which_run

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from os import PathLike
    from typing import Any, ClassVar

    from penstock.client.flow import Flow
    from penstock.client.history import Stores
    from penstock.client.run import Run
    from penstock.client.step import Step
    from penstock.client.task import Task
    from penstock.contracts.metadata import MetadataStore, RunRow


class Client:
    """Opens the store that settings and arguments name; nothing is read before the first question.

    datastore: a backend's name or a URL (`s3://bucket/prefix`), metadata and logging follow it unless named;
    profile: of the project file; folder: where the project file is looked for, default the working directory;
    namespace: a tag that runs must have, default none. unpickle=False: refuses values, so that no code of the store's
    writers runs here. options: of the datastore that is named, as in `Client("local", root="/data/store")`, or as
    flags have them: `Client("local", local_root=...)`; so they are also told from the other arguments.
    Raises UsageError for options without a datastore; settings that can't be are told at the first question.
    """

    all_runs: ClassVar[str] = "Client(..., namespace=None)"  # what to type to see them

    def __init__(
        self,
        datastore: str | None = None,
        *,
        metadata: str | None = None,
        logging: str | None = None,
        profile: str | None = None,
        folder: str | PathLike[str] | None = None,
        namespace: str | None = None,
        unpickle: bool = True,
        **options: str,
    ) -> None:
        if options and datastore is None:
            raise UsageError(f"{', '.join(options)}: options of which datastore?", hint='Client("local", root=...)')
        named = {"datastore": datastore, "metadata": metadata, "logging": logging}
        self._begin(lambda reader: _open_home(reader, named, options, folder, profile), namespace, unpickle)
        folder = os.path.abspath(folder) if folder is not None else None  # so that it holds wherever it is read again
        more = {"profile": profile, "folder": folder, "namespace": namespace, "unpickle": unpickle}
        self._how: dict[str, Any] | None = {**named, **more, **options}
        self._options = tuple(options)

    @classmethod
    def over(cls, stores: Stores, *, namespace: str | None = None, unpickle: bool = True) -> Client:
        """A client of stores that are open already: a `Home`, or any object with datastore, metadata and logging.

        Where it has a true `verify`, values that are mapped are compared with their hash when they are loaded. Where it
        has a `cache`, copies of chunks are kept there.
        """
        made = cls.__new__(cls)
        made._begin(lambda _: stores, namespace, unpickle)
        made._how = None
        return made

    def _begin(self, opened: Callable[[Client], Stores], namespace: str | None, unpickle: bool) -> None:
        self._open = opened
        self._stores: Stores | None = None
        self._artifacts: Artifacts | None = None
        self._histories: weakref.WeakValueDictionary[tuple[str, str], History] = weakref.WeakValueDictionary()
        self._namespace, self.unpickle = namespace, unpickle

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled by its settings; the default client, and one over open stores, become the default client of whoever
        reads it."""
        from penstock.client.default import DefaultClient, default_client

        if self._how is None or isinstance(self, DefaultClient):
            return default_client, ()
        opened = {} if self._stores is None else self._stores.datastore.options()  # a folder is absolute by now
        plain = {name: _plain(name, self._how["datastore"]) for name in self._options}
        return _again, ({**self._how, **{name: opened[one] for name, one in plain.items() if one in opened}},)

    @property
    def stores(self) -> Stores:
        """The open stores."""
        if self._stores is None:
            self._stores = self._open(self)
        return self._stores

    @property
    def artifacts(self) -> Artifacts:
        """Reads values."""
        if self._artifacts is None:
            verify, cache = getattr(self.stores, "verify", False), getattr(self.stores, "cache", None)
            self._artifacts = Artifacts(self.stores.datastore, verify=verify, cache=cache)
        return self._artifacts

    @property
    def namespace(self) -> str | None:
        """The tag that runs must have, None for all runs."""
        return self._namespace

    @property
    def label(self) -> str:
        """Where the data lies, for people."""
        return self.stores.datastore.label

    # -- the tree

    def flows(self) -> list[Flow]:
        """The flows that have a run, by name."""
        from penstock.client.flow import Flow

        return [Flow(name, client=self, _namespace_check=False) for name in self.flow_names()]

    def flow(self, name: str) -> Flow:
        """A flow by name. Raises NotFound, NamespaceMismatch."""
        from penstock.client.flow import Flow

        return Flow(name, client=self)

    def run(self, pathspec: str) -> Run:
        """A run: `Flow/run`. Raises NotFound, NamespaceMismatch."""
        from penstock.client.run import Run

        return Run(pathspec, client=self)

    def step(self, pathspec: str) -> Step:
        """A step: `Flow/run/step`. Raises NotFound, NamespaceMismatch."""
        from penstock.client.step import Step

        return Step(pathspec, client=self)

    def task(self, pathspec: str, attempt: int | None = None) -> Task:
        """A task: `Flow/run/step/task`. Raises NotFound, NamespaceMismatch."""
        from penstock.client.task import Task

        return Task(pathspec, attempt, client=self)

    # -- what the tree is made of

    @property
    def _metadata(self) -> MetadataStore:
        """The catalogue; while it is lost or damaged, the datastore itself."""
        found = self.stores.metadata
        return DatastoreCatalogue(self.stores.datastore) if found.needs_rebuild() else found

    def flow_names(self) -> list[str]:
        """Names of all flows that have a run, sorted."""
        try:
            return sorted(self._metadata.flows())
        except BackendUnavailable:
            return sorted(flow_names(self.stores.datastore))

    def run_rows(
        self,
        flow: str | None = None,
        *,
        tags: Sequence[str] = (),
        outcome: str | None = None,
        limit: int | None = None,
    ) -> Iterator[RunRow]:
        """Rows of runs, newest id first: one question to the catalogue; to the datastore where it can't be asked."""
        try:
            yield from self._metadata.runs(flow, outcome=outcome, tags=tags, limit=limit)
        except BackendUnavailable:
            yield from DatastoreCatalogue(self.stores.datastore).runs(flow, outcome=outcome, tags=tags, limit=limit)

    def history(self, flow: str, run: str, row: RunRow | None = None) -> History:
        """What is known of a run, shared by all objects of this client that speak of it."""
        found = self._histories.get((flow, run))
        if found is None:
            found = self._histories[flow, run] = History(self.stores, flow, run, row)
        return found

    def find_run(self, flow: str, wanted: str, tag: str | None = None) -> History:
        """A run by id, a beginning of it, `latest` or `latest~N` (of the runs with `tag`). Raises NotFound."""
        back = runs_back(wanted)
        if back is not None:
            newest = list(self.run_rows(flow, tags=[] if tag is None else [tag], limit=back + 1))
            if len(newest) > back:
                return self.history(flow, newest[back].run, newest[back])
            if tag is not None and len(list(self.run_rows(flow, limit=back + 1))) > back:
                raise self.hidden(f"{flow} has {len(newest) or 'no'} run{'' if len(newest) == 1 else 's'}", tag)
        else:
            found = self._histories.get((flow, wanted)) or self._exact(flow, wanted)
            if found is not None:
                return found
        rows = {row.run: row for row in self.run_rows(flow)}
        ids = list(rows) or list(self.stores.datastore.list_folders(keys.flow_prefix(flow)))
        if not ids:
            raise self.no_flow(flow)
        run = which_run(flow, wanted, ids)
        return self.history(flow, run, rows.get(run))

    def _exact(self, flow: str, run: str) -> History | None:
        """One row or one object, without looking at other runs."""
        try:
            row = next(iter(self._metadata.runs(flow, run=run, limit=1)), None)
        except BackendUnavailable:
            row = None
        if row is None and records.read(self.stores.datastore, keys.run_header(flow, run)) is None:
            return None
        return self.history(flow, run, row)

    def hidden(self, what: str, tag: str) -> NamespaceMismatch:
        """The error for runs that are there and lack the tag of the namespace. what: begins the sentence."""
        return NamespaceMismatch(f"{what} in the namespace {tag!r}", hint=f"{self.all_runs}   # to see all runs")

    def no_flow(self, flow: str) -> NotFound:
        """The error for a flow without a run."""
        names = self.flow_names()
        return NotFound(
            f"no flow {flow!r} has run in {self.label}",
            hint=hint(flow, names) or "flow run FILE   # no flow has run yet",
        )

    def __repr__(self) -> str:
        return f"Client({self.label!r})"


def _open_home(
    reader: Client,
    named: Mapping[str, str | None],
    options: Mapping[str, str],
    folder: str | PathLike[str] | None,
    profile: str | None,
) -> Stores:
    from penstock.home import Home
    from penstock.options import options_of
    from penstock.registry import Registry

    registry = Registry()
    flags = dict(named)
    if named["datastore"] is not None and options:
        backend = registry.choose("datastore", named["datastore"].partition("://")[0])
        known = sorted(option.name for option in options_of(backend))
        for name, value in options.items():
            plain = _plain(name, named["datastore"])
            if plain not in known:
                raise UsageError(f"the datastore {backend.name} has no option {name!r}", hint=hint(plain, known))
            flags[f"{backend.name}.{plain}"] = value
    where = None if folder is None else os.fspath(folder)
    home = Home.open(flags, registry=registry, folder=where, profile=profile)
    weakref.finalize(reader, home.close)  # whoever looks at a run has nothing to close
    return home


def _plain(option: str, datastore: str) -> str:
    """The name of an option that may stand as flags have it, `local_root`."""
    return option.removeprefix(datastore.partition("://")[0] + "_")


def _again(how: dict[str, Any]) -> Client:
    return Client(**how)

