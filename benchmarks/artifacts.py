"""Saving and loading large artifacts: speed and memory, beside Metaflow where an environment of its own is given.

    python benchmarks/artifacts.py [--mb 512] [--rounds 5] [--kind array --kind bytes] [--folder SCRATCH]
                                   [--metaflow PYTHON] [--metaflow-rounds 1]

Run it with the Python that has penstock and numpy; PYTHON is one that has metaflow and numpy. Three parts:

- store: one process saves the value and claims a record; a second one loads a copy, maps it, and compares every byte.
- flow: the same flow file on both sides, `produce` makes the value, `consume` reads it in another process. Saving
  is the time from the end of one body to the begin of the next, less the same of a flow whose value is 0. Compared by
  sha256.
- memory: `flow` once more, with the largest sum of anonymous memory (`Pss_Anon`) of all processes of the run.

`sync` before each round, and fresh memory right before each part that is timed, on both sides alike: a virtual machine
may give memory that was free for a second or two back to its host, and to get it again takes far longer than what is
measured (2.6 s instead of 0.04 s for 512 MiB were seen). Medians, the first round of the store not counted.
Bars, for 512 MiB: save at least 50x and copied load at least 12x as fast as Metaflow, mapped load (map, then one
element of each chunk) at most 30 ms, memory at most 1.15x the value plus 64 MB. A `bytes` object owns its memory, so it
can't be mapped. Without --metaflow the two ratios are left out.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from sides import PENSTOCK, Side

BARS = {"save": 50.0, "load": 12.0, "mapped_ms": 30.0}
MIB = 1 << 20

VALUE = """
def warm_up(mb):
    import mmap, os
    for advice in ("MADV_NOHUGEPAGE", "MADV_HUGEPAGE") if os.environ.get("BENCH_WARM") and mb else ():
        with mmap.mmap(-1, mb << 20, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as memory:
            memory.madvise(getattr(mmap, advice))  # the system keeps small pages and huge ones apart
            for page in range(0, mb << 20, mmap.PAGESIZE):
                memory[page] = 1

def make(kind, mb):
    import numpy, tempfile
    generator = numpy.random.default_rng(0)
    if kind == "array":
        return generator.random(mb << 17)  # float64, which hardly anything can compress
    with tempfile.TemporaryFile(dir=".") as file:  # the same bytes, without a second copy of them in memory
        for _ in range(mb):
            file.write(generator.random(1 << 17))
        file.seek(0)
        return file.read()
"""

STORE = """
import json, os, sys, time
from penstock.storage import records
from penstock.storage.artifacts import Artifacts
from penstock.values import SUCCEEDED, Record
from penstock_local.file_datastore import FileDatastore

role, folder, kind, mb = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])

class Distant(FileDatastore):
    def local_path(self, key):
        return None  # as a store on another machine: what is loaded is copied

def record(row):
    return Record(flow="F", run="r", step="s", place="0", attempt=0, outcome=SUCCEEDED, token="t", writer="worker",
                  started_s=0.0, ended_s=1.0, artifacts={"value": row})

value = make(kind, mb)
if role == "save":
    os.sync()
    warm_up(2 * mb)
    store = FileDatastore(folder)
    began = time.perf_counter()
    row = Artifacts(store).store("value", value)
    assert records.claim_record(store, record(row))[0]
    print(json.dumps({"save_s": time.perf_counter() - began}))
else:
    row = records.read_record(FileDatastore(folder), records.key_of(record({}))).artifacts["value"]
    os.sync()
    warm_up(2 * mb)
    began = time.perf_counter()
    back = Artifacts(Distant(folder)).load("value", row)
    found = {"load_s": time.perf_counter() - began}
    assert type(back) is type(value) and (back == value if kind == "bytes" else (back == value).all())
    del back
    if kind == "array":
        began = time.perf_counter()
        back = Artifacts(FileDatastore(folder)).load("value", row)
        touched = sum(back[start] for start in range(0, len(back), 4 << 17))
        found["mapped_s"] = time.perf_counter() - began
        assert touched == sum(value[start] for start in range(0, len(back), 4 << 17))
        back += 1
        assert (back == value + 1).all()
        assert (Artifacts(FileDatastore(folder)).load("value", row) == value).all()
    print(json.dumps(found))
