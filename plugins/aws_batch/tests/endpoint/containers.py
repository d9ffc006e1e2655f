"""One container of an attempt, on the engine of this machine: limits, signals, output."""

from __future__ import annotations

import os
from typing import Any

import docker
from docker.errors import APIError, ImageNotFound, NotFound

LABEL = "penstock.tests.batch"


class NotStarted(Exception):
    """The container never ran; the text is what ECS would give as the container's reason."""


class Container:
    """A container that has started. properties: `containerProperties`, with overrides applied."""

    def __init__(
        self, engine: docker.DockerClient, name: str, command: list[str], environment: dict[str, str],
        properties: dict[str, Any], network: str,
    ) -> None:  # fmt: skip
        needs = {one["type"]: float(one["value"]) for one in properties.get("resourceRequirements", ())}
        linux = properties.get("linuxParameters", {})
        limits: dict[str, Any] = {"mem_limit": f"{int(needs['MEMORY'])}m", "memswap_limit": f"{int(needs['MEMORY'])}m"}
        if "maxSwap" in linux:
            limits["memswap_limit"] = f"{int(needs['MEMORY']) + linux['maxSwap']}m"
        if "sharedMemorySize" in linux:
            limits["shm_size"] = f"{linux['sharedMemorySize']}m"
        sources = {one["name"]: one.get("host", {}).get("sourcePath") for one in properties.get("volumes", ())}
        points = properties.get("mountPoints", ())
        try:
            self._container = engine.containers.create(
                properties["image"],
                command,
                environment=environment,
                name=name,
                labels={LABEL: str(os.getpid())},
                network_mode=network,
                nano_cpus=int(min(needs["VCPU"], os.cpu_count() or 1) * 1e9),
                init=linux.get("initProcessEnabled", False),
                privileged=properties.get("privileged", False),
                read_only=properties.get("readonlyRootFilesystem", False),
                user=properties.get("user"),
                tmpfs={one["containerPath"]: f"size={one['size']}m" for one in linux.get("tmpfs", ())},
                volumes=[_volume(sources[point["sourceVolume"]], point) for point in points],
                **limits,
            )
        except ImageNotFound as error:
            raise NotStarted(
                f"CannotPullContainerError: pull access denied for {properties['image']}, repository does not exist or "
                "may require authorization: server message: insufficient_scope: authorization failed"
            ) from error
        except APIError as error:
            raise NotStarted(f"CannotCreateContainerError: {error.explanation}") from error
        try:
            self._container.start()
        except APIError as error:
            self._container.remove(force=True)
            raise NotStarted(f"CannotStartContainerError: Error response from daemon: {error.explanation}") from error

    def wait(self) -> tuple[int, bool]:
        """Exit code, and whether it ran out of memory."""
        try:
            code = int(self._container.wait()["StatusCode"])
            self._container.reload()
            return code, bool(self._container.attrs["State"]["OOMKilled"]) and code == 137
        except NotFound:
            return 137, False

    def stop(self, grace_s: float) -> None:
        """SIGTERM, and SIGKILL when it does not heed it."""
        try:
            self._container.stop(timeout=max(1, round(grace_s)))
        except APIError:
            pass

    def kill(self) -> None:
        """As when its host is gone."""
        try:
            self._container.kill()
        except APIError:
            pass

    def events(self) -> list[dict[str, Any]]:
        """Its output as log events: a line each, as the awslogs driver cuts it."""
        try:
            said = self._container.logs(stdout=True, stderr=True, timestamps=True)
        except APIError:
            return []
        found = []
        for line in said.split(b"\n"):
            moment, _, text = line.partition(b" ")
            if text:  # CloudWatch has no empty events
                found.append({"timestamp": _ms(moment), "message": text.decode("utf-8", "replace"), "ingestionTime": 0})
        return found

    def remove(self) -> None:
        """Take it away."""
        try:
            self._container.remove(force=True)
        except APIError:
            pass


def _volume(source: str | None, point: dict[str, Any]) -> str:
    return f"{source}:{point['containerPath']}:{'ro' if point.get('readOnly') else 'rw'}"


def _ms(moment: bytes) -> int:
    from datetime import datetime

    text = moment.decode("ascii", "replace")[:19]
    try:
        return int(datetime.fromisoformat(text + "+00:00").timestamp() * 1000)
    except ValueError:
        return 0
