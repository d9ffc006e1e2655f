"""Core's own backends: the catalogue and the log sink that live in any datastore."""

from __future__ import annotations

from penstock.plugin import Backend, hookimpl

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


@hookimpl
def penstock_backends() -> Iterator[Backend]:
    """What a datastore has for companions unless it names others."""
    yield Backend(
        kind="metadata",
        name="datastore",
        contract=1,
        summary="Reads runs and attempts where they stand: in the datastore itself.",
        target="penstock.storage.catalogue:DatastoreCatalogue",
        default=True,
    )
    yield Backend(
        kind="logging",
        name="datastore",
        contract=1,
        summary="Keeps output as objects of the datastore.",
        target="penstock.storage.logs:DatastoreLogSink",
        default=True,
    )
