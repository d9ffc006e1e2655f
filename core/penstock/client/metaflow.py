"""The root of the tree: all flows of a store."""

from __future__ import annotations

from penstock.client.client import Client
from penstock.client.default import default_client
from penstock.client.flow import Flow
from penstock.client.missing import missing_child
from penstock.errors import NamespaceMismatch, NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


class Metaflow:
    """Iterating gives the flows that have run, by name, as far as the namespace shows them;
    `Metaflow()["PetsFlow"]`."""

    def __init__(self, _namespace_check: bool = True, *, client: Client | None = None) -> None:
        self._client = client if client is not None else default_client()
        self._check_namespace = _namespace_check

    @property
    def flows(self) -> list[Flow]:
        """The flows, by name."""
        return list(self)

    def __iter__(self) -> Iterator[Flow]:
        for name in self._client.flow_names():
            try:
                yield self._flow(name)
            except NamespaceMismatch:
                continue

    def __getitem__(self, name: str) -> Flow:
        try:
            return self._flow(name)
        except NamespaceMismatch:
            raise
        except NotFound as error:
            raise missing_child(self, name, self._client.flow_names()) from error

    def _flow(self, name: str) -> Flow:
        return Flow(name, self._check_namespace, client=self._client)

    def __contains__(self, name: object) -> bool:
        return any(flow.id == name for flow in self)

    def _ipython_key_completions_(self) -> list[str]:
        return [flow.id for flow in self]

    def __repr__(self) -> str:
        return "Metaflow()"

    def _repr_html_(self) -> str:
        from penstock.client.html import flows_html

        return flows_html(self.flows)
