"""What `flow doctor --executor=docker` looks at: the engine, the image, and a container as tasks get it."""

from __future__ import annotations

import contextlib
import json
import secrets

import docker.errors

from penstock.contracts.executor import Job
from penstock.contracts.finding import BAD, DOUBTFUL, GOOD, Finding
from penstock_docker import ending, recipe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from penstock.contracts.executor import Mount
    from penstock_docker.engine import Engine
    from penstock_docker.images import Image, Images
    from penstock_docker.surroundings import Surroundings

SUPPORTED = (3, 11)
_WAIT_S = 60
_LOOK = """
import json, os, sys
mounts = json.loads(sys.argv[1])
print(json.dumps([list(sys.version_info[:3]), [path for path in mounts if not os.access(path, os.W_OK)]]))
"""


def examine(
    engine: Engine, images: Images, options: Mapping[str, Any], around: Surroundings, mounts: Sequence[Mount]
) -> Iterator[Finding]:
    """Everything a task needs, in the order in which it rests on one another. Leaves nothing but a pulled image."""
    facts = engine.facts
    what = f"{facts.get('ServerVersion')} at {engine.url}, on {facts.get('OSType')} {facts.get('Architecture')}"
    yield Finding("engine", what + (", rootless" if engine.rootless else ""))
    if not facts.get("MemoryLimit", True):
        yield Finding("limits", "the engine can't limit memory: @resources(memory=...) is a hint only", DOUBTFUL)
    if mounts and not engine.is_here:
        folders = ", ".join(str(one.path) for one in mounts)
        yield Finding(
            "folders", f"an engine elsewhere sees no {folders}", BAD, "--datastore=...   # one that reaches anywhere"
        )
        return
    reference = options["image"]
    if options["pull"] != "never" and images.look(reference) is None:
        yield Finding(
            "image", f"{reference} is not here yet: the first task pulls it", DOUBTFUL, f"docker pull {reference}"
        )
        return
    image = images.get(reference, "never", options["platform"])
    yield Finding("image", f"{image.reference}, {image.digest}")
    there = [one for one in mounts if one.path.exists()]  # the first run makes the others
    yield _container(engine, image, options, around, there)


def _container(
    engine: Engine, image: Image, options: Mapping[str, Any], around: Surroundings, mounts: Sequence[Mount]
) -> Finding:
    """One container as tasks get it: it starts, its Python is good, it can write where the data lies."""
    paths = json.dumps([str(one.path) for one in mounts])
    command = ("python3", "-c", _LOOK, paths)
    job = Job(name=f"flow-doctor-{secrets.token_hex(8)}", message="", command=command, mounts=tuple(mounts))
    made = recipe.creation(job, options, image, around)
    api = engine.api
    with engine.errors():
        try:
            made["host_config"] = api.create_host_config(**made["host_config"])
            api.create_container(**made)
            api.start(job.name)
            code = api.wait(job.name, timeout=_WAIT_S)["StatusCode"]
            said = api.logs(job.name).decode("utf-8", "replace").strip()
        except docker.errors.APIError as error:
            return _not_started(ending.not_started(str(error.explanation), image.reference).message, image)
        finally:
            with contextlib.suppress(docker.errors.APIError):
                api.remove_container(job.name, force=True, v=True)
    if code == ending.NO_PROGRAM:
        return _not_started(f"{image.reference} has no python3 on its PATH: tasks need 3.11 or later", image)
    if code:
        return _not_started(f"a container of {image.reference} ended with exit code {code}: {said}", image)
    version, closed = json.loads(said.splitlines()[-1])
    return _judged(version, bool(mounts), closed, image)


def _not_started(reason: str, image: Image) -> Finding:
    """Why, in one line, with what can be done about it."""
    hint = f"docker run --rm {image.reference} python3 --version"
    if "exec format" in reason:
        hint = f"--docker-platform=linux/{image.architecture}   # needs an emulator, or take an image for this machine"
    elif "python3" in reason:
        hint = "--docker-image=python:3.12-slim"
    return Finding("container", " ".join(reason.split()), BAD, hint)


def _judged(version: list[int], has_data: bool, closed: list[str], image: Image) -> Finding:
    text = ".".join(map(str, version))
    if tuple(version[:2]) < SUPPORTED:
        return Finding(
            "python",
            f"{image.reference} has Python {text}; tasks need 3.11 or later",
            BAD,
            "--docker-image=python:3.12-slim",
        )
    if closed:
        return Finding(
            "folders",
            f"tasks can't write in {', '.join(closed)}",
            BAD,
            "--docker-user=UID:GID   # or --docker-selinux=z",
        )
    what = f"starts and has Python {text}"
    return Finding("container", f"{what}, and writes where the data lies" if has_data else what, GOOD)
