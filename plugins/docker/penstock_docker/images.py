"""Images: found, pulled with progress, and looked at once a run."""

from __future__ import annotations

import threading
import time

import docker
import docker.errors

from penstock.errors import JobRejected
from penstock_docker.engine import machine

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from penstock_docker.engine import Engine

_TELL_EVERY_S = 5.0
_LOOK_EVERY_S = 0.2


class Image:
    """An image that is there. digest: its content, as the registry names it, or its id where it has none."""

    def __init__(self, reference: str, found: dict[str, Any]) -> None:
        self.reference, self.id = reference, str(found["Id"])
        self.digest = next(iter(found.get("RepoDigests") or ()), self.id)
        self.architecture = str(found.get("Architecture") or "")

    @property
    def facts(self) -> dict[str, str]:
        """What records remember of it."""
        return {"image": self.reference, "digest": self.digest}


class Images:
    """The images of a run. note: takes remarks. Called from several threads; each image is pulled once."""

    def __init__(self, engine: Engine, note: Callable[[str], None]) -> None:
        self._engine, self._note = engine, note
        self._found: dict[tuple[str, str | None], Image | JobRejected] = {}
        self._locks: dict[tuple[str, str | None], threading.Lock] = {}
        self._lock = threading.Lock()
        self._left = False

    def known(self, reference: str, platform: str | None) -> Image | None:
        """The image if it was got already. Raises JobRejected when it was found that it can't be had."""
        found = self._found.get((reference, platform))
        if isinstance(found, JobRejected):
            raise found
        return found

    def get(self, reference: str, pull: str, platform: str | None) -> Image:
        """The image, pulled if need be. Raises JobRejected when it can't be had."""
        key = (reference, platform)
        with self._lock:
            lock = self._locks.setdefault(key, threading.Lock())
        with lock:
            found = self.known(*key)
            if found is None:
                try:
                    found = self._get(reference, pull, platform)
                except JobRejected as error:
                    self._found[key] = error
                    raise
                self._found[key] = found
        return found

    def _get(self, reference: str, pull: str, platform: str | None) -> Image:
        found = None if pull == "always" else self.look(reference)
        if found is None:
            self._may_pull(reference, pull)
            self._pull(reference, platform)
            found = self.look(reference)
        if found is None:
            raise JobRejected(f"the image {reference} was pulled, and is not there", hint=f"docker pull {reference}")
        self._check_machine(found, platform)
        return found

    def foresee(self, reference: str, pull: str, platform: str | None) -> None:
        """That `get` will find it, as far as can be known without pulling it. Raises JobRejected."""
        found = None if pull == "always" else self.look(reference)
        if found is not None:
            self._check_machine(found, platform)
            return
        self._may_pull(reference, pull)
        if self._engine.is_podman:  # its service can't ask a registry without pulling
            self.get(reference, pull, platform)
            return
        with self._engine.errors():
            try:
                told = self._engine.api.inspect_distribution(reference)
            except docker.errors.APIError as error:
                raise _refusal(reference, str(error.explanation)) from error
        there = [machine(str(one.get("architecture") or "")) for one in told.get("Platforms") or ()]
        wanted = _machine_of(platform) or self._engine.machine
        if there and "" not in there and wanted not in there:
            raise JobRejected(
                f"the image {reference} is for {', '.join(sorted(set(there)))}, not for {wanted}",
                hint=f"--docker-platform=linux/{there[0]}   # with an emulator; or take another image",
            )

    def _may_pull(self, reference: str, pull: str) -> None:
        if pull == "never":
            raise JobRejected(
                f"the engine has no image {reference}", hint=f"docker pull {reference}   # or --docker-pull=missing"
            )

    def _check_machine(self, image: Image, platform: str | None) -> None:
        """That it is for the machine that is asked for, or the engine's: another one is not pulled in its place."""
        wanted = _machine_of(platform) or self._engine.machine
        if image.architecture and wanted and machine(image.architecture) != wanted:
            raise JobRejected(
                f"the image {image.reference} is for {image.architecture}, not for {wanted}",
                hint=f"docker pull --platform=linux/{wanted} {image.reference}"
                + ("" if platform else f"   # or --docker-platform=linux/{image.architecture}, with an emulator"),
            )

    def look(self, reference: str) -> Image | None:
        """The image as it is on the engine now, None where it is not."""
        with self._engine.errors():
            try:
                return Image(reference, self._engine.api.inspect_image(reference))
            except docker.errors.NotFound:
                return None
            except docker.errors.APIError as error:
                raise JobRejected(f"{reference}: {error.explanation}", hint="--docker-image=NAME:TAG") from error

    def _pull(self, reference: str, platform: str | None) -> None:
        """In a thread that may be left alone: a pull takes as long as the network likes, and can't be stopped."""
        ended = threading.Event()
        trouble: list[Exception] = []

        def pull() -> None:
            try:
                self._follow(reference, platform)
            except Exception as error:  # noqa: BLE001 - raised again below
                trouble.append(error)
            finally:
                ended.set()

        threading.Thread(target=pull, name="penstock docker pull", daemon=True).start()
        while not ended.wait(_LOOK_EVERY_S):
            if self._left:
                raise JobRejected(f"the image {reference} was not pulled to its end")
        if trouble:
            raise trouble[0]

    def _follow(self, reference: str, platform: str | None) -> None:
        repository, tag = docker.utils.parse_repository_tag(reference)
        self._note(f"pulling the image {reference}")
        layers: dict[str, tuple[int, int]] = {}
        told = began = time.monotonic()
        try:
            with self._engine.errors():
                for line in self._engine.api.pull(
                    repository, tag=tag or "latest", stream=True, decode=True, platform=platform
                ):
                    if "error" in line:
                        raise _refusal(reference, str(line["error"]))
                    progress = line.get("progressDetail") or {}
                    if line.get("status") == "Downloading" and progress.get("total"):
                        layers[line["id"]] = (progress.get("current", 0), progress["total"])
                    if layers and time.monotonic() - told >= _TELL_EVERY_S:
                        told = time.monotonic()
                        done, total = (sum(one[number] for one in layers.values()) / 1e6 for number in (0, 1))
                        self._note(f"pulling {reference}: {done:.0f} of {total:.0f} MB")
        except docker.errors.APIError as error:
            raise _refusal(reference, str(error.explanation)) from error
        self._note(f"pulled {reference} in {time.monotonic() - began:.0f} s")

    def leave(self) -> None:
        """Nobody waits for an image any more."""
        self._left = True


def _refusal(reference: str, said: str) -> JobRejected:
    return JobRejected(
        f"the image {reference} can't be pulled: {said.strip()}", hint="--docker-image=NAME:TAG   # docker image ls"
    )


def _machine_of(platform: str | None) -> str:
    """The machine that a platform (`linux/arm64/v8`) names."""
    parts = (platform or "").split("/")
    return machine(parts[1] if len(parts) > 1 else parts[0])
