"""The catalogue in one SQLite file: real columns, so that "latest successful of 1,000 runs" is one query.

WAL, one short transaction a batch, `synchronous=NORMAL`: a lost row is written again from the datastore. No connection
crosses a fork: each process opens its own.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import time
from pathlib import Path

from penstock.contracts.metadata import AttemptRow, MetadataStore, RunRow, TagRow
from penstock.errors import BackendMisconfigured, BackendUnavailable
from penstock_local.file_system import network_kind

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import Any

    from penstock.contracts.datastore import Datastore
    from penstock.contracts.metadata import Row

BUSY_S = 30.0
CACHE_KIB = 256  # rows are written once and in order: more pages in memory would serve nobody
VERSION = 1

_SCHEMA = """
CREATE TABLE IF NOT EXISTS run (
    flow TEXT, run TEXT, started_s REAL, ended_s REAL, outcome TEXT, header BLOB, PRIMARY KEY (flow, run)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS run_by_outcome ON run (flow, outcome, run);
CREATE TABLE IF NOT EXISTS attempt (
    flow TEXT, run TEXT, step TEXT, place TEXT, attempt INTEGER,
    outcome TEXT, started_s REAL, ended_s REAL, record BLOB,
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

    def unfit(self) -> str:
        """On a file system of a network."""
        folder = self.path.parent
        kind = network_kind(str(folder))
        return f"{folder} is on {kind}, where SQLite's locks can't be relied on" if kind else ""

    def _connect(self) -> sqlite3.Connection:
        if self._connection is not None and self._owner == os.getpid():
            return self._connection
        path, connection = self.path, None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
            _turn_to_wal(connection)
            connection.execute("PRAGMA synchronous=NORMAL")
            connection.execute(f"PRAGMA cache_size=-{CACHE_KIB}")
            if connection.execute("PRAGMA user_version").fetchone()[0] != VERSION:
                connection.executescript(f"BEGIN IMMEDIATE;{_SCHEMA}COMMIT;")
        except (sqlite3.DatabaseError, OSError) as error:
            if connection is not None:
                connection.close()
            raise self._explained(error) from error
        self._connection, self._owner = connection, os.getpid()
        return connection

    def _explained(self, error: Exception) -> BackendUnavailable:
        self.close()
        after = "; the next run fills a new one from the datastore" if _is_damage(error) else ""
        return BackendUnavailable(f"the catalogue {self.path}: {error}{after}")

    def needs_rebuild(self) -> bool:
        """Whether the file is missing, damaged, or was never filled to the end: then its version is not set."""
        try:
            version = self._query("PRAGMA user_version", ())
            self._query("SELECT count(*) FROM run", ())
        except BackendUnavailable as error:
            return _is_damage(error.__cause__)
        return version != [(VERSION,)]

    def refill(self, batches: Iterable[Sequence[Row]]) -> None:
        """One transaction, begun before the first batch is asked for: other writers wait until it is done."""
        with self._lock:
            if self.path.exists() and self._is_damaged():
                self._set_aside()
        self._transaction(lambda connection: self._fill(connection, batches))

    def _is_damaged(self) -> bool:
        """Reads each page of the file."""
        try:
            return self._connect().execute("PRAGMA quick_check(1)").fetchall() != [("ok",)]
        except BackendUnavailable as error:
            return _is_damage(error.__cause__)
        except sqlite3.DatabaseError as error:
            return _is_damage(error)

    def _fill(self, connection: sqlite3.Connection, batches: Iterable[Sequence[Row]]) -> None:
        for rows in batches:
            _insert(connection, rows)
        connection.execute(f"PRAGMA user_version={VERSION}")

    def _transaction(self, work: Callable[[sqlite3.Connection], None]) -> None:
        """All or nothing. A file that turns out to be damaged is set aside: what it knew is in the datastore."""
        with self._lock:
            try:
                self._committed(work)
            except BackendUnavailable as error:
                if _is_damage(error.__cause__):
                    self._set_aside()
                raise

    def _committed(self, work: Callable[[sqlite3.Connection], None]) -> None:
        connection = self._connect()
        try:
            connection.execute("BEGIN IMMEDIATE")
            work(connection)
            connection.execute("COMMIT")
        except BaseException as error:
            with contextlib.suppress(sqlite3.DatabaseError):  # the file is damaged, or nothing had begun
                connection.execute("ROLLBACK")
            if isinstance(error, sqlite3.DatabaseError):
                raise self._explained(error) from error
            raise

    def _set_aside(self) -> None:
        self.close()
        aside = f"{self.path}.damaged-{time.time_ns()}"
        for tail in ("", "-wal", "-shm"):
            with contextlib.suppress(FileNotFoundError):
                os.replace(f"{self.path}{tail}", f"{aside}{tail}")

    def _query(self, text: str, values: Sequence[Any]) -> list[Any]:
        if not os.path.exists(self.path):  # a folder of another user, too: the datastore says so
            return []
        with self._lock:
            try:
                return self._connect().execute(text, values).fetchall()
            except sqlite3.DatabaseError as error:
                raise self._explained(error) from error

    def write(self, rows: Sequence[Row]) -> None:
        """One transaction."""
        self._transaction(lambda connection: _insert(connection, rows))

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

    def attempts(
        self, flow: str, run: str, *, step: str | None = None, place: str | None = None
    ) -> Iterator[AttemptRow]:
        """One query."""
        asked = {"flow": flow, "run": run, "step": step, "place": place}
        where = " AND ".join(f"{name} = ?" for name, value in asked.items() if value is not None)
        columns = _COLUMNS[AttemptRow][1]
        text = f"SELECT {', '.join(columns)} FROM attempt WHERE {where}"
        rows = self._query(text, [value for value in asked.values() if value is not None])
        return (AttemptRow(**dict(zip(columns, row, strict=True))) for row in rows)

    def tags(self, flow: str, run: str) -> Iterator[TagRow]:
        """One query."""
        for tag, system in self._query("SELECT tag, system FROM tag WHERE flow = ? AND run = ?", [flow, run]):
            yield TagRow(flow=flow, run=run, tag=tag, system=bool(system))

    def forget(self, flow: str, run: str, tag: str | None = None) -> None:
        """One transaction."""

        def drop(connection: sqlite3.Connection) -> None:
            if tag is not None:
                connection.execute("DELETE FROM tag WHERE flow = ? AND run = ? AND tag = ?", [flow, run, tag])
                return
            for table in ("run", "attempt", "tag"):
                connection.execute(f"DELETE FROM {table} WHERE flow = ? AND run = ?", [flow, run])

        self._transaction(drop)

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

    def __del__(self) -> None:
        """A reader in a notebook is dropped, not closed; from 3.13 on Python warns of connections left open."""
        self.close()


def _insert(connection: sqlite3.Connection, rows: Sequence[Row]) -> None:
    for kind, (table, columns) in _COLUMNS.items():
        values = [tuple(getattr(row, name) for name in columns) for row in rows if isinstance(row, kind)]
        if values:
            marks = ",".join("?" * len(columns))
            connection.executemany(f"INSERT OR REPLACE INTO {table} VALUES ({marks})", values)


def _turn_to_wal(connection: sqlite3.Connection) -> None:
    """Of two that turn a new file to WAL at once SQLite refuses one without letting it wait: it tries again."""
    until = time.monotonic() + BUSY_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() >= until:
                raise
            time.sleep(0.005)


def _is_damage(error: BaseException | None) -> bool:
    """Whether SQLite says that the file's bytes are wrong, and not that it is busy, read-only or out of reach."""
    wrong = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
    return isinstance(error, sqlite3.DatabaseError) and (getattr(error, "sqlite_errorcode", 0) & 0xFF) in wrong
