"""The composition root: settings and registry become stores and executors. Client, commands and runs begin here."""

from __future__ import annotations

import os

from penstock import contracts
from penstock.compat.variables import translated
from penstock.contracts.reach import Reach
from penstock.errors import SettingsError
from penstock.nearest import hint
from penstock.options import of_type, options_of
from penstock.registry import Registry
from penstock.settings import BACKEND_KINDS, DEFAULT, Settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from penstock.contracts.datastore import Datastore
    from penstock.contracts.executor import Executor, RunInfo
    from penstock.contracts.logsink import LogSink
    from penstock.contracts.metadata import MetadataStore
    from penstock.observers import Observers
    from penstock.storage.chunk_cache import ChunkCache


class Home:
    """What is chosen, opened when first asked for."""

    def __init__(self, registry: Registry, settings: Settings) -> None:
        self.registry, self.settings = registry, settings
        self._datastore: Datastore | None = None
        self._metadata: MetadataStore | None = None
        self._logging: LogSink | None = None
        self.remark = ""  # for whoever runs: what was chosen differently here, once it is open

    @classmethod
    def open(
        cls,
        flags: Mapping[str, str | None] | None = None,
        *,
        registry: Registry | None = None,
        environ: Mapping[str, str | None] | None = None,
        folder: str | None = None,
        profile: str | None = None,
        recorded: Mapping[str, Any] | None = None,
    ) -> Home:
        """Resolve the settings of this command or notebook.

        environ: changes to this process's environment, None for a variable to be taken away (a flow file makes such);
        folder: default the working directory; recorded: settings of a run that goes on.
        Raises SettingsError or PluginError. Nothing is opened or written yet.
        """
        merged = {**os.environ, **(environ or {})}
        variables = translated({name: value for name, value in merged.items() if value is not None})
        registry = registry or Registry(environ=variables)
        settings = Settings.resolve(
            flags or {},
            registry,
            environ=variables,
            folder=folder or os.getcwd(),
            profile=profile,
            recorded=recorded,
        )
        return cls(registry, settings)

    # -- stores

    @property
    def verify(self) -> bool:
        """Whether mapped values are compared with their hash when they are loaded."""
        return self.settings.verify

    @property
    def datastore(self) -> Datastore:
        """The datastore."""
        if self._datastore is None:
            self._datastore = self._create("datastore")
        return self._datastore

    @property
    def metadata(self) -> MetadataStore:
        """The catalogue over the datastore."""
        if self._metadata is None:
            made: MetadataStore = self._create("metadata", self.datastore)
            if self.settings.origin_of("metadata") == DEFAULT and (reason := made.unfit()):
                made.close()
                self.remark = f"{reason}: the catalogue is kept as objects of the datastore"
                self.settings.settle("metadata", self.default_name("metadata"))
                made = self._create("metadata", self.datastore)
            self._metadata = made
        return self._metadata

    @property
    def logging(self) -> LogSink:
        """The log sink over the datastore."""
        if self._logging is None:
            self._logging = self._create("logging", self.datastore)
        return self._logging

    def load_classes(self) -> None:
        """Import what is chosen, without making or opening anything. Raises PluginError or SettingsError."""
        for kind in BACKEND_KINDS:
            self.registry.create_class(self.registry.choose(kind, getattr(self.settings, kind)))

    @property
    def cache(self) -> ChunkCache | None:
        """Copies of chunks, where the datastore is far away."""
        limit_mb = self.settings.cache_mb
        if not limit_mb or self.datastore.reach is not Reach.ANYWHERE:
            return None
        from penstock.storage import caches
        from penstock.storage.chunk_cache import ChunkCache

        return ChunkCache(caches.folder_of("chunks"), limit_mb)

    def _create(self, kind: str, *args: Any) -> Any:
        name = getattr(self.settings, kind)
        backend = self.registry.choose(kind, name)
        self.registry.create_class(backend)
        return contracts.open(backend.target, self.settings.options(kind, name), *args)

    def recorded(self) -> dict[str, Any]:
        """Settings as a run's header has them; which catalogue it is, is known once it is open."""
        self.metadata  # noqa: B018 - asked for so that it is chosen
        return self.settings.data()

    def target(self, kind: str) -> tuple[str, dict[str, Any]]:
        """Import target and options by which another process opens the chosen datastore, metadata store or log sink."""
        options = getattr(self, kind).options()
        return self.registry.choose(kind, getattr(self.settings, kind)).target, options

    # -- executors

    def default_name(self, kind: str) -> str:
        """The backend that is taken when nothing is said."""
        return self.registry.default(kind).name

    def executor_class(self, name: str) -> type[Executor]:
        """The class of an executor. Raises PluginError."""
        return self.registry.create_class(self.registry.choose("executor", name))

    def check_options(self, name: str, options: Mapping[str, Any], where: str = "") -> dict[str, Any]:
        """Options that were said beside an executor, as values of their types.

        Raises SettingsError for one that it lacks, or that has another type.
        """
        known = {option.name: option for option in options_of(self.registry.choose("executor", name))}
        values = {}
        for word, value in options.items():
            if word not in known:
                raise SettingsError(
                    f"the executor {name} has no option {word!r}", where=where, hint=hint(word, sorted(known))
                )
            try:
                values[word] = of_type(known[word], value)
            except ValueError as error:
                raise SettingsError(
                    f"the executor {name} takes {error} for {word!r}, not {value!r}", where=where, hint=known[word].help
                ) from None
        return values

    def executor(self, name: str, run: RunInfo, options: Mapping[str, Any]) -> Executor:
        """An executor for a run. Raises SettingsError for an option that it lacks."""
        self.check_options(name, options)
        return self.executor_class(name)(run, **options)

    # -- observers

    def observers(self, note: Callable[[str], None]) -> Observers:
        """Plugins that watch a run. note: takes remarks for the user. Close it when the run is over."""
        from penstock.observers import Observers

        return Observers(self.registry, note)

    def close(self) -> None:
        """Close what was opened. May be called twice."""
        for opened in (self._logging, self._metadata, self._datastore):
            if opened is not None:
                opened.close()
        self._logging = self._metadata = self._datastore = None
