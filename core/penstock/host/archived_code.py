"""Import a run's code from its archive, under the paths that it had: an edit in mid-run reaches no task of the run.

A module keeps its `__file__`, so that what lies beside it is found as before, and a traceback shows the line that ran.
What the archive lacks is looked for on disk.
"""

from __future__ import annotations

import os
import sys
from importlib.machinery import FileFinder, ModuleSpec, SourceFileLoader

from penstock import contracts
from penstock.storage import archive

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import ModuleType
    from typing import Any

    from penstock.contracts.datastore import Datastore


class ArchivedCode:
    """Sources by path, all below one folder."""

    def __init__(self, folder: str, sources: Mapping[str, bytes]) -> None:
        self.folder, self.sources = folder, sources

    @classmethod
    def of(cls, datastore: Datastore, name: str, file: str) -> ArchivedCode:
        """The archive `name` of the flow file `file`. Raises KeyMissing, ChunkDamaged."""
        folder = os.path.dirname(os.path.abspath(file))
        files = archive.files(archive.get(datastore, name))
        found = {os.path.join(folder, *inside.split("/")): content for inside, content in files.items()}
        return cls(folder, {path: content for path, content in found.items() if path.endswith(".py")})

    @classmethod
    def fetched(cls, where: Mapping[str, Any], file: str) -> ArchivedCode:
        """The same from a store that is not open yet. where: `datastore` (`target` and `options`) and `code`."""
        datastore = contracts.open(where["datastore"]["target"], where["datastore"]["options"])
        try:
            return cls.of(datastore, where["code"], file)
        finally:
            datastore.close()

    def install(self) -> ArchivedCode:
        """From now on this process imports from here. What it has imported already stays."""
        sys.path_hooks.insert(0, self._finder)
        self._forget_finders()
        return self

    def uninstall(self) -> None:
        """Import from disk again: a process that outlives the run, as a notebook's, runs the next one as it stands."""
        import linecache

        sys.path_hooks.remove(self._finder)
        self._forget_finders()
        for path in self.sources:
            linecache.cache.pop(path, None)

    def _forget_finders(self) -> None:
        for entry in [one for one in sys.path_importer_cache if self._is_below(one)]:
            del sys.path_importer_cache[entry]

    def _is_below(self, entry: str) -> bool:
        path = os.path.abspath(entry)
        return path == self.folder or path.startswith(self.folder + os.sep)

    def _finder(self, entry: str) -> _Finder:
        """A path hook, see `sys.path_hooks`."""
        if not self._is_below(entry):
            raise ImportError(f"{entry} is not below {self.folder}")
        return _Finder(os.path.abspath(entry), self)

    def loader(self, name: str, path: str) -> SourceFileLoader:
        """Of the module `name` that stood in `path`."""
        return _Loader(name, path, self.sources) if path in self.sources else SourceFileLoader(name, path)

    def spec(self, name: str, stem: str) -> ModuleSpec | None:
        """Of a module whose path begins with `stem`; None where there is none here."""
        from importlib.util import spec_from_file_location

        for path, locations in ((os.path.join(stem, "__init__.py"), [stem]), (stem + ".py", None)):
            if path in self.sources:
                return spec_from_file_location(
                    name, path, loader=self.loader(name, path), submodule_search_locations=locations
                )
        if not any(path.startswith(stem + os.sep) for path in self.sources):
            return None
        package = ModuleSpec(name, None, is_package=True)  # a folder without `__init__.py`
        package.submodule_search_locations = [stem]
        return package


def keep_lines() -> None:
    """Let tracebacks show the lines that are in memory already, whatever becomes of their files."""
    import linecache

    for path, entry in linecache.cache.items():
        if len(entry) == 4:
            size, _, lines, full = entry
            linecache.cache[path] = (size, None, lines, full)  # None: not to be compared with the file


class _Finder(FileFinder):
    """Modules of one folder: from the archive, else from disk."""

    def __init__(self, folder: str, code: ArchivedCode) -> None:
        from importlib.machinery import EXTENSION_SUFFIXES, SOURCE_SUFFIXES, ExtensionFileLoader

        super().__init__(folder, (ExtensionFileLoader, EXTENSION_SUFFIXES), (SourceFileLoader, SOURCE_SUFFIXES))
        self._code = code

    def find_spec(self, name: str, target: ModuleType | None = None) -> ModuleSpec | None:
        stem = os.path.join(self.path, name.rpartition(".")[2])
        return self._code.spec(name, stem) or super().find_spec(name, target)


class _Loader(SourceFileLoader):
    def __init__(self, name: str, path: str, sources: Mapping[str, bytes]) -> None:
        super().__init__(name, path)
        self._sources = sources

    def path_stats(self, path: object) -> dict[str, float]:
        """No byte code: that on disk belongs to whatever stands there now."""
        raise OSError(f"{path} comes from an archive")

    def get_data(self, path: str) -> bytes:
        """The source; other files of a package are data, and come from disk."""
        return self._sources[path] if path in self._sources else super().get_data(path)

    def exec_module(self, module: ModuleType) -> None:
        """Let tracebacks and `inspect` show the archive's lines, too."""
        import linecache
        from importlib.util import decode_source

        data = self._sources[self.path]
        try:
            lines = decode_source(data).splitlines(keepends=True)
        except (SyntaxError, UnicodeDecodeError):  # executing it tells, with the line
            pass
        else:
            linecache.cache[self.path] = (len(data), None, lines, self.path)  # None: as above
        super().exec_module(module)
