"""What a flow file declares, as data that crosses processes."""

from __future__ import annotations

from penstock.authoring.graph import Graph

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from penstock.host.flow_file import FlowFile


class Declaration:
    """What a flow file declares, as data that crosses processes.

    file: absolute path; parameters: one dict each, `Parameter.data()` and attribute; environ: variables that the file
    set, None for one that it removed; modules: files that it imported from its own folder; later: those that its steps
    will import; packages: versions of what it imported; decorators: names that it imported of step decorators that
    plugins bring; doc: of the class; project: of `@project`; alias, added, copy_of: how the file was read (`FlowFile`).
    """

    __slots__ = (
        "added", "alias", "copy_of", "decorators", "doc", "environ", "file", "flow", "graph", "later", "modules",
        "packages", "parameters", "project",
    )  # fmt: skip

    def __init__(
        self,
        *,
        flow: str,
        file: str,
        graph: Graph,
        parameters: list[dict[str, Any]],
        environ: dict[str, str | None],
        modules: list[str],
        later: list[str],
        packages: dict[str, str] | None = None,
        decorators: list[str] | None = None,
        doc: str = "",
        project: dict[str, Any] | None = None,
        alias: str = "",
        added: Iterable[str] = (),
        copy_of: str = "",
    ) -> None:
        self.flow, self.file, self.graph, self.parameters = flow, file, graph, parameters
        self.environ, self.modules, self.later = environ, modules, later
        self.packages, self.doc = packages or {}, doc
        self.decorators = decorators or []
        self.project, self.alias, self.added, self.copy_of = project, alias, list(added), copy_of

    def source(self) -> FlowFile:
        """The file, and how another process reads it in the same way."""
        from penstock.host.flow_file import FlowFile

        return FlowFile(self.file, self.flow, alias=self.alias, added=self.added, copy_of=self.copy_of)

    def data(self) -> dict[str, Any]:
        """As JSON."""
        return {**{name: getattr(self, name) for name in self.__slots__}, "graph": self.graph.data()}

    @classmethod
    def of(cls, data: dict[str, Any]) -> Declaration:
        """The inverse of `data`."""
        return cls(**{**data, "graph": Graph.of(data["graph"])})
