"""The catalogue in one SQLite file: real columns, so that "latest successful of 1,000 runs" is one query.

Light to import: SQLite itself (`sqlite_file.py`) is loaded by the first question or row, and a run begins before that.
"""

from __future__ import annotations

import os

from penstock.contracts.metadata import AttemptRow, MetadataStore, RunRow, TagRow
from penstock.errors import BackendMisconfigured
from penstock_local.file_system import network_kind

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path
    from typing import Any

    from penstock.contracts.datastore import Datastore
    from penstock.contracts.metadata import Row
    from penstock_local.sqlite_file import SqliteFile

_COLUMNS = {
    RunRow: ("run", ("flow", "run", "started_s", "ended_s", "outcome", "header")),
    AttemptRow: (
        "attempt",
        ("flow", "run", "step", "place", "attempt", "outcome", "started_s", "ended_s", "record"),
    ),
    TagRow: ("tag", ("flow", "run", "tag", "system")),
}


class SqliteMetadata(MetadataStore):
    """Rows in a file. path: default `catalogue.sqlite` beside the datastore's own folders."""

    def __init__(self, datastore: Datastore, path: str | None = None) -> None:
        super().__init__(datastore)
        self._given = path
        self._opened: SqliteFile | None = None

    @property
    def path(self) -> Path:
        """The file. Raises BackendMisconfigured where the datastore is no folder and no path was given."""
        from pathlib import Path

        return Path(self._place())

    def _place(self) -> str:
        found = self._given or self.datastore.local_path("catalogue.sqlite")
        if found is None:
            raise BackendMisconfigured(
                "the local catalogue needs a file, and this datastore has none",
                hint="--metadata=datastore   # or --metadata-path=FILE",
            )
        return os.path.abspath(found)

    @property
    def _file(self) -> SqliteFile:
        if self._opened is None:
            from penstock_local.sqlite_file import SqliteFile

            # Where a power cut may take objects with it, the catalogue of them need not survive one either.
            self._opened = SqliteFile(self._place(), durable=bool(self.datastore.options().get("durable")))
        return self._opened

    def unfit(self) -> str:
        """On a file system of a network."""
        folder = os.path.dirname(self._place())
        kind = network_kind(folder)
        return f"{folder} is on {kind}, where SQLite's locks can't be relied on" if kind else ""

    def needs_rebuild(self) -> bool:
        """Whether the file is missing, damaged, or was never filled to the end."""
        return not self._file.is_whole()

    def refill(self, batches: Iterable[Sequence[Row]]) -> None:
        """One transaction, begun before the first batch is asked for: other writers wait until it is done."""
        self._file.set_aside_if_damaged()
        self._file.transaction(lambda connection: self._fill(connection, batches))

    def _fill(self, connection: sqlite3.Connection, batches: Iterable[Sequence[Row]]) -> None:
        for rows in batches:
            _insert(connection, rows)
        self._file.settle(connection)

    def write(self, rows: Sequence[Row]) -> None:
        """One transaction."""
        self._file.transaction(lambda connection: _insert(connection, rows))

    def runs(
        self,
        flow: str | None = None,
        *,
        run: str | None = None,
        outcome: str | None = None,
        tags: Sequence[str] = (),
        limit: int | None = None,
    ) -> Iterator[RunRow]:
        """One query."""
        asked = {"flow": flow, "run": run, "outcome": outcome}
        wheres = [f"{name} = ?" for name, value in asked.items() if value is not None]
        values: list[Any] = [value for value in asked.values() if value is not None]
        for tag in tags:
            wheres.append("EXISTS (SELECT 1 FROM tag WHERE tag.tag = ? AND tag.flow = run.flow AND tag.run = run.run)")
            values.append(tag)
        where = f"WHERE {' AND '.join(wheres)}" if wheres else ""
        columns = ", ".join(_COLUMNS[RunRow][1])
        text = f"SELECT {columns} FROM run {where} ORDER BY run DESC LIMIT ?"
        for found in self._file.query(text, [*values, -1 if limit is None else limit]):
            yield RunRow(**dict(zip(_COLUMNS[RunRow][1], found, strict=True)))

    def attempts(
        self, flow: str, run: str, *, step: str | None = None, place: str | None = None
    ) -> Iterator[AttemptRow]:
        """One query."""
        asked = {"flow": flow, "run": run, "step": step, "place": place}
        where = " AND ".join(f"{name} = ?" for name, value in asked.items() if value is not None)
        columns = _COLUMNS[AttemptRow][1]
        text = f"SELECT {', '.join(columns)} FROM attempt WHERE {where}"
        rows = self._file.query(text, [value for value in asked.values() if value is not None])
        return (AttemptRow(**dict(zip(columns, row, strict=True))) for row in rows)

    def tags(self, flow: str, run: str) -> Iterator[TagRow]:
        """One query."""
        for tag, system in self._file.query("SELECT tag, system FROM tag WHERE flow = ? AND run = ?", [flow, run]):
            yield TagRow(flow=flow, run=run, tag=tag, system=bool(system))

    def forget(self, flow: str, run: str, tag: str | None = None) -> None:
        """One transaction."""

        def drop(connection: sqlite3.Connection) -> None:
            if tag is not None:
                connection.execute("DELETE FROM tag WHERE flow = ? AND run = ? AND tag = ?", [flow, run, tag])
                return
            for table in ("run", "attempt", "tag"):
                connection.execute(f"DELETE FROM {table} WHERE flow = ? AND run = ?", [flow, run])

        self._file.transaction(drop)

    def flows(self) -> Iterator[str]:
        """One query."""
        yield from (flow for (flow,) in self._file.query("SELECT DISTINCT flow FROM run", []))

    def options(self) -> dict[str, Any]:
        """Where the file is."""
        return {"path": self._given}

    def close(self) -> None:
        """Close this process's connection."""
        if self._opened is not None:
            self._opened.close()


def _insert(connection: sqlite3.Connection, rows: Sequence[Row]) -> None:
    for kind, (table, columns) in _COLUMNS.items():
        values = [tuple(getattr(row, name) for name in columns) for row in rows if isinstance(row, kind)]
        if values:
            marks = ",".join("?" * len(columns))
            connection.executemany(f"INSERT OR REPLACE INTO {table} VALUES ({marks})", values)