"""

FLOW = """
import hashlib, json, os, time
from PACKAGE import FlowSpec, step

def say(**facts):
    with open(os.environ["BENCH_SAID"], "a") as file:
        file.write(json.dumps(facts) + "\\n")

class BigFlow(FlowSpec):
    @step
    def start(self):
        self.next(self.produce)

    @step
    def produce(self):
        kind = os.environ["BENCH_KIND"]
        value = make(kind, int(os.environ["BENCH_MB"])) if kind != "none" else 0
        self.value = value
        if kind != "none":
            say(sha256=hashlib.sha256(value).hexdigest())
        os.sync()
        warm_up(2 * int(os.environ["BENCH_MB"]))
        say(made=time.time())
        self.next(self.consume)

    @step
    def consume(self):
        say(begun=time.time())
        warm_up(2 * int(os.environ["BENCH_MB"]))
        began = time.perf_counter()
        value = self.value
        say(loaded=time.perf_counter() - began)
        if os.environ["BENCH_KIND"] != "none":
            say(found=hashlib.sha256(value).hexdigest())
        self.next(self.end)

    @step
    def end(self):
        pass

if __name__ == "__main__":
    BigFlow()
"""


class Peak:
    """The largest sum of anonymous memory of a process and all below it, sampled every 5 ms while the block runs."""

    def __init__(self, pid: int) -> None:
        self.pid, self.bytes = pid, 0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> Peak:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._done.wait(0.005):
            self.bytes = max(self.bytes, sum(map(anonymous_bytes, tree(self.pid))))


def tree(top: int) -> list[int]:
    """A process and all that descend from it."""
    below: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                parent = int(Path(f"/proc/{entry}/stat").read_text().rpartition(")")[2].split()[1])
            except OSError:  # it ended meanwhile
                continue
            below.setdefault(parent, []).append(int(entry))
    found = [top]
    for pid in found:  # grows while it is walked through
        found += below.get(pid, [])
    return found


def anonymous_bytes(pid: int) -> int:
    """Memory of a process that no file backs, shared pages by their share."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss_Anon:")), 0)


def store_round(folder: Path, kind: str, mb: int) -> dict[str, float]:
    """Save in one process, load and compare in another."""
    found: dict[str, float] = {}
    for role in ("save", "load"):
        done = subprocess.run(
            [sys.executable, "-c", VALUE + STORE, role, str(folder / "store"), kind, str(mb)],
            cwd=folder, env=PENSTOCK.environ(folder, BENCH_WARM="1"), stdout=subprocess.PIPE, check=True,
        )  # fmt: skip
        found.update(json.loads(done.stdout))
    return found


