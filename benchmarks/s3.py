"""Data in a bucket of a local server: beside what client libraries reach by themselves, and beside Metaflow's S3 store.

    python benchmarks/s3.py [--megabytes 1024] [--artifacts 1000] [--width 300] [--rounds 3] [--metaflow PYTHON]
                            [--metaflow-width 30] [--server ministack|seaweedfs]

Needs the test dependencies of `plugins/s3_store`, and obstore if it is to be compared. PYTHON has metaflow and boto3.
Sides take turns; medians. Each measurement is a process of its own: wall, its CPU with that of its children, its peak
of memory beyond the array. Requests are counted in rounds of their own, through a proxy.

- transfer: one array of random numbers up and down. Plain: boto3's managed transfer and obstore, of the same bytes.
- small: a step that keeps many small artifacts.  wide: a foreach of trivial tasks.  list: a reader asks for each task's
  number, a finished run.

Bars: 70 % of the best plain transfer; 64 MiB + 4 chunks of memory; 8 times fewer requests and 10 times less wall a
trivial task than Metaflow; 10 requests to read a finished run.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from sides import PENSTOCK, Side, wide_flow

sys.path.insert(0, str(Path(__file__).parents[1]))

from plugins.s3_store.tests import servers
from plugins.s3_store.tests.proxy import S3Proxy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


# Each prints a JSON object: wall and CPU seconds, and the peak of memory beyond what the array takes, in MiB.
MEASURED = """
import json, os, resource, sys, time
def status(name):
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(name)) / 1024
def measured(work, array_mb):
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")
    wall, cpu = time.perf_counter(), time.process_time()
    kept = work()
    print(json.dumps({"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu,
                      "memory": status("VmHWM") - array_mb}))
side, way, bucket, endpoint, megabytes, seed = sys.argv[1:4] + [sys.argv[4], int(sys.argv[5]), int(sys.argv[6])]
import numpy as np
"""
OURS = """
from penstock.storage.artifacts import Artifacts
from penstock_s3_store.s3_datastore import S3Datastore
store = S3Datastore(url=f"s3://{bucket}/p", endpoint=endpoint, exclusive=True)
if way == "up":
    array = np.random.default_rng(seed).integers(0, 2**62, megabytes << 17)
    artifacts = Artifacts(store)
    def work():
        row = artifacts.store("array", array)
        artifacts.flush()
        store.put(f"row-{seed}", json.dumps(row).encode())
    measured(work, megabytes)
else:
    row = json.loads(store.get(f"row-{seed}"))
    measured(lambda: Artifacts(store).load("array", row), megabytes)
"""
BOTO3 = """
import boto3, io
client = boto3.client("s3", endpoint_url=endpoint)
if way == "up":
    array = np.random.default_rng(seed).integers(0, 2**62, megabytes << 17)
    measured(lambda: client.upload_fileobj(io.BytesIO(memoryview(array).cast("B")), bucket, f"boto3-{seed}"), megabytes)
else:
    def work():
        target = io.BytesIO()
        client.download_fileobj(bucket, f"boto3-{seed}", target)
        return target
    measured(work, megabytes)
"""
OBSTORE = """
import obstore
from obstore.store import S3Store
store = S3Store(bucket, endpoint=endpoint, region="us-east-1", client_options={"allow_http": True},
                virtual_hosted_style_request=False)
if way == "up":
    array = np.random.default_rng(seed).integers(0, 2**62, megabytes << 17)
    data = memoryview(array).cast("B")
    measured(lambda: obstore.put(store, f"obstore-{seed}", data), megabytes)
else:
    part = 16 << 20
    total = megabytes << 20
    def work():
        starts = list(range(0, total, part))
        return obstore.get_ranges(store, f"obstore-{seed}", starts=starts, lengths=[part] * len(starts), coalesce=0)
    measured(work, megabytes)
