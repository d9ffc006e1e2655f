"""What the containers of a step rest on, asked before a run begins, so that no task has to fail for it."""

from __future__ import annotations

import secrets

from penstock.errors import JobRejected

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from penstock.contracts.executor import Job
    from penstock_docker.containers import Containers
    from penstock_docker.engine import Engine
    from penstock_docker.images import Images

_ALWAYS_THERE = ("default", "none", "host", "bridge")
_LEAST_MB = 6  # Source: the engine's own limit


def check(job: Job, options: Mapping[str, Any], engine: Engine, images: Images, containers: Containers) -> None:
    """job: what the jobs of a step have in common. Raises JobRejected, and BackendUnavailable when nobody answers."""
    if job.mounts and not engine.is_here:
        raise JobRejected(
            f"the engine at {engine.url} sees no folder of this machine, and the data lies in one",
            hint="--datastore=...   # one that reaches anywhere",
        )
    memory_mb = job.resources.memory_mb
    if memory_mb is not None and memory_mb < _LEAST_MB:
        raise JobRejected(
            f"a container needs a limit of at least {_LEAST_MB} MiB of memory, not {memory_mb}",
            hint="@resources(memory=64)",
        )
    _check_network(options["network"], engine)
    images.foresee(options["image"], options["pull"], options["platform"])
    if _is_unusual(job, options):
        _try(job, options, images, containers)


def _check_network(name: str | None, engine: Engine) -> None:
    if name is None or name in _ALWAYS_THERE:
        return
    if name.startswith("container:"):
        if engine.ask("inspect_container", name.partition(":")[2]) is None:
            raise JobRejected(
                f"the engine has no container {name.partition(':')[2]}, whose network tasks are to share",
                hint="docker ps",
            )
    elif engine.ask("inspect_network", name) is None:
        there = sorted(str(one["Name"]) for one in engine.ask("networks") or ())
        raise JobRejected(
            f"the engine has no network {name}; it has {', '.join(there)}", hint=f"docker network create {name}"
        )


def _is_unusual(job: Job, options: Mapping[str, Any]) -> bool:
    """Whether it takes a container to know: names of users are those of the image, GPUs those of the engine."""
    user = str(options["user"] or "0")
    return bool(
        not user.replace(":", "").isdigit() or options["gpus"] or job.resources.gpu or options["cap_add"]
    )


def _try(job: Job, options: Mapping[str, Any], images: Images, containers: Containers) -> None:
    """Start one container that does nothing, where its image is here already."""
    image = images.look(options["image"])
    if image is None:
        return
    nothing = job.changed(
        name=f"flow-check-{secrets.token_hex(8)}", command=("python3", "-c", "pass"), secrets={}, mounts=()
    )
    try:
        containers.make(nothing, options, image)
        containers.start(nothing.name, {}, image)
    finally:
        containers.remove(nothing.name)
