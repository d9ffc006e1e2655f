"""Container engines: that of this machine, one of a test's own, and Podman's service in Docker's place."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import docker
import docker.errors
import requests

DEFAULT_URL = "unix:///var/run/docker.sock"
START_S = 60.0
_CALL_S = 300  # of one call; removing a container takes its time on a busy machine


class NoEngine(Exception):
    """Why there is none. A test skips for it, or fails where a machine tests for everybody."""


def url() -> str:
    """Where the engine of this machine listens."""
    return os.environ.get("DOCKER_HOST") or DEFAULT_URL


def connect(where: str) -> docker.DockerClient:
    """A client of a living engine. Raises NoEngine."""
    try:
        _knock(where)
        client = docker.DockerClient(base_url=where, timeout=_CALL_S)
        client.ping()
    except (docker.errors.DockerException, requests.RequestException, OSError) as error:
        raise NoEngine(f"no container engine answers at {where}: {error}") from error
    return client


def _knock(where: str) -> None:
    """Raises OSError where nobody listens: the SDK would leave its socket open."""
    scheme, _, path = where.partition("://")
    if scheme == "unix":
        with socket.socket(socket.AF_UNIX) as end:
            end.connect(path)


class Engine:
    """An engine of a test's own, which may be killed and started again: no other test uses it."""

    def __init__(self, folder: Path, log: Path) -> None:
        self._folder, self._log = folder, log
        self.url, self.data = f"unix://{folder}/docker.sock", folder / "data"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the engine and wait until it answers."""
        for left in ("docker.pid", "exec/containerd/containerd.pid"):  # of one that was killed: it would not start
            (self._folder / left).unlink(missing_ok=True)
        with open(self._log, "ab") as log:
            self._process = subprocess.Popen(
                [
                    "dockerd", f"--data-root={self.data}", f"--exec-root={self._folder}/exec",
                    f"--host={self.url}", f"--pidfile={self._folder}/docker.pid", "--bridge=none", "--iptables=false",
                ],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        _wait(self.url, self._process, self._log).close()

    def stop(self, number: int = signal.SIGTERM) -> None:
        """End the engine. SIGKILL leaves its containers running."""
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait()
            self._process = None

    def kill(self) -> None:
        """End the engine and what it started at once, as a crash of the machine's services would."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def remove_containers(self) -> None:
        """Everything that ran there: an engine with living containers takes its time to end."""
        with contextlib.suppress(NoEngine), contextlib.closing(connect(self.url)) as client:
            for container in client.containers.list(all=True, ignore_removed=True):
                with contextlib.suppress(docker.errors.APIError):
                    container.remove(force=True)


@contextlib.contextmanager
def own_engine(disk_mb: int | None = None) -> Iterator[Engine]:
    """A running engine of this test's own. disk_mb: all that it has for images and containers, in memory.

    Raises NoEngine where it can't be had."""
    if os.geteuid() != 0 or shutil.which("dockerd") is None:
        raise NoEngine("an engine of a test's own needs dockerd, and root to start it")
    folder = Path(tempfile.mkdtemp(prefix="pe-", dir="/var/tmp"))  # short: a socket's path has 108 bytes
    engine = Engine(folder, folder / "log")
    engine.data.mkdir()
    try:
        if disk_mb is not None:
            subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={disk_mb}m", "tmpfs", engine.data], check=True)
        engine.start()
        yield engine
    finally:
        engine.remove_containers()
        engine.stop()
        _remove(folder)


@contextlib.contextmanager
def podman_service() -> Iterator[str]:
    """Where a Podman service listens, with storage of its own. Raises NoEngine where it can't be had."""
    program = shutil.which("podman")
    if os.geteuid() != 0 or program is None:
        raise NoEngine("Podman's service needs podman, and root to start it")
    folder = Path(tempfile.mkdtemp(prefix="pp-", dir="/var/tmp"))
    (folder / "containers.conf").write_text('[containers]\ndefault_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]\n')
    where = f"unix://{folder}/podman.sock"
    command = [program, f"--root={folder}/root", f"--runroot={folder}/run", "--cgroup-manager=cgroupfs"]
    command += ["--events-backend=file"]
    runtime = shutil.which("runc") or "/usr/sbin/runc"  # crun refuses a machine with both versions of cgroups
    if os.path.exists(runtime):
        command.append(f"--runtime={runtime}")
    with open(folder / "log", "ab") as log:
        process = subprocess.Popen(
            [*command, "system", "service", "--time=0", where],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            env={**os.environ, "CONTAINERS_CONF": str(folder / "containers.conf"), "TMPDIR": str(folder)},
        )  # fmt: skip
    try:
        _wait(where, process, folder / "log").close()
        yield where
    finally:
        with contextlib.suppress(NoEngine), contextlib.closing(connect(where)) as client:
            for container in client.containers.list(all=True, ignore_removed=True):
                with contextlib.suppress(docker.errors.APIError):
                    container.remove(force=True)
        process.terminate()
        process.wait()
        _remove(folder)


def _wait(where: str, process: subprocess.Popen[bytes], log: Path) -> docker.DockerClient:
    until = time.monotonic() + START_S
    while True:
        try:
            return connect(where)
        except NoEngine:
            if process.poll() is not None or time.monotonic() > until:
                last = log.read_text(errors="replace")[-2000:]
                raise NoEngine(f"the engine at {where} has not started\n{last}") from None
            time.sleep(0.05)


def _remove(folder: Path) -> None:
    """What containers have mounted below it goes first."""
    mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    for point in sorted((one for one in mounts if one.startswith(f"{folder}/")), reverse=True):
        subprocess.run(["umount", "--lazy", point], capture_output=True)
    shutil.rmtree(folder, ignore_errors=True)
