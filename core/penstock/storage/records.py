"""Records in a datastore, format 1: encode, decode, claim, read.

A claim is an exclusive put of a small object that carries its writer's token: the first writer wins, the loser reads
the winner's. This is the only place where anything is decided. Source: the commit protocol in `docs/format.md`, checked
by a random model (each rule left out breaks an invariant).
"""

from __future__ import annotations

import json
import os

from penstock.errors import ChunkDamaged, KeyMissing, StoreVersion
from penstock.storage import bundle, keys
from penstock.storage.sha256 import sha256
from penstock.values import LOST, SUCCEEDED, Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Any

    from penstock.contracts.datastore import Datastore
    from penstock.storage.keys import At

FORMAT_VERSION = 1
_FIRST_WORD = b"penstock-"


# ------------------------------------------------------------------------------------------ one object


def encode(kind: str, data: Mapping[str, Any]) -> bytes:
    """An object of format 1: `penstock-KIND VERSION SHA256`, then JSON. kind: `record`, `run`, `lease` ..."""
    body = json.dumps(data, separators=(",", ":")).encode("ascii")
    return b"penstock-%s %d %s\n%s" % (
        kind.encode("ascii"),
        FORMAT_VERSION,
        sha256(body).hexdigest().encode("ascii"),
        body,
    )


def decode(raw: bytes, key: str = "") -> dict[str, Any]:
    """The JSON of an object. Raises ChunkDamaged when torn or empty, StoreVersion when written by a later version."""
    line, _, body = raw.partition(b"\n")
    words = line.split(b" ")
    begins = words[0].startswith(_FIRST_WORD) and words[0].removeprefix(_FIRST_WORD).isalpha()
    if not begins or len(words) != 3 or not words[1].isdigit():
        raise ChunkDamaged(f"{key or 'an object'} is empty or torn")
    version = int(words[1])
    if version > FORMAT_VERSION:
        raise StoreVersion(
            f"{key or 'an object'} has format {version}; this penstock reads up to {FORMAT_VERSION}",
            hint="pip install --upgrade penstock",
        )
    if sha256(body).hexdigest().encode("ascii") != words[2]:
        raise ChunkDamaged(f"{key or 'an object'} is torn: its first line does not match the rest")
    data = json.loads(str(body, "utf-8"))  # text: of bytes, json would first guess the encoding
    if not isinstance(data, dict):
        raise ChunkDamaged(f"{key or 'an object'} holds no JSON object")
    return data


def kind_of(raw: bytes) -> str:
    """What an object is, by its first line; empty for one that is torn."""
    try:
        decode(raw)
    except ChunkDamaged:
        return ""
    return raw[len(_FIRST_WORD) : raw.index(b" ")].decode("ascii")


def read(store: Datastore, key: str) -> dict[str, Any] | None:
    """The JSON under `key`; None when missing or torn: after a power cut nobody is stuck behind an empty object."""
    try:
        return decode(store.get(key), key)
    except (KeyMissing, ChunkDamaged):
        return None


def new_token() -> str:
    """Names one writer of one claim, so that after a lost answer it knows its own work."""
    return os.urandom(8).hex()


def claim(store: Datastore, key: str, kind: str, data: Mapping[str, Any]) -> tuple[bool, dict[str, Any]]:
    """Put exclusively; `data` has a `token`. Returns (whether this writer won, what stands there now).

    A torn object counts as lost to everybody: `({}`, not won).
    """
    if store.put(key, encode(kind, data)):
        return True, dict(data)
    standing = read(store, key) or {}
    return standing.get("token") == data["token"], standing


# -------------------------------------------------------------------------------------------- records


def encode_record(record: Record) -> bytes:
    """A record as an object."""
    return encode("record", record.data())


def decode_record(raw: bytes | None, key: str) -> Record:
    """A record from an object; one that is empty, torn or missing is LOST, for every reader alike."""
    if raw is not None:
        try:
            return Record.of(decode(raw, key))
        except ChunkDamaged:
            pass
    at = keys.record_of(key)
    if at is None or at.run is None or at.step is None or at.place is None or at.attempt is None:
        raise ChunkDamaged(f"{key} is not the key of a record")
    return Record(
        flow=at.flow, run=at.run, step=at.step, place=at.place, attempt=at.attempt,
        outcome=LOST, token="", writer="nobody", reason="its record is empty or torn",
    )  # fmt: skip


def key_of(record: Record) -> str:
    """The key under which a record stands; of one that takes over another run's, the other's."""
    return record.refers or keys.record(record.flow, record.run, record.step, record.place, record.attempt)


def claim_record(store: Datastore, record: Record) -> tuple[bool, Record]:
    """Commit an attempt. Returns (whether this writer's record stands, the record that stands)."""
    key = keys.record(record.flow, record.run, record.step, record.place, record.attempt)
    raw = encode_record(record)
    if store.put(key, raw):
        return True, record
    standing = read_record(store, key)
    return standing.token == record.token, standing


