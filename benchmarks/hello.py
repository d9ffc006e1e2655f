"""Three trivial steps, from the command line to the prompt: wall seconds, beside Metaflow.

    python benchmarks/hello.py --metaflow PYTHON [--rounds 10]

PYTHON has metaflow. Both sides take turns; medians, and the median of the ratios. Bar: at least 8x faster.
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

FLOW = """
from {package} import FlowSpec, step

class HelloFlow(FlowSpec):
    @step
    def start(self):
        self.word = "hello"
        self.next(self.middle)

    @step
    def middle(self):
        self.word += " world"
        self.next(self.end)

    @step
    def end(self):
        print(self.word)

if __name__ == "__main__":
    HelloFlow()
"""
BAR = 8.0


def wall_s(package: str, python: str) -> float:
    """One run in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "hello.py").write_text(FLOW.format(package=package))
        settings = {"METAFLOW_USER": "bench", "METAFLOW_DATASTORE_SYSROOT_LOCAL": folder, "PENSTOCK_USER": "bench"}
        if package == "penstock":
            Path(folder, ".penstock").mkdir()
            command = [str(Path(python).with_name("flow")), "run", "hello.py"]
        else:
            command = [python, "hello.py", "--no-pylint", "--datastore=local", "--metadata=local", "run"]
        os.sync()
        began = time.perf_counter()
        done = subprocess.run(
            command, cwd=folder, env={**os.environ, **settings}, capture_output=True, text=True, check=False
        )
        took = time.perf_counter() - began
        if done.returncode or "hello world" not in done.stdout + done.stderr:
            raise SystemExit(f"{command} ended with {done.returncode}\n{done.stderr}")
        return took


def main() -> int:
    """Print a line and a JSON line; 1 when the bar is not met."""
    reader = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    reader.add_argument("--metaflow", required=True)
    reader.add_argument("--rounds", type=int, default=10)
    given = reader.parse_args()
    pairs = []
    for turn in range(given.rounds + 1):
        pair = wall_s("penstock", sys.executable), wall_s("metaflow", given.metaflow)
        if turn:  # the first fills caches
            pairs.append(pair)
    ours, theirs = (statistics.median(side) for side in zip(*pairs, strict=True))
    ratio = statistics.median(their / our for our, their in pairs)
    print(f"penstock {ours:.3f} s, metaflow {theirs:.3f} s: {ratio:.1f}x faster (bar {BAR:g}x)")
    print(json.dumps({"hello": {"penstock_s": ours, "metaflow_s": theirs, "ratio": ratio}}))
    return int(ratio < BAR)


if __name__ == "__main__":
    sys.exit(main())
