"""What a reader waits for: artifacts of 300 tasks, the latest success and the status of many runs, beside Metaflow.

    python benchmarks/client.py --metaflow PYTHON [--width 300] [--rounds 5]

PYTHON has metaflow. Each side makes its runs once: a wide one, and one that is copied under 50 and 1,000 ids, as if it
had run so often. Then fresh interpreters read, in turns; each asks everything twice, and the second time counts (the
first one is printed, too). The artifacts are read again from the same run object, as a notebook does, and once more
from a new one. Medians of milliseconds.

Bars: the artifacts of 300 tasks 20x sooner, and within 10x of the query that fetches their records; the latest
successful run of 50 and of 1,000 no later; the status of 50 runs 50x sooner.
"""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from sides import PENSTOCK, Side, reader, wide_flow

SHORT = """
from PACKAGE import FlowSpec, step

class FLOW(FlowSpec):
    @step
    def start(self):
        self.next(self.end)

    @step
    def end(self):
        pass

if __name__ == "__main__":
    FLOW()
"""
READ = """
import gc, json, os, sys, time
width = int(os.environ["WIDTH"])

def artifacts(run):
    assert sorted(task.data.doubled for task in run["count"]) == [2 * i for i in range(width)]

def latest(flow):
    assert Flow(flow).latest_successful_run is not None

def status(flow):
    assert all([run.successful for run in Flow(flow)])

QUESTIONS = {{"artifacts": lambda: artifacts(wide), "latest of 50": lambda: latest("FewFlow"),
              "latest of 1000": lambda: latest("ManyFlow"), "status of 50": lambda: status("FewFlow")}}

def timed(function):
    gc.collect()
    began = time.perf_counter()
    function()
    return 1000 * (time.perf_counter() - began)

from {package} import Flow, namespace
namespace(None)
wide = Flow("WideFlow").latest_run
told = {{name: [timed(question) for _ in range(2)] for name, question in QUESTIONS.items()}}
wide = None
told["of a new object"] = [timed(lambda: artifacts(Flow("WideFlow").latest_run)) for _ in range(2)]
{more}
print(json.dumps(told))
"""
QUERY = """
import sqlite3
connection = sqlite3.connect(".penstock/catalogue.sqlite")
rows = "SELECT * FROM attempt WHERE flow = 'WideFlow' AND step = 'count'"
def query():
    assert len(connection.execute(rows).fetchall()) == width
told["query"] = [timed(query) for _ in range(2)]
"""
COUNTS = {"FewFlow": 50, "ManyFlow": 1000}
FASTER = {"artifacts": 20.0, "latest of 50": 1.0, "latest of 1000": 1.0, "status of 50": 50.0}
WITHIN = 10.0  # times the query


class Reader:
    """One of the two, with a folder that holds its runs."""

    def __init__(self, side: Side, folder: Path, width: int) -> None:
        self.side, self.package, self.folder = side, side.package, folder
        folder.mkdir(parents=True)
        self.environ = side.environ(folder, WIDTH=str(width))
        side.write(folder, "wide.py", wide_flow())
        more = QUERY if self.package == "penstock" else ""
        (folder / "read.py").write_text(READ.format(package=self.package, more=more))
        for flow, count in COUNTS.items():
            side.write(folder, f"{flow}.py", SHORT.replace("FLOW", flow))
            self._run(f"{flow}.py")
            self._copy(flow, count - 2)
        for flow in COUNTS:  # the last one is real again; our catalogue takes up the copies with it
            self._run(f"{flow}.py")
        self._run("wide.py", f"--max-num-splits={width}")

    def _run(self, file: str, *options: str) -> None:
        words = self.side.command(file, "run", *options)
        subprocess.run(words, cwd=self.folder, env=self.environ, capture_output=True, check=True)

    def _copy(self, flow: str, count: int) -> None:
        """The same run again and again, under ids before its own."""
        below = self.folder / (f".penstock/runs/{flow}" if self.package == "penstock" else f".metaflow/{flow}")
        (run,) = (found.name for found in below.iterdir() if found.is_dir() and found.name[0].isdigit())
        for number in range(count):
            other = f"{run[:-4]}{number:04}" if self.package == "penstock" else str(int(run) - number - 1)
            shutil.copytree(below / run, below / other)
            for path in (below / other).rglob("*"):
                if path.is_file() and path.stat().st_size:
                    self._rename(path, run, other)
                if self.package != "penstock" and run in path.name:
                    path.rename(path.with_name(path.name.replace(run, other)))
        if self.package == "penstock":
            for found in self.folder.glob(".penstock/catalogue.sqlite*"):
                found.unlink()

    def _rename(self, path: Path, run: str, other: str) -> None:
        data = path.read_bytes().replace(run.encode(), other.encode())
        if self.package == "penstock" and data.startswith(b"penstock-"):
            from penstock.storage import records

            first, _, body = data.partition(b"\n")
            data = records.encode(first.split()[0].removeprefix(b"penstock-").decode(), json.loads(body))
        path.write_bytes(data)

    def read(self) -> dict[str, list[float]]:
        """Milliseconds of each question, first and second time."""
        done = subprocess.run(
            [self.side.python, "read.py"], cwd=self.folder, env=self.environ, capture_output=True, text=True, check=True
        )
        found: dict[str, list[float]] = json.loads(done.stdout.splitlines()[-1])
        return found


def main() -> int:
    """Print a line for each question and a JSON line; 1 when a bar is not met."""
    given = reader(__doc__, rounds=5).parse_args()
    with tempfile.TemporaryDirectory() as folder:
        ours = Reader(PENSTOCK, Path(folder, "ours"), given.width)
        theirs = Reader(Side("metaflow", given.metaflow), Path(folder, "theirs"), given.width)
        rounds = [(ours.read(), theirs.read()) for _ in range(given.rounds)]
    told, failed = {}, False
    for name in rounds[0][1]:
        bar = FASTER.get(name)
        ratio = statistics.median(their[name][1] / our[name][1] for our, their in rounds)
        first, second = (statistics.median(our[name][turn] for our, _ in rounds) for turn in (0, 1))
        their_first, their_second = (statistics.median(their[name][turn] for _, their in rounds) for turn in (0, 1))
        failed |= bar is not None and ratio < bar
        told_bar = "no bar" if bar is None else f"bar {bar:g}x"
        print(f"{name}: penstock {second:.2f} ms (first {first:.2f}), metaflow {their_second:.2f} ms "
              f"(first {their_first:.2f}): {ratio:.1f}x sooner ({told_bar})")  # fmt: skip
        told[name] = {"penstock_ms": second, "metaflow_ms": their_second, "ratio": ratio}
    within = statistics.median(our["artifacts"][1] / our["query"][1] for our, _ in rounds)
    failed |= within > WITHIN
    print(f"artifacts: {within:.1f}x the query alone (bar {WITHIN:g}x)")
    print(json.dumps({"client": told, "times_the_query": within}))
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
