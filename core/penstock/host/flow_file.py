"""A flow file and how it is read: the same in every process of a run."""

from __future__ import annotations

import json
import os

from penstock.host.declare import graph_of, import_flow

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from penstock.authoring.flow import FlowSpec
    from penstock.authoring.graph import Graph


class FlowFile:
    """path: as given, absolute in every other process; flow: which one, None for the only one; alias: a package that
    the file imports and that penstock stands in for, empty for none; added: decorators of `--with`, as typed."""

    __slots__ = ("added", "alias", "flow", "path")

    def __init__(
        self, path: str, flow: str | None = None, *, alias: str = "", added: Iterable[str] = ()
    ) -> None:
        self.path, self.flow, self.alias = path, flow, alias
        self.added = tuple(added)

    def text(self) -> str:
        """As a word of a command line."""
        return json.dumps([os.path.abspath(self.path), self.flow, self.alias, self.added])

    @classmethod
    def of(cls, text: str) -> FlowFile:
        """The inverse of `text`."""
        path, flow, alias, added = json.loads(text)
        return cls(path, flow, alias=alias, added=added)

    def load(self) -> tuple[type[FlowSpec], Graph]:
        """Import it, add decorators, read its graph. Raises FlowError with file:line, UsageError for a decorator."""
        if self.alias:
            from penstock.compat.finder import stand_in_for

            stand_in_for(self.alias)
        from penstock.authoring.additions import add

        flow_class = import_flow(self.path, self.flow)
        add(flow_class, self.added, os.environ)
        return flow_class, graph_of(flow_class)
