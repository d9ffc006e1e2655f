"""The executor `docker`: each task in a container of this machine's engine."""

from __future__ import annotations

from dataclasses import dataclass

from penstock.plugin import Backend, hookimpl, option

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True)
class DockerOptions:
    """What a container is made with; what a step says in `@docker(...)` holds for that step."""

    image: str | None = option(None, help="Image that runs the tasks; default: python:X.Y-slim, as here.")
    pull: str = option("missing", help="When the image is pulled: missing, always, never.")
    platform: str | None = option(None, help="Platform of the image, as linux/arm64.")
    url: str | None = option(None, help="Where the engine listens; default: DOCKER_HOST, else the current context.")
    network: str | None = option(None, help="Network of the containers, as none or host; default: the engine's.")
    volumes: tuple[str, ...] = option((), help="Further folders or volumes, SOURCE:TARGET[:ro,z] each.")
    env: tuple[str, ...] = option((), help="Further variables: NAME=TEXT, or NAME to pass on the one that is set here.")
    user: str | None = option(None, help="User in the container, UID[:GID] or a name; default: the caller's ids.")
    gpus: str | None = option(None, help="GPUs: all, or how many; default: what @resources(gpu=...) says.")
    shm_mb: int | None = option(None, help="Size of /dev/shm in MiB; default: @resources(shared_memory=...).")
    tmpfs: tuple[str, ...] = option((), help="Folders in memory, PATH or PATH:SIZE_MIB each.")
    read_only: bool = option(False, help="Make the image's own files read-only; /tmp is in memory then.")
    selinux: str | None = option(None, help="Relabel the store's folder for SELinux: z (shared) or Z (private).")
    cap_add: tuple[str, ...] = option((), help="Capabilities to give; all are dropped otherwise.")
    new_privileges: bool = option(False, help="Let programs in the container gain privileges, as by sudo.")
    reuse: bool = option(False, help="Run tasks in warm containers, one for each image, variables and resources.")


@hookimpl
def penstock_backends() -> Iterator[Backend]:
    """One executor."""
    yield Backend(
        kind="executor",
        name="docker",
        contract=1,
        summary="A container of this machine's engine for each task.",
        options=DockerOptions,
        target="penstock_docker.executor:DockerExecutor",
        decorator="docker",
    )
