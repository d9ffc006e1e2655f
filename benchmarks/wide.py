"""A wide foreach of trivial tasks, a process each: cost of a task, beside what forking alone costs and beside Metaflow.

    python benchmarks/wide.py [--width 1000] [--workers 2] [--rounds 5] [--imports pandas,sklearn]
                              [--limit SCRIPT] [--metaflow PYTHON] [--metaflow-width 30]

SCRIPT is a proof of what the machine allows: `SCRIPT --tasks N --workers N --preload MODULES` prints a JSON line with
`loop_s`. PYTHON has metaflow. Both sides run the same flow and take turns; medians. A task prints a line and keeps one
number.

- loop: from the end of the body of `start` to the last record, so without start-up; the limit likewise.
- against Metaflow: from the end of the body of `start` to the begin of the body of `join`, by task.
- files: what the store holds more for each further task. memory: what the scheduler's peak grows by each further task.

Bars: loop at most 2.5x the limit; at least 40x faster a task than Metaflow, 25x with the imports; 1 file; 2 kB.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from sides import PENSTOCK, Side

FLOW = """
IMPORTS
import os, time
from PACKAGE import FlowSpec, step

class BenchFlow(FlowSpec):
    @step
    def start(self):
        self.items = list(range(int(os.environ["WIDTH"])))
        self.begun = time.time()
        self.next(self.count, foreach="items")

    @step
    def count(self):
        print("hello from task", self.input)
        self.doubled = 2 * self.input
        self.next(self.join)

    @step
    def join(self, inputs):
        with open(os.environ["TOOK"], "w") as file:
            file.write(str(time.time() - inputs[0].begun))
        self.total = sum(one.doubled for one in inputs)
        self.next(self.end)

    @step
    def end(self):
        pass

if __name__ == "__main__":
    BenchFlow()
"""


def run(side: Side, width: int, workers: int, imports: str) -> dict[str, float]:
    """One run in a folder of its own: seconds a task, and for penstock the loop, the files and the scheduler's peak."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        lines = "\n".join(f"import {name}" for name in filter(None, imports.split(",")))
        side.write(folder, "bench.py", FLOW.replace("IMPORTS", lines))
        command = side.command("bench.py", "run", f"--max-workers={workers}", f"--max-num-splits={width}")
        environ = side.environ(folder, WIDTH=str(width), TOOK=str(folder / "took"))
        os.sync()
        process = subprocess.Popen(
            command, cwd=folder, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        peak_kb = 0
        while process.poll() is None:
            peak_kb = max(peak_kb, _peak_kb(process.pid))
            time.sleep(0.02)
        if process.returncode:
            raise SystemExit(f"{command} ended with {process.returncode}")
        found = {"task_s": float((folder / "took").read_text()) / width, "peak_kb": float(peak_kb)}
        return {**found, **(_stored(folder) if side is PENSTOCK else {})}


def _peak_kb(pid: int) -> int:
    try:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1])
    except OSError:
        pass
    return 0


def _stored(folder: Path) -> dict[str, float]:
    from penstock.storage import keys, records
    from penstock_local.file_datastore import FileDatastore

    store = FileDatastore(str(folder / ".penstock"))
    (run_id,) = store.list_folders(keys.flow_prefix("BenchFlow"))
    found = list(records.read_records(store, records.list_records(store, "BenchFlow", run_id)))
    began = next(one.ended_s for one in found if one.step == "start")
    ended = max(one.ended_s for one in found if one.step == "count")
    files = sum(len(names) for _, _, names in os.walk(folder))
    return {"loop_s": ended - began, "files": float(files)}


def limit(script: str, width: int, workers: int, imports: str) -> float:
    """Seconds of the limit's loop."""
    command = [sys.executable, script, f"--tasks={width}", f"--workers={workers}", f"--preload={imports}"]
    os.sync()
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(json.loads(done.stdout.splitlines()[-1])["loop_s"])


def main() -> int:
    """Print a line each and a JSON line; 1 when a bar is not met."""
    reader = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    reader.add_argument("--width", type=int, default=1000)
    reader.add_argument("--workers", type=int, default=2)
    reader.add_argument("--rounds", type=int, default=5)
    reader.add_argument("--imports", default="")
    reader.add_argument("--limit")
    reader.add_argument("--metaflow")
    reader.add_argument("--metaflow-width", type=int, default=30)
    given = reader.parse_args()
    ours: list[dict[str, float]] = []
    limits: list[float] = []
    theirs: list[float] = []
    for _ in range(given.rounds):
        ours.append(run(PENSTOCK, given.width, given.workers, given.imports))
        if given.limit:
            limits.append(limit(given.limit, given.width, given.workers, given.imports))
        if given.metaflow:
            their = run(Side("metaflow", given.metaflow), given.metaflow_width, given.workers, given.imports)
            theirs.append(their["task_s"])
    narrow = run(PENSTOCK, given.width // 5, given.workers, given.imports)
    more = given.width - given.width // 5
    median = {name: statistics.median(one[name] for one in ours) for name in ours[0]}
    found = {
        "loop_s": median["loop_s"],
        "task_ms": 1000 * median["task_s"],
        "files_a_task": (median["files"] - narrow["files"]) / more,
        "scheduler_bytes_a_task": 1024 * (median["peak_kb"] - narrow["peak_kb"]) / more,
    }
    bars = [("files_a_task", 1.01, False), ("scheduler_bytes_a_task", 2048.0, False)]
    if limits:
        found["limit_s"] = statistics.median(limits)
        found["against_the_limit"] = statistics.median(a["loop_s"] / b for a, b in zip(ours, limits, strict=True))
        bars.append(("against_the_limit", 2.5, False))
    if theirs:
        found["metaflow_task_ms"] = 1000 * statistics.median(theirs)
        found["faster_than_metaflow"] = statistics.median(b / a["task_s"] for a, b in zip(ours, theirs, strict=True))
        bars.append(("faster_than_metaflow", 25.0 if given.imports else 40.0, True))
    missed = [name for name, bar, at_least in bars if (found[name] < bar if at_least else found[name] > bar)]
    for name, value in found.items():
        print(f"{name:24s} {value:10.3f}" + ("   MISSED" if name in missed else ""))
    print(json.dumps({"wide": {"width": given.width, "imports": given.imports, **found}}))
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())