def read_record(store: Datastore, key: str) -> Record:
    """The record under `key`; LOST when torn. Raises KeyMissing when there is none."""
    return decode_record(store.get(key), key)


def read_records(store: Datastore, record_keys: Iterable[str]) -> Iterator[Record]:
    """Records in the order asked; one that is missing or torn is LOST."""
    return (record for record, _ in read_raw(store, record_keys))


def read_raw(store: Datastore, record_keys: Iterable[str]) -> Iterator[tuple[Record, bytes]]:
    """The same, each with its object byte for byte, which is empty where it is missing."""
    for key, raw in store.get_many(record_keys):
        yield decode_record(raw, key), raw or b""


def list_records(store: Datastore, flow: str, run: str) -> Iterator[str]:
    """Keys of all records of a run, in any order: one listing."""
    for found in store.list(keys.tasks_prefix(flow, run)):
        if found.key.endswith(".record"):
            yield found.key


def list_attempts(store: Datastore, flow: str, run: str) -> tuple[list[str], list[At], list[At]]:
    """Keys of all records of a run; the attempts that a job elsewhere has claimed and that have no record yet; those
    that have staged one, as nodes of a gang. In any order, of one listing.
    """
    stems: dict[str, set[str]] = {".record": set(), ".owner": set(), ".staged": set()}
    for found in store.list(keys.tasks_prefix(flow, run)):
        stem, dot, kind = found.key.rpartition(".")
        if dot + kind in stems:
            stems[dot + kind].add(stem)
    recorded, owned, staged = stems.values()
    return (
        [f"{stem}.record" for stem in recorded],
        [_attempt_of(flow, run, stem) for stem in owned - recorded],
        [_attempt_of(flow, run, stem) for stem in staged],
    )


def _attempt_of(flow: str, run: str, stem: str) -> At:
    *_, step, place, number = stem.split("/")
    return flow, run, keys.name(step), keys.name(place), int(number)


def fold(found: Iterable[Record]) -> dict[tuple[str, str], list[Record]]:
    """Records by task (step, place), attempts in order."""
    tasks: dict[tuple[str, str], list[Record]] = {}
    for record in found:
        tasks.setdefault((record.step, record.place), []).append(record)
    for attempts in tasks.values():
        attempts.sort(key=lambda record: record.attempt)
    return tasks


def standing(attempts: Iterable[Record]) -> Record | None:
    """The success among the attempts of a task, None where there is none. The protocol allows one at most."""
    for record in attempts:
        if record.outcome == SUCCEEDED:
            return record
    return None


class BundledRecords:
    """The records of a bundle, each decoded when it is asked for: most joins read a little of each, if anything.

    Raises ChunkDamaged, on construction for what is no bundle.
    """

    def __init__(self, raw: bytes, key: str) -> None:
        self._raw, self._key = raw, key
        try:
            self._bundle = bundle.BundleReader(len(raw), lambda start, length: raw[start : start + length])
        except ValueError as error:
            raise ChunkDamaged(f"{key} is damaged: {error}") from error

    def __len__(self) -> int:
        count: int = self._bundle.count
        return count

    def __getitem__(self, number: int) -> Record:
        return Record.of(decode(self._bundle.item(number), f"record {number} of {self._key}"))

    def __iter__(self) -> Iterator[Record]:
        return (self[number] for number in range(len(self)))

    @property
    def have_chunks(self) -> bool:
        """Whether any of them may have an artifact outside of itself; within a text of JSON a quote is escaped."""
        return b'"chunks":' in self._raw or b'"list":' in self._raw


def decode_bundle(raw: bytes, key: str) -> Iterator[Record]:
    """The records of a bundle. Raises ChunkDamaged."""
    return (record for record, _ in decode_bundle_raw(raw, key))


def decode_bundle_raw(raw: bytes, key: str) -> Iterator[tuple[Record, bytes]]:
    """The same, each with its object byte for byte."""
    try:
        for item in bundle.decode(raw):
            yield Record.of(decode(item, key)), item
    except ValueError as error:
        raise ChunkDamaged(f"{key} is damaged: {error}") from error


# ---------------------------------------------------------------------------------- the store as a whole


def open_format(store: Datastore, *, write: bool) -> None:
    """Check that the store has a format we know; with `write`, mark a new one.

    Raises StoreVersion when it was written by a later version or by another program.
    """
    try:
        raw = store.get(keys.FORMAT)
    except KeyMissing:
        if write:
            store.put(keys.FORMAT, encode("format", {"product": "penstock", "version": FORMAT_VERSION}))
        return
    try:
        decode(raw, f"{store.label}/{keys.FORMAT}")
    except ChunkDamaged as error:
        raise StoreVersion(
            f"{store.label} is not a store of penstock: its file `format` reads {raw[:40]!r}",
            hint="flow config   # which setting names it; choose another place",
        ) from error
