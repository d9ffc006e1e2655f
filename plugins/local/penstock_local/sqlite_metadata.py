"""The catalogue in one SQLite file: real columns, so that "latest successful of 1,000 runs" is one query.

WAL, one short transaction a batch, `synchronous=NORMAL`: a lost row is written again from the datastore. No connection
crosses a fork: each process opens its own.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from pathlib import Path

from penstock.contracts.metadata import AttemptRow, MetadataStore, RunRow, TagRow
from penstock.errors import BackendMisconfigured, BackendUnavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from penstock.contracts.datastore import Datastore
    from penstock.contracts.metadata import Row

BUSY_S = 30.0
VERSION = 1

_SCHEMA = """
CREATE TABLE IF NOT EXISTS run (
    flow TEXT, run TEXT, started_s REAL, ended_s REAL, outcome TEXT, header BLOB, PRIMARY KEY (flow, run)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS run_by_outcome ON run (flow, outcome, run);
CREATE TABLE IF NOT EXISTS attempt (
    flow TEXT, run TEXT, step TEXT, place TEXT, attempt INTEGER, outcome TEXT, started_s REAL, ended_s REAL, record BLOB,
    PRIMARY KEY (flow, run, step, place, attempt)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS tag (
    flow TEXT, run TEXT, tag TEXT, system INTEGER, PRIMARY KEY (flow, run, tag)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS tag_by_text ON tag (tag, flow, run);
"""
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
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._owner = -1

    @property
    def path(self) -> Path:
        """The file. Raises BackendMisconfigured where the datastore is no folder and no path was given."""
        found = Path(self._given) if self._given else self.datastore.local_path("catalogue.sqlite")
        if found is None:
            raise BackendMisconfigured(
                "the local catalogue needs a file, and this datastore has none",
                hint="--metadata=datastore   # or --metadata-path=FILE",
            )
        return found

    def _connect(self) -> sqlite3.Connection:
        if self._connection is not None and self._owner == os.getpid():
            return self._connection
        path = self.path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=NORMAL")
            if connection.execute("PRAGMA user_version").fetchone()[0] != VERSION:
                connection.executescript(f"BEGIN;{_SCHEMA}PRAGMA user_version={VERSION};COMMIT;")
        except (sqlite3.DatabaseError, OSError) as error:
            raise self._explained(error) from error
        self._connection, self._owner = connection, os.getpid()
        return connection

    def _explained(self, error: Exception) -> BackendUnavailable:
        self.close()
        hint = ""
        if isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError):
            hint = f"mv {self.path} {self.path}.damaged   # it is made again from the datastore"
        return BackendUnavailable(f"the catalogue {self.path}: {error}", hint=hint)

    def _query(self, text: str, values: Sequence[Any]) -> list[Any]:
        if not self.path.exists():
            return []
        with self._lock:
            try:
                return self._connect().execute(text, values).fetchall()
            except sqlite3.DatabaseError as error:
                raise self._explained(error) from error

    def write(self, rows: Sequence[Row]) -> None:
        """One transaction."""
        with self._lock:
            connection = self._connect()
            try:
                connection.execute("BEGIN IMMEDIATE")
                for kind, (table, columns) in _COLUMNS.items():
                    values = [tuple(getattr(row, name) for name in columns) for row in rows if isinstance(row, kind)]
                    if values:
                        marks = ",".join("?" * len(columns))
                        connection.executemany(f"INSERT OR REPLACE INTO {table} VALUES ({marks})", values)
                connection.execute("COMMIT")
            except sqlite3.DatabaseError as error:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise self._explained(error) from error

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
        for found in self._query(text, [*values, -1 if limit is None else limit]):
            yield RunRow(**dict(zip(_COLUMNS[RunRow][1], found, strict=True)))

    def attempts(self, flow: str, run: str, *, step: str | None = None, place: str | None = None) -> Iterator[AttemptRow]:
        """One query."""
        asked = {"flow": flow, "run": run, "step": step, "place": place}
        where = " AND ".join(f"{name} = ?" for name, value in asked.items() if value is not None)
        columns = _COLUMNS[AttemptRow][1]
        text = f"SELECT {', '.join(columns)} FROM attempt WHERE {where}"
        for found in self._query(text, [value for value in asked.values() if value is not None]):
            yield AttemptRow(**dict(zip(columns, found, strict=True)))

    def tags(self, flow: str, run: str) -> Iterator[TagRow]:
        """One query."""
        for tag, system in self._query("SELECT tag, system FROM tag WHERE flow = ? AND run = ?", [flow, run]):
            yield TagRow(flow=flow, run=run, tag=tag, system=bool(system))

    def forget(self, flow: str, run: str, tag: str | None = None) -> None:
        """One transaction."""
        with self._lock:
            connection = self._connect()
            try:
                connection.execute("BEGIN IMMEDIATE")
                if tag is not None:
                    connection.execute("DELETE FROM tag WHERE flow = ? AND run = ? AND tag = ?", [flow, run, tag])
                else:
                    for table in ("run", "attempt", "tag"):
                        connection.execute(f"DELETE FROM {table} WHERE flow = ? AND run = ?", [flow, run])
                connection.execute("COMMIT")
            except sqlite3.DatabaseError as error:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise self._explained(error) from error

    def flows(self) -> Iterator[str]:
        """One query."""
        yield from (flow for (flow,) in self._query("SELECT DISTINCT flow FROM run", []))

    def options(self) -> dict[str, Any]:
        """Where the file is."""
        return {"path": self._given}

    def close(self) -> None:
        """Close this process's connection."""
        if self._connection is not None and self._owner == os.getpid():
            self._connection.close()
        self._connection = None
