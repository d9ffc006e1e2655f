"""Resume a run of 300 finished tasks: seconds from the command to the first new task, beside Metaflow.

    python benchmarks/resume.py --metaflow PYTHON [--width 300] [--rounds 5]

PYTHON has metaflow. Each side makes its failed run once; then it is resumed again and again, in turns. The first new
task is the join; its body writes the time. Medians. Bar: at least 30x sooner.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from sides import PENSTOCK, Side, reader, wide_flow

JOIN = """with open(os.environ["BEGAN"], "w") as file:
    file.write(str(time.time()))
if os.environ.get("BROKEN"):
    raise ValueError("not mended yet")"""
BAR = 30.0


class Failed:
    """A run that failed, on one side: it is there to be resumed."""

    def __init__(self, side: Side, folder: Path, width: int) -> None:
        self.side, self.folder = side, folder
        folder.mkdir()
        side.write(folder, "resumed.py", wide_flow(join=JOIN))
        self.environ = side.environ(folder, WIDTH=str(width), BEGAN=str(folder / "began"))
        self.options = ["--max-workers=2", f"--max-num-splits={width}"]
        self._call("run", *self.options, "--run-id-file=origin", BROKEN="1")
        self.origin = (folder / "origin").read_text().strip()

    def _call(self, command: str, *options: str, **more: str) -> int:
        words = self.side.command("resumed.py", command, *options)
        return subprocess.run(
            words, cwd=self.folder, env={**self.environ, **more}, capture_output=True, check=False
        ).returncode

    def resume_s(self) -> float:
        """From the command to the body of the join."""
        os.sync()
        began = time.time()
        if self._call("resume", *self.options, f"--origin-run-id={self.origin}"):
            raise SystemExit(f"{self.side.package} did not resume")
        return float((self.folder / "began").read_text()) - began


def main() -> int:
    """Print a line and a JSON line; 1 when the bar is not met."""
    given = reader(__doc__, rounds=5).parse_args()
    with tempfile.TemporaryDirectory() as folder:
        ours = Failed(PENSTOCK, Path(folder, "ours"), given.width)
        theirs = Failed(Side("metaflow", given.metaflow), Path(folder, "theirs"), given.width)
        pairs = [(ours.resume_s(), theirs.resume_s()) for _ in range(given.rounds)]
    ratio = statistics.median(their / our for our, their in pairs)
    our, their = (statistics.median(side) for side in zip(*pairs, strict=True))
    print(f"penstock {our:.3f} s, metaflow {their:.3f} s: {ratio:.1f}x sooner (bar {BAR:g}x)")
    print(json.dumps({"resume": {"penstock_s": our, "metaflow_s": their, "ratio": ratio, "rounds": pairs}}))
    return int(ratio < BAR)


if __name__ == "__main__":
    sys.exit(main())
