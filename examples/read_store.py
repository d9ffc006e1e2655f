"""Read a store of penstock, format 1, with the standard library alone. What it relies on stands in docs/format.md.

    python read_store.py STORE                         the runs of the store
    python read_store.py STORE FLOW/RUN                the tasks of a run
    python read_store.py STORE FLOW/RUN/STEP/TASK      output and artifacts of a task

Only plain values (numbers, text, lists, dicts ...) are unpickled, and no code of the store's writers is run for that.
"""

import base64
import hashlib
import io
import itertools
import json
import pickle
import re
import struct
import sys
import zlib
from pathlib import Path

CHUNK_BYTES = 4 << 20
FIRST_LINE = re.compile(rb"penstock-([a-z]+) (\d+) ([0-9a-f]{64})\n")
BUNDLE_MARK = b"pstkbdl1"


def read_object(raw):
    """The JSON of a header, record, outcome or tag; None where the object is empty or torn."""
    first = FIRST_LINE.match(raw)
    if first is None:
        return None
    if int(first[2]) > 1:
        raise SystemExit(f"format {first[2].decode()} is newer than this script")
    body = raw[first.end() :]
    return json.loads(body) if hashlib.sha256(body).hexdigest() == first[3].decode() else None


def read_file(path):
    """The same of a file; None where it is missing."""
    return read_object(path.read_bytes()) if path.exists() else None


def read_bundle(raw):
    """The items of a bundle, in order."""
    count, mark = struct.unpack("<Q8s", raw[-16:])
    if mark != BUNDLE_MARK:
        raise SystemExit("not a bundle")
    table = len(raw) - 16 - 8 * (count + 1)
    offsets = struct.unpack(f"<{count + 1}Q", raw[table:-16])
    return [raw[start:end] for start, end in itertools.pairwise(offsets)]


def key_part(name):
    """A name as one part of a key: other than plain characters as `=` and two hex digits, long ones as a hash."""
    raw = name.encode("utf-8", "surrogateescape")
    plain = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._~-"
    quoted = "".join(chr(byte) if byte in plain else f"={byte:02X}" for byte in raw)
    if quoted.startswith("."):
        quoted = "=2E" + quoted[1:]
    return quoted if len(quoted) <= 120 else "=" + hashlib.sha256(raw).hexdigest()


# ------------------------------------------------------------------------------------------------- values


def read_chunk(store, name, size):
    """One chunk, `SHA256.codec`, checked against its name."""
    sha256, codec = name.split(".")
    data = (store / "chunks" / name[:2] / name).read_bytes()
    if codec == "zlib":
        data = zlib.decompressobj().decompress(data, size)
    elif codec == "zstd":
        data = zstd().decompress(data)
    if hashlib.sha256(data).hexdigest() != sha256:
        raise ValueError(f"chunk {name} is damaged")
    return data


def zstd():
    """The module that reads zstd: part of Python from 3.14 on."""
    try:
        from compression import zstd as module
    except ImportError:
        try:
            from backports import zstd as module
        except ImportError:
            raise ValueError("compressed with zstd: read it with Python 3.14, or pip install backports.zstd") from None
    return module


def read_part(store, part):
    """The bytes of a part: inline, or chunks of 4 MiB."""
    if "inline" in part:
        return base64.b64decode(part["inline"])
    names = part.get("chunks")
    if names is None:
        names = json.loads(read_chunk(store, part["list"], 64 << 20))
    sizes = [min(CHUNK_BYTES, part["size"] - start) for start in range(0, part["size"], CHUNK_BYTES)]
    return b"".join(read_chunk(store, name, size) for name, size in zip(names, sizes, strict=True))


class PlainUnpickler(pickle.Unpickler):
    """Refuses every class, so that nothing but plain values comes out and nobody's code runs."""

    def find_class(self, module, name):
        raise ValueError(f"a value of {module}.{name}")


