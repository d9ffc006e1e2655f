"""The file of the catalogue: its schema, its connection, whole transactions, and what is done when it is damaged.

WAL, one short transaction a batch. It is synced to the disk where its datastore is: a lost row is written again from
there. No connection crosses a fork: each process opens its own.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import time

from penstock.errors import BackendUnavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

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


class SqliteFile:
    """path: of the file, made when it is first written; durable: what was written survives a power cut, too."""

    def __init__(self, path: str, *, durable: bool) -> None:
        self.path = path
        self._synchronous = "NORMAL" if durable else "OFF"
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._owner = -1

    def _connect(self) -> sqlite3.Connection:
        if self._connection is not None and self._owner == os.getpid():
            return self._connection
        connection = None
        try:
            os.makedirs(os.path.dirname(self.path), exist_ok=True)
            connection = sqlite3.connect(self.path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
            _turn_to_wal(connection)
            connection.execute(f"PRAGMA synchronous={self._synchronous}")
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
        after = "; the next run fills a new one from the datastore" if is_damage(error) else ""
        return BackendUnavailable(f"the catalogue {self.path}: {error}{after}")

    def is_whole(self) -> bool:
        """Whether it is there, undamaged, and was filled to its end: then its version is set."""
        try:
            version = self.query("PRAGMA user_version", ())
            self.query("SELECT count(*) FROM run", ())
        except BackendUnavailable as error:
            return not is_damage(error.__cause__)
        return version == [(VERSION,)]

    def set_aside_if_damaged(self) -> None:
        """What it knew is in the datastore. Reads each page of the file."""
        with self._lock:
            if os.path.exists(self.path) and self._is_damaged():
                self._set_aside()

    def settle(self, connection: sqlite3.Connection) -> None:
        """It is filled to its end; in a transaction."""
        connection.execute(f"PRAGMA user_version={VERSION}")

    def _is_damaged(self) -> bool:
        """Reads each page of the file."""
        try:
            return self._connect().execute("PRAGMA quick_check(1)").fetchall() != [("ok",)]
        except BackendUnavailable as error:
            return is_damage(error.__cause__)
        except sqlite3.DatabaseError as error:
            return is_damage(error)

    def transaction(self, work: Callable[[sqlite3.Connection], None]) -> None:
        """All or nothing. A file that turns out to be damaged is set aside: what it knew is in the datastore."""
        with self._lock:
            try:
                self._committed(work)
            except BackendUnavailable as error:
                if is_damage(error.__cause__):
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

    def query(self, text: str, values: Sequence[Any]) -> list[Any]:
        """All rows; none where there is no file."""
        if not os.path.exists(self.path):  # a folder of another user, too: the datastore says so
            return []
        with self._lock:
            try:
                return self._connect().execute(text, values).fetchall()
            except sqlite3.DatabaseError as error:
                raise self._explained(error) from error

    def close(self) -> None:
        """Close this process's connection."""
        if self._connection is not None and self._owner == os.getpid():
            self._connection.close()
        self._connection = None

    def __del__(self) -> None:
        """A reader in a notebook is dropped, not closed; from 3.13 on Python warns of connections left open."""
        self.close()


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


def is_damage(error: BaseException | None) -> bool:
    """Whether SQLite says that the file's bytes are wrong, and not that it is busy, read-only or out of reach."""
    wrong = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
    return isinstance(error, sqlite3.DatabaseError) and (getattr(error, "sqlite_errorcode", 0) & 0xFF) in wrong