def flow_round(side: Side, folder: Path, kind: str, mb: int, *, watch: bool = False) -> dict[str, float]:
    """One run of the flow on either side; `gap_s` lies between the two bodies.
    Fails when what was read is not the same."""
    side.write(folder, "big_flow.py", VALUE + FLOW)
    said = folder / "said"
    command = side.command("big_flow.py", "run")
    warm = "" if watch else "1"  # it would be the largest memory of all
    environ = side.environ(folder, BENCH_SAID=str(said), BENCH_KIND=kind, BENCH_MB=str(mb), BENCH_WARM=warm)
    os.sync()
    with (
        subprocess.Popen(command, cwd=folder, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as run,
        Peak(run.pid) if watch else contextlib.nullcontext() as peak,
    ):
        complaint = run.communicate()[1]
    if run.returncode:
        raise SystemExit(complaint.decode("utf-8", "replace"))
    facts: dict[str, float] = {}
    for line in said.read_text().splitlines():
        facts |= json.loads(line)
    if facts.get("sha256") != facts.get("found"):
        raise SystemExit(f"{side.package} read another value than it saved")
    found = {"gap_s": facts["begun"] - facts["made"], "load_s": facts["loaded"]}
    return found if peak is None else {**found, "peak_bytes": float(peak.bytes)}


def flow_pair(side: Side, scratch: str | None, kind: str, mb: int) -> dict[str, float]:
    """`save_s` and `load_s` of one run with a value, beside one without, each in a folder of its own."""
    found = {}
    for what in (kind, "none"):
        with tempfile.TemporaryDirectory(dir=scratch) as folder:
            found[what] = flow_round(side, Path(folder), what, mb)
    return {"save_s": found[kind]["gap_s"] - found["none"]["gap_s"], "load_s": found[kind]["load_s"]}


def medians(rounds: list[dict[str, float]], prefix: str) -> dict[str, float]:
    """The median of each fact."""
    return {f"{prefix}_{fact}": statistics.median(one[fact] for one in rounds) for fact in rounds[0]}


def measure(kind: str, given: argparse.Namespace) -> bool:
    """Measure one kind of value and print what was found; whether every bar was met."""
    mb, size = given.mb, given.mb * MIB
    store: list[dict[str, float]] = []
    for turn in range(given.rounds + 1):
        with tempfile.TemporaryDirectory(dir=given.folder) as folder:
            taken = store_round(Path(folder), kind, mb)
        if turn:  # the first meets memory that a virtual machine may not have had yet
            store.append(taken)
    ours, theirs = [], []
    for turn in range(given.rounds):
        ours.append(flow_pair(PENSTOCK, given.folder, kind, mb))
        if given.metaflow and turn < given.metaflow_rounds:
            theirs.append(flow_pair(Side("metaflow", given.metaflow), given.folder, kind, mb))
    found = {**medians(store, "store"), **medians(ours, "flow")}
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        found["peak_bytes"] = flow_round(PENSTOCK, Path(folder), kind, mb, watch=True)["peak_bytes"]
    lines = [
        ("saved, store", f"{mb / found['store_save_s']:8.0f} MiB/s", None),
        ("saved, flow", f"{mb / found['flow_save_s']:8.0f} MiB/s", None),
        ("loaded, copied", f"{mb / found['store_load_s']:8.0f} MiB/s", None),
        ("loaded, flow", f"{1000 * found['flow_load_s']:8.1f} ms", None),
        (
            "peak memory",
            f"{found['peak_bytes'] / MIB:8.0f} MiB  (bar {(1.15 * size + 64e6) / MIB:.0f})",
            found["peak_bytes"] <= 1.15 * size + 64e6,
        ),
    ]
    if "store_mapped_s" in found:
        mapped_ms = 1000 * found["store_mapped_s"]
        lines.append(
            ("loaded, mapped", f"{mapped_ms:8.1f} ms  (bar {BARS['mapped_ms']:g})", mapped_ms <= BARS["mapped_ms"])
        )
    if theirs:
        found.update(medians(theirs, "metaflow"))
        save, load = found["metaflow_save_s"] / found["flow_save_s"], found["metaflow_load_s"] / found["store_load_s"]
        lines += [
            (
                "Metaflow saves",
                f"{mb / found['metaflow_save_s']:8.0f} MiB/s  we {save:.0f}x  (bar {BARS['save']:g}x)",
                save >= BARS["save"],
            ),
            (
                "Metaflow loads",
                f"{mb / found['metaflow_load_s']:8.0f} MiB/s  we {load:.0f}x  (bar {BARS['load']:g}x)",
                load >= BARS["load"],
            ),
        ]
    for what, figure, met in lines:
        print(f"{kind:6s} {what:15s} {figure}{'' if met is None else '  met' if met else '  MISSED'}", flush=True)
    rounds = {"store": store, "flow": ours, "metaflow": theirs}
    print(json.dumps({"artifacts": kind, "mb": mb, **found, "rounds": rounds}), flush=True)
    return all(met is not False for _, _, met in lines)


def main() -> int:
    """1 when a bar is not met."""
    reader = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    reader.add_argument("--mb", type=int, default=512)
    reader.add_argument("--rounds", type=int, default=5)
    reader.add_argument("--kind", action="append", choices=["array", "bytes"])
    reader.add_argument("--folder", help="where to write; needs three times the size of the value")
    reader.add_argument("--metaflow", metavar="PYTHON")
    reader.add_argument("--metaflow-rounds", type=int, default=1)
    given = reader.parse_args()
    given.metaflow = shutil.which(given.metaflow) if given.metaflow else None
    good = [measure(kind, given) for kind in given.kind or ["array", "bytes"]]
    return int(not all(good))


if __name__ == "__main__":
    sys.exit(main())
