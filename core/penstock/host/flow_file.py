"""A flow file and how it is read: the same in every process of a run."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

    from penstock.authoring.flow import FlowSpec
    from penstock.authoring.graph import Graph
    from penstock.errors import NotFound
    from penstock.host.archived_code import ArchivedCode


class FlowFile:
    """path: as given, absolute in every other process; flow: which one, None for the only one; alias: a package that
    the file imports and that penstock stands in for, empty for none; added: decorators of `--with`, as typed; archive:
    `datastore` and `code` of the run whose archive it is imported from, None for the file as it stands; copy_of: the
    user's own file, where this one was unpacked: errors name that.

    code: what this process imports from, once such a file is loaded.
    """

    __slots__ = ("added", "alias", "archive", "code", "copy_of", "flow", "path")

    def __init__(
        self,
        path: str,
        flow: str | None = None,
        *,
        alias: str = "",
        added: Iterable[str] = (),
        archive: Mapping[str, Any] | None = None,
        copy_of: str = "",
    ) -> None:
        self.path, self.flow, self.alias, self.copy_of = path, flow, alias, copy_of
        self.added, self.archive = tuple(added), archive
        self.code: ArchivedCode | None = None

    def of_run(self, opened: Mapping[str, Any]) -> FlowFile:
        """The same file as the run has it in its archive; opened: what hosts are told, with `code` if there is one."""
        archive = {name: opened[name] for name in ("datastore", "code")} if "code" in opened else None
        return FlowFile(
            self.path, self.flow, alias=self.alias, added=self.added, archive=archive, copy_of=self.copy_of
        )

    def missing(self) -> NotFound:
        """The error for a path at which there is no file: the flow file that was probably meant stands beside it."""
        from penstock.errors import NotFound
        from penstock.nearest import hint

        if os.path.isdir(self.path):
            what, folder, name = f"{self.path} is a folder, not a flow file", self.path, ""
        else:
            led = "leads to no file: it is a link" if os.path.islink(self.path) else ""
            what, (folder, name) = f"{self.path} {led}" if led else f"no file {self.path}", os.path.split(self.path)
        try:
            names = sorted(one for one in os.listdir(folder or os.curdir) if one.endswith(".py"))
        except OSError:
            names = []
        beside = [path for path in (os.path.join(folder, one) for one in names) if os.path.isfile(path)]
        return NotFound(what, where=self.path, hint=hint(self.path if name else "", beside) or "flow run FILE.py")

    def words(self) -> list[str]:
        """For a command line: `PATH FLOW ALIAS COPY_OF ARCHIVE ADDED...`, each empty for none, the archive as JSON."""
        archive = ""
        if self.archive is not None:
            import json

            archive = json.dumps(self.archive)
        return [os.path.abspath(self.path), self.flow or "", self.alias, self.copy_of, archive, *self.added]

    @classmethod
    def of(cls, words: Sequence[str]) -> FlowFile:
        """The inverse of `words`."""
        path, flow, alias, copy_of, archive, *added = words
        found: dict[str, Any] | None = None
        if archive:
            import json

            found = json.loads(archive)
        return cls(path, flow or None, alias=alias, added=added, archive=found, copy_of=copy_of)

    def load(self) -> tuple[type[FlowSpec], Graph]:
        """Import it, add decorators, read its graph. Raises FlowError with file:line, UsageError for a decorator."""
        if self.alias:
            from penstock.compat.finder import stand_in_for

            stand_in_for(self.alias)
        if self.copy_of:
            from penstock.running.raised import tell_as

            tell_as(os.path.dirname(self.path), os.path.dirname(self.copy_of))
        from penstock.authoring.additions import add
        from penstock.host.declare import graph_of, import_flow

        if self.archive is not None:
            from penstock.host.archived_code import ArchivedCode

            self.code = ArchivedCode.fetched(self.archive, self.path).install()
        flow_class = import_flow(self.path, self.flow, self.code)
        add(flow_class, self.added, os.environ)
        return flow_class, graph_of(flow_class)
