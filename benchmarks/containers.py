"""What a task in a container costs, beside what the engine itself takes for a container that does nothing.

    python benchmarks/containers.py [--image IMAGE] [--tasks 16] [--rounds 3]

Needs the test dependencies of `plugins/docker`, an engine, and its `docker` command. Without IMAGE one is made of this
machine's Python. Ways take turns; a median of all rounds, in milliseconds for a task. A way of penstock's is what more
tasks of a foreach cost than few do: start-up, the steps around it and the making of warm containers are no part of it.

- cycle: the SDK creates, starts, waits for and removes a container around `python3 -c "import pickle, json, hashlib"`.
  run, exec: `docker run --rm` and `docker exec` around the same.  ... 4: four of them at once.
- task: a trivial task in a container of its own.  warm: the same with `--docker-reuse`.

Bars: a task at most 1.3 of the cycle; 6 tasks a second at 4 at once; a warm task at most 15 ms.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sides import PENSTOCK, wide_flow

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.engine import engines, images, pythons

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import docker

NOTHING = ["python3", "-c", "import pickle, json, hashlib"]
LABEL = "penstock.benchmark"
LEAST = 8
FEW = 2  # tasks of the run that is taken off, for each that runs at once
WARM = 10  # times as many tasks in warm containers: so few as of the others can't be told from nothing


class Bench:
    """Each way gives the seconds of one task."""

    def __init__(self, client: docker.DockerClient, image: str, tasks: int, folder: Path) -> None:
        self.client, self.image, self.tasks, self.folder = client, image, tasks, folder
        PENSTOCK.write(folder, "count.py", wide_flow())

    def ways(self) -> dict[str, Callable[[], float]]:
        """By name, in the order in which they take turns."""
        return {
            "cycle": lambda: self._plain(self._cycle, 1),
            "task": lambda: self._foreach(1, self.tasks),
            "run": lambda: self._plain(self._run, 1),
            "cycle 4": lambda: self._plain(self._cycle, 4),
            "task 4": lambda: self._foreach(4, 4 * self.tasks),
            "exec": self._exec,
            "warm": lambda: self._foreach(1, WARM * self.tasks, "--docker-reuse"),
            "warm 4": lambda: self._foreach(4, WARM * self.tasks, "--docker-reuse"),
        }

    def _plain(self, work: Callable[[int], None], at_once: int) -> float:
        with ThreadPoolExecutor(at_once) as threads:
            began = time.perf_counter()
            for _ in threads.map(work, range(at_once * self.tasks)):
                pass
            return (time.perf_counter() - began) / (at_once * self.tasks)

    def _cycle(self, _: int) -> None:
        api = self.client.api
        asked = api.create_host_config(network_mode="none")
        made = api.create_container(self.image, NOTHING, host_config=asked, labels=[LABEL])["Id"]
        api.start(made)
        code = api.wait(made)["StatusCode"]
        api.remove_container(made, v=True)
        assert code == 0, f"a container ended with {code}"

    def _run(self, _: int) -> None:
        options = ["--rm", "--network=none", f"--label={LABEL}"]
        self._docker("run", *options, self.image, *NOTHING)

    def _docker(self, *command: str) -> None:
        subprocess.run(["docker", *command], env=self._environ(), check=True)

    def _exec(self) -> float:
        with self._sleeper() as name:
            return self._plain(lambda _: self._docker("exec", name, *NOTHING), 1)

    @contextlib.contextmanager
    def _sleeper(self) -> Iterator[str]:
        made = self.client.containers.run(
            self.image, ["sleep", "3600"], detach=True, network_mode="none", labels=[LABEL]
        )
        try:
            yield str(made.id)
        finally:
            made.remove(force=True)

    def _foreach(self, at_once: int, many: int, *options: str) -> float:
        few_s, many_s = (self._flow(width, at_once, options) for width in (FEW * at_once, many))
        return (many_s - few_s) / (many - FEW * at_once)

    def _flow(self, width: int, at_once: int, options: tuple[str, ...]) -> float:
        words = ["--executor-for", "count=docker", f"--max-workers={at_once}", f"--docker-image={self.image}"]
        command = PENSTOCK.command("count.py", "run", *words, "--docker-network=none", "--quiet", *options)
        began = time.perf_counter()
        subprocess.run(command, cwd=self.folder, env=self._environ(WIDTH=str(width)), check=True)
        return time.perf_counter() - began

    def _environ(self, **more: str) -> dict[str, str]:
        kept = {name: text for name, text in os.environ.items() if not name.startswith(("PYTHON", "PENSTOCK_"))}
        return {**kept, "DOCKER_HOST": engines.url(), **more}


def main() -> int:
    """The exit code: 1 when a bar was missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--image", help="with Python 3.11 or later; default: made of this machine's Python")
    parser.add_argument("--tasks", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    if asked.tasks < LEAST:
        parser.error(f"--tasks={asked.tasks}: fewer than {LEAST} can't be told from a run's own time")
    with contextlib.closing(engines.connect(engines.url())) as client, tempfile.TemporaryDirectory() as name:
        image = asked.image or images.python_image(client, pythons.supported()[0])
        folder = Path(name)
        ways = Bench(client, image, asked.tasks, folder).ways()
        seen: dict[str, list[float]] = {way: [] for way in ways}
        for _ in range(asked.rounds):
            for way, measure in ways.items():
                seen[way].append(round(1000 * measure(), 2))
    cost_ms = {way: statistics.median(rounds) for way, rounds in seen.items()}
    ratio = statistics.median(task / cycle for task, cycle in zip(seen["task"], seen["cycle"], strict=True))
    rate = 1000 / cost_ms["task 4"]
    for way, each_ms in cost_ms.items():
        print(f"{way:<8} {each_ms:8.1f} ms   {' '.join(map(str, seen[way]))}")
    bars = {
        f"a task in a container takes {ratio:.2f} of the SDK's cycle (bar: 1.3)": 0 < ratio <= 1.3,
        f"{rate:.1f} tasks a second at 4 at once, the cycle {1000 / cost_ms['cycle 4']:.1f} (bar: 6)": rate >= 6,
        f"a warm task takes {cost_ms['warm']:.1f} ms (bar: 15)": 0 < cost_ms["warm"] <= 15,
    }
    for said, met in bars.items():
        print(f"{said}: {'met' if met else 'MISSED'}")
    print(json.dumps({"ratio": ratio, "tasks_s": rate, "rounds_ms": seen}))
    return 0 if all(bars.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
