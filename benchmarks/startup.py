"""Start-up against a bare Python of the same environment, in CPU seconds: what one waits for before anything happens.

    python benchmarks/startup.py [--rounds 20] [--distributions 300] [--wheel PATH ...]

Builds a virtual environment of its own, installs penstock (this tree, or `--wheel`) and lays 300 empty distributions
beside it. Bars: a two-step flow's imports at most 3x, `flow --help` at most 6x of `python -c pass`.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

from sides import PENSTOCK

ROOT = Path(__file__).parents[1]
FLOW = """
from penstock import FlowSpec, step, Parameter, current
class TwoSteps(FlowSpec):
    @step
    def start(self):
        self.next(self.end)
    @step
    def end(self):
        pass
"""
BARS = {"flow of two steps": 3.0, "flow --help": 6.0}


def environment(folder: Path, packages: list[str], distributions: int) -> Path:
    """A virtual environment with penstock and many empty distributions; returns its `bin`."""
    venv.create(folder, with_pip=True)
    subprocess.run([folder / "bin" / "python", "-m", "pip", "install", "--quiet", *packages], check=True)
    site = next((folder / "lib").glob("python*/site-packages"))
    for number in range(distributions):
        info = site / f"filler_{number}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: filler-{number}\nVersion: 1.0\n")
        (info / "RECORD").write_text("")
        if number % 5 == 0:
            (info / "entry_points.txt").write_text(f"[console_scripts]\nfiller-{number} = filler_{number}:main\n")
    return folder / "bin"


def cpu_s(command: list[str], folder: str) -> float:
    """User and system time of one run of a command."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL, env=PENSTOCK.environ(Path(folder)))
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def measure(bin_folder: Path, rounds: int) -> dict[str, float]:
    """Median CPU seconds by what was started; the commands take turns, so that a slow moment meets all of them."""
    python = str(bin_folder / "python")
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "two_steps.py").write_text(FLOW)
        commands = {
            "bare python": [python, "-c", "pass"],
            "flow of two steps": [python, "-c", "import two_steps"],
            "flow --help": [str(bin_folder / "flow"), "--help"],
        }
        times: dict[str, list[float]] = {name: [] for name in commands}
        for turn in range(rounds + 2):
            for name, command in commands.items():
                taken = cpu_s(command, folder)
                if turn >= 2:  # the first two fill the caches of bytecode and of the file system
                    times[name].append(taken)
    return {name: statistics.median(found) for name, found in times.items()}


def main() -> int:
    """Print one line each and a JSON line; 1 when a bar is not met."""
    reader = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    reader.add_argument("--rounds", type=int, default=20)
    reader.add_argument("--distributions", type=int, default=300)
    reader.add_argument("--wheel", action="append", default=[])
    given = reader.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = measure(environment(Path(folder), given.wheel or [str(ROOT)], given.distributions), given.rounds)
    ratios = {name: found[name] / found["bare python"] for name in BARS}
    print(f"bare python          {1000 * found['bare python']:7.1f} ms CPU")
    for name, bar in BARS.items():
        print(f"{name:20s} {1000 * found[name]:7.1f} ms CPU  {ratios[name]:.2f}x  (bar {bar:g}x)")
    print(json.dumps({"startup": {**found, "ratios": ratios}}))
    return int(any(ratios[name] > bar for name, bar in BARS.items()))


if __name__ == "__main__":
    sys.exit(main())
