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

from sides import PENSTOCK, Side

FLOW = """
from PACKAGE import FlowSpec, step

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


def wall_s(side: Side) -> float:
    """One run in a folder of its own."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        side.write(folder, "hello.py", FLOW)
        command, environ = side.command("hello.py", "run"), side.environ(folder)
        os.sync()
        began = time.perf_counter()
        done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=False)
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
    metaflow = Side("metaflow", given.metaflow)
    pairs = [(wall_s(PENSTOCK), wall_s(metaflow)) for _ in range(given.rounds + 1)][1:]  # the first fills caches
    ours, theirs = (statistics.median(side) for side in zip(*pairs, strict=True))
    ratio = statistics.median(their / our for our, their in pairs)
    print(f"penstock {ours:.3f} s, metaflow {theirs:.3f} s: {ratio:.1f}x faster (bar {BAR:g}x)")
    print(json.dumps({"hello": {"penstock_s": ours, "metaflow_s": theirs, "ratio": ratio, "rounds": pairs}}))
    return int(ratio < BAR)


if __name__ == "__main__":
    sys.exit(main())