"""
START = """for number in range(int(os.environ["ARTIFACTS"])):
    setattr(self, f"a{number}", [number] * 400)"""
READ = """
from PACKAGE import Flow, namespace
namespace(None)
run = Flow("WideFlow").latest_run
assert sum(task["doubled"].data for task in run["count"]) == run["join"].task["total"].data
"""


class Bench:
    """The server, and what is said of it."""

    def __init__(self, server: servers.S3Server, asked: argparse.Namespace) -> None:
        self.server, self.asked = server, asked
        self.sides = {side.package: side for side in (PENSTOCK, Side("metaflow", asked.metaflow)) if side.python}
        self.found: dict[str, Any] = {}

    # -- one array

    def transfer(self) -> None:
        """Up and down, sides in turn."""
        sides = {"penstock": OURS, "boto3": BOTO3, "obstore": OBSTORE}
        if subprocess.run([sys.executable, "-c", "import obstore"], capture_output=True, check=False).returncode:
            del sides["obstore"]
        seen: dict[tuple[str, str], list[dict[str, float]]] = {}
        for seed in range(self.asked.rounds):
            for side, source in sides.items():
                bucket = self.server.bucket()
                for way in ("up", "down"):
                    seen.setdefault((side, way), []).append(self._moved(side, source, way, bucket, seed))
                self._empty(bucket)
        for way in ("up", "down"):
            for side in sides:
                rounds = seen[side, way]
                rate = self.asked.megabytes / statistics.median(one["wall"] for one in rounds)
                cpu, memory = (statistics.median(one[what] for one in rounds) for what in ("cpu", "memory"))
                self._say(f"{way:<5} {side:<10} {rate:7.0f} MiB/s   {cpu:6.2f} s CPU   {memory:6.0f} MiB beside it")
                self.found[f"{way} {side}"] = {"mb_s": rate, "cpu_s": cpu, "memory_mb": memory}
            share, walls = self._share({side: [one["wall"] for one in seen[side, way]] for side in sides})
            self._say(f"{way:<5} penstock is {share:.0%} of the best plain transfer: {walls}")
            self.found[f"{way} share"] = share

    def _share(self, walls: dict[str, list[float]]) -> tuple[float, str]:
        """Of the best client's rate, the median of rounds: what is beside it on the machine changes between them."""
        plain = [side for side in walls if side != "penstock"]
        best = min(plain, key=lambda side: statistics.median(walls[side]))
        told = "; ".join(f"{side} {' '.join(f'{wall:.2f}' for wall in rounds)} s" for side, rounds in walls.items())
        pairs = zip(walls[best], walls["penstock"], strict=True)
        return statistics.median(theirs / ours for theirs, ours in pairs), told

    def _moved(self, side: str, source: str, way: str, bucket: str, seed: int) -> dict[str, float]:
        command = [sys.executable, "-c", MEASURED + source, side, way, bucket, self.server.endpoint,
                   str(self.asked.megabytes), str(seed)]  # fmt: skip
        done = subprocess.run(command, env={**os.environ, **self.server.variables}, capture_output=True, check=True)
        found: dict[str, float] = json.loads(done.stdout)
        return found

    def _empty(self, bucket: str) -> None:
        client: Any = self.server.boto3()
        for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket):
            keys = [{"Key": one["Key"]} for one in page.get("Contents", [])]
            if keys:
                client.delete_objects(Bucket=bucket, Delete={"Objects": keys})

    # -- flows

    def flows(self) -> None:
        """Both sides: a run with little, and with many small artifacts or tasks; the difference is what they cost."""
        for side in self.sides:
            width = self.asked.width if side == "penstock" else self.asked.metaflow_width
            many = self.asked.artifacts
            cost = {}
            for what, small, wide in (("none", 0, 2), ("small", many, 2), ("wide", 0, width)):
                runs = [self._run(side, small, wide, self.server.endpoint) for _ in range(self.asked.rounds)]
                walls, cpus = zip(*runs, strict=True)
                cost[what] = (statistics.median(walls), statistics.median(cpus), self._counted(side, small, wide))
            for what, count in (("small", many), ("wide", width - 2)):
                wall, cpu, requests = ((a - b) / count for a, b in zip(cost[what], cost["none"], strict=True))
                times = f"{1000 * wall:8.2f} ms   {1000 * cpu:8.2f} ms CPU"
                self._say(f"{what:<5} {side:<10} {times}   {requests:6.2f} requests each")
                self.found[f"{what} {side}"] = {"wall_s": wall, "cpu_s": cpu, "requests": requests}
            self._read(side, width)

    def _read(self, side: str, width: int) -> None:
        with tempfile.TemporaryDirectory() as name, S3Proxy(self.server.endpoint) as proxy:
            url = self._url()
            self._flow(side, Path(name), 0, width, self.server.endpoint, url)
            source = READ.replace("PACKAGE", side)
            words = [self.sides[side].python, "-c", source]
            wall, cpu = self._timed(side, words, Path(name), self.server.endpoint, url, {})
            self._timed(side, words, Path(name), proxy.endpoint, url, {})
            times = f"{1000 * wall:8.0f} ms   {1000 * cpu:8.0f} ms CPU"
            self._say(f"list  {side:<10} {times}   {proxy.count:6} requests, {width} tasks")
            self.found[f"list {side}"] = {"wall_s": wall, "cpu_s": cpu, "requests": proxy.count}

    def _url(self) -> str:
        return f"s3://{self.server.bucket()}/{secrets.token_hex(4)}"

    def _run(self, side: str, small: int, wide: int, endpoint: str) -> tuple[float, float]:
        with tempfile.TemporaryDirectory() as name:
            return self._flow(side, Path(name), small, wide, endpoint, self._url())

    def _counted(self, side: str, small: int, wide: int) -> int:
        with S3Proxy(self.server.endpoint) as proxy:
            self._run(side, small, wide, proxy.endpoint)
            return proxy.count

    def _flow(self, side: str, folder: Path, small: int, wide: int, endpoint: str, url: str) -> tuple[float, float]:
        ran = self.sides[side]
        ran.write(folder, "bench.py", wide_flow(start=START))
        options = (f"--max-workers={self.asked.workers}", f"--max-num-splits={wide + 1}")
        words = ran.command("bench.py", "run", *options, store="s3")
        return self._timed(side, words, folder, endpoint, url, {"ARTIFACTS": str(small), "WIDTH": str(wide)})

    def _timed(
        self, side: str, words: list[str], folder: Path, endpoint: str, url: str, more: dict[str, str]
    ) -> tuple[float, float]:
        """Wall and CPU seconds of a command and all its children."""
        cache = str(folder / secrets.token_hex(4))  # nobody has read anything before
        own = {
            "penstock": {"PENSTOCK_DATASTORE": url, "PENSTOCK_S3_ENDPOINT": endpoint, "XDG_CACHE_HOME": cache},
            "metaflow": {
                "METAFLOW_CLIENT_CACHE_PATH": cache,
                "METAFLOW_DATASTORE_SYSROOT_S3": url, "METAFLOW_S3_ENDPOINT_URL": endpoint,
                "METAFLOW_DEFAULT_DATASTORE": "s3", "METAFLOW_DEFAULT_METADATA": "local",
            },
        }[side]  # fmt: skip
        environ = self.sides[side].environ(folder, **self.server.variables, **own, **more)
        before = os.times()
        since = time.perf_counter()
        done = subprocess.run(words, cwd=folder, env=environ, capture_output=True, text=True, check=False)
        wall, after = time.perf_counter() - since, os.times()
        if done.returncode:
            raise SystemExit(f"{side} {words}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
        return wall, after.children_user + after.children_system - before.children_user - before.children_system

    def bars(self) -> bool:
        """Whether all are met, a line each."""
        found, fine = self.found, []

        def bar(what: str, value: float, *, least: float = 0.0, most: float = float("inf")) -> None:
            fine.append(least <= value <= most)
            wanted = f"at least {least:g}" if least else f"at most {most:g}"
            self._say(f"{'met   ' if fine[-1] else 'MISSED'}  {what}: {value:.2f}, {wanted}")

        for way in ("up", "down"):
            bar(f"share of the best plain transfer {way}", found[f"{way} share"], least=0.7)
            bar(f"MiB beside the array {way}", found[f"{way} penstock"]["memory_mb"], most=64 + 4 * 4)
        bar("requests to read a finished run", found["list penstock"]["requests"], most=10)
        bar("requests a trivial task", found["wide penstock"]["requests"], most=4)
        if "wide metaflow" in found:
            ours, theirs = found["wide penstock"], found["wide metaflow"]
            bar("fewer requests a task than Metaflow", theirs["requests"] / ours["requests"], least=8)
            bar("less wall a task than Metaflow", theirs["wall_s"] / ours["wall_s"], least=10)
        return all(fine)

    def _say(self, line: str) -> None:
        print(line, flush=True)


def main() -> None:
    """Print what is measured as it comes, then all of it as one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=1024)
    parser.add_argument("--artifacts", type=int, default=1000)
    parser.add_argument("--width", type=int, default=300)
    parser.add_argument("--metaflow-width", type=int, default=30)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--metaflow", default="")
    parser.add_argument("--server", default="ministack", choices=("ministack", "seaweedfs"))
    asked = parser.parse_args()
    start: Callable[[Path], servers.S3Server] = getattr(servers, asked.server)
    with tempfile.TemporaryDirectory() as name:
        server = start(Path(name))
        try:
            bench = Bench(server, asked)
            bench.transfer()
            bench.flows()
            met = bench.bars()
        finally:
            server.stop()
    print(json.dumps(bench.found))
    raise SystemExit(0 if met else 1)


if __name__ == "__main__":
    main()
