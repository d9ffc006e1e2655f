"""What all attempts of a host share: the flow, its graph, the store, and what was read once for many of them."""

from __future__ import annotations

import binascii

from penstock.storage import records

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from penstock.authoring.flow import FlowSpec
    from penstock.authoring.graph import Graph
    from penstock.contracts.datastore import Datastore
    from penstock.running.message import Message
    from penstock.storage.chunk_cache import ChunkCache
    from penstock.values import Record


class World:
    """What all attempts of a host share: the flow's class, its graph, the store, and facts of the run.

    opened: what the driver says to every host: `run`; `facts` as `current` shows them (`username`, `tags`,
    `origin_run_id`, `namespace`, those of a project); how the log sink and, where it can be reached, the catalogue are
    opened; `verify` of the settings; `riding`, key -> base64, of objects that came with what a job fetched.
    """

    def __init__(
        self, *, flow_class: type[FlowSpec], graph: Graph, datastore: Datastore, opened: Mapping[str, Any]
    ) -> None:
        self.flow_class, self.graph, self.datastore, self.opened = flow_class, graph, datastore, opened
        self.flow, self.run = graph.name, opened["run"]
        self.facts = {**opened["facts"], "tags": frozenset(opened["facts"].get("tags", ()))}
        self.riding = {key: binascii.a2b_base64(text) for key, text in opened.get("riding", {}).items()}
        self._constants: tuple[str, Record] | None = None
        self._parent: tuple[str, Record | None] = ("", None)
        self.cache = None if opened.get("cache") is None else _chunk_cache(opened["cache"])

    def constants(self, key: str) -> Record:
        """The record of `_parameters`. Read once a host: every attempt forked later has it already."""
        if self._constants is None or self._constants[0] != key:
            self._constants = (key, self._read(key))
        return self._constants[1]

    def parent(self, key: str) -> Record:
        """The record that a step reads, from what `foresee` has read where it did."""
        known, record = self._parent
        return record if record is not None and known == key else self._read(key)

    def foresee(self, message: Message) -> None:
        """Before a fork: read what this attempt and the next ones need alike, so that not each has to read it again.

        That is the parent's record from its second child on: the tasks of a foreach come one after another.
        """
        if message.constants:
            self.constants(message.constants)
        if len(message.parents) == 1:
            (key,) = message.parents
            known, record = self._parent
            self._parent = (key, None) if known != key else (key, record or self._read(key))

    def _read(self, key: str) -> Record:
        raw = self.riding.get(key)
        return records.decode_record(self.datastore.get(key) if raw is None else raw, key)


def _chunk_cache(how: Mapping[str, Any]) -> ChunkCache:
    """The one that the driver names to processes of its own machine."""
    from penstock.storage.chunk_cache import ChunkCache

    return ChunkCache(**how)
