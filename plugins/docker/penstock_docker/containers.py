"""The containers of a run on the engine: made, started, spoken to, looked at, stopped, removed.

Each call may wait for the engine, and may come from any thread. It raises BackendUnavailable when the engine is away,
JobRejected for what the engine will never do.
"""

from __future__ import annotations

import contextlib
import functools

import docker.errors
import requests
import urllib3.exceptions
from docker.types import LogConfig

from penstock.errors import BackendError, BackendUnavailable
from penstock_docker import recipe
from penstock_docker.attached import Attached
from penstock_docker.engine import caused_by
from penstock_docker.refusals import refusal
from penstock_docker.world import World

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from penstock.contracts.executor import Job, RunInfo
    from penstock_docker.engine import Engine
    from penstock_docker.images import Image, Images

GRACE_S = 5  # between SIGTERM and SIGKILL; the host gives an attempt 2 s of it
_NOT_MODIFIED, _NOT_FOUND, _CONFLICT = 304, 404, 409


class Containers:
    """Of one run."""

    def __init__(self, engine: Engine, images: Images, run: RunInfo) -> None:
        self._engine, self._images, self._run = engine, images, run

    @functools.cached_property
    def world(self) -> World:
        """What all of them share; the first call to the engine."""
        return World.of(self._run, self._engine)

    @property
    def label(self) -> str:
        """The label that all of them have."""
        return next(f"{name}={text}" for name, text in recipe.run_label(self._run.flow, self._run.run).items())

    def image(self, options: Mapping[str, Any]) -> Image:
        """The image of a step, pulled if need be."""
        return self._images.get(options["image"], options["pull"], options["platform"])

    def make(self, job: Job, options: Mapping[str, Any], image: Image, *, speaks: bool = False) -> None:
        """Create it; one of its name that is there already is taken for it. speaks: it is to be attached to, and
        what it prints is not kept."""
        made = recipe.creation(job, options, image, self.world)
        asked = made.pop("host_config")
        if speaks:
            made["stdin_open"], asked["log_config"] = True, LogConfig(type="none")
        api = self._engine.api
        with self._engine.errors():
            made["host_config"] = api.create_host_config(**asked)
            try:
                api.create_container(**made)
            except docker.errors.APIError as error:
                if error.status_code != _CONFLICT:
                    raise refusal(str(error.explanation), image.reference) from error

    def start(self, name: str, secrets: Mapping[str, str], image: Image) -> None:
        """Let it run, and give it its secrets."""
        if not secrets:
            self._start(name, image)
            return
        with contextlib.closing(self.attach(name, speaks=False)) as stream:
            self._start(name, image)
            with self._engine.errors():
                stream.give(secrets)

    def converse(self, name: str, secrets: Mapping[str, str], image: Image) -> Attached:
        """Let it run, attached to."""
        stream = self.attach(name, speaks=True)
        try:
            self._start(name, image)
            if secrets:
                with self._engine.errors():
                    stream.give(secrets)
        except BaseException:
            stream.close()
            raise
        return stream

    def attach(self, name: str, *, speaks: bool) -> Attached:
        """Its input, and (speaks) what it prints."""
        wanted = {"stdin": 1, "stream": 1, **({"stdout": 1, "stderr": 1} if speaks else {})}
        with self._engine.errors():
            return Attached(self._engine.api.attach_socket(name, params=wanted))

    def _start(self, name: str, image: Image) -> None:
        with self._engine.errors():
            try:
                self._engine.api.start(name)
            except docker.errors.APIError as error:
                raise refusal(str(error.explanation), image.reference) from error

    def look(self, name: str) -> dict[str, Any] | None:
        """Its facts as `docker inspect` has them, None when it is gone."""
        with self._engine.errors():
            try:
                found: dict[str, Any] = self._engine.api.inspect_container(name)
            except docker.errors.NotFound:
                return None
            except docker.errors.APIError as error:  # it says nothing of the container
                raise BackendUnavailable(f"the engine can't tell of its containers: {error.explanation}") from error
        return found

    def wait(self, name: str, timeout_s: float) -> int | None:
        """Until it has ended: its exit code; None when the time is over, or it is gone."""
        with self._engine.errors():
            try:
                return int(self._engine.api.wait(name, timeout=timeout_s)["StatusCode"])
            except docker.errors.APIError:
                return None
            except requests.RequestException as error:
                if caused_by(error, urllib3.exceptions.TimeoutError):
                    return None
                raise

    def stop(self, name: str) -> None:
        """Ask it to end, by force after `GRACE_S`; one that an engine can't stop is removed. One that has ended or is
        gone is passed over. Raises BackendUnavailable for one that lives on."""
        with self._engine.errors():
            try:
                self._engine.api.stop(name, timeout=GRACE_S)
                return
            except docker.errors.APIError as error:
                if error.status_code in (_NOT_MODIFIED, _NOT_FOUND):
                    return
        try:
            self.remove(name)
        except BackendError as error:
            raise BackendUnavailable(error.message) from error

    def remove(self, name: str) -> None:
        """End and free it; one that is gone or just going is passed over. Raises BackendError for one that stays."""
        with self._engine.errors():
            try:
                self._engine.api.remove_container(name, force=True, v=True)
            except docker.errors.APIError as error:
                going = error.status_code == _CONFLICT and "in progress" in str(error.explanation)
                if error.status_code != _NOT_FOUND and not going:
                    raise BackendError(f"the engine can't remove the container {name}: {error.explanation}") from error

    def printed(self, name: str) -> Iterator[bytes]:
        """What it printed, both streams."""
        with self._engine.errors():
            try:
                yield from self._engine.api.logs(name, stream=True)
            except docker.errors.APIError:  # it was never made, or is gone
                return

    def all(self) -> list[dict[str, Any]]:
        """Every container of the run, whoever made it, as the engine lists them."""
        with self._engine.errors():
            found: list[dict[str, Any]] = self._engine.api.containers(all=True, filters={"label": [self.label]})
            return found