def value_text(store, row):
    """A plain value as text; of others the preview that their writer left."""
    try:
        buffers = [read_part(store, part) for part in row.get("buffers", ())]
        return repr(PlainUnpickler(io.BytesIO(read_part(store, row["stream"])), buffers=buffers).load())
    except (ValueError, OSError, pickle.UnpicklingError, EOFError) as reason:
        return f"<{row['type']}, {row['size']} bytes> {row.get('preview', '')}  ({reason})"


# --------------------------------------------------------------------------------------------------- runs


def records_of(run):
    """Every record of a run: its own, and what it took from the run that it resumed."""
    for path in run.glob("tasks/*/*/*.record"):
        record = read_file(path)
        if record is not None:  # one that is empty or torn counts as lost
            yield record
    if (run / "taken").exists():
        for item in read_bundle((run / "taken").read_bytes()):
            yield read_object(item)


def place_order(record):
    """Tasks of a foreach in the order of their numbers: `2` before `17`, `17` before `17~1`."""
    return [[int(number) for number in re.split("~", frame)] for frame in record["place"].split(".")], record["attempt"]


def list_runs(store):
    for path in sorted(store.glob("runs/*/*/run"), key=lambda path: path.parent.name, reverse=True):
        header = read_file(path)
        if header is None:
            continue
        outcome = read_file(path.parent / "outcome") or {"outcome": "without an outcome: it runs or died"}
        print(f"{header['flow']}/{header['run']}  {outcome['outcome']}  by {header['user']}")


def list_tasks(run):
    for record in sorted(records_of(run), key=lambda record: (record["started_s"], *place_order(record))):
        seconds = record["ended_s"] - record["started_s"]
        print(f"{record['step']}/{record['place']}/{record['attempt']}  {record['outcome']}  {seconds:.1f}s")


def show_task(store, run, step, place):
    attempts = [record for record in records_of(run) if (record["step"], record["place"]) == (step, place)]
    if not attempts:
        raise SystemExit(f"no record of {step}/{place}")
    attempts.sort(key=lambda record: (record["outcome"] == "succeeded", record["attempt"]))
    record = attempts[-1]  # the success, else the newest
    print(f"{record['outcome']}, attempt {record['attempt']}")
    for stream in ("stdout", "stderr"):
        text = output_of(store, record, stream)
        if text:
            print(f"--- {stream}\n{text.rstrip()}")
    constants = [one for one in records_of(run) if one["step"] == "_parameters" and one["outcome"] == "succeeded"]
    rows = {**(constants[0].get("artifacts", {}) if constants else {}), **record.get("artifacts", {})}
    print("--- artifacts")
    for name in sorted(rows):
        if name != "_foreach_items":
            print(f"{name} = {value_text(store, rows[name])}")


def output_of(store, record, stream):
    """Short output stands in the record, long output in files: whole ones of local logging, or pieces by offset."""
    kept = record.get(stream) or {}
    if "text" in kept:
        return kept["text"]
    at = [key_part(record[name]) for name in ("flow", "run", "step", "place")]
    whole = store / "logs" / "/".join(at) / f"{record['attempt']}.{stream}"
    pieces = sorted((store / "runs" / at[0] / at[1] / "logs" / at[2] / at[3]).glob(f"{record['attempt']}.{stream}.*"))
    data = whole.read_bytes() if whole.exists() else b"".join(piece.read_bytes() for piece in pieces)
    return data.decode("utf-8", "replace")


def main(arguments):
    if not 1 <= len(arguments) <= 2:
        raise SystemExit(__doc__)
    store = Path(arguments[0])
    if read_file(store / "format") is None:
        raise SystemExit(f"{store} is no store of penstock")
    if len(arguments) == 1:
        return list_runs(store)
    flow, run, *task = arguments[1].split("/")
    folder = store / "runs" / key_part(flow) / key_part(run)
    return show_task(store, folder, *task) if len(task) == 2 else list_tasks(folder)


if __name__ == "__main__":
    main(sys.argv[1:])
