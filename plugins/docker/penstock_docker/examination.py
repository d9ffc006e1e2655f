"""What `flow doctor --executor=docker` looks at: the engine, the image, and a container as tasks get it."""

from __future__ import annotations

import json
import secrets

from penstock.contracts.executor import Job
from penstock.contracts.finding import BAD, DOUBTFUL, GOOD, Finding
from penstock.errors import JobRejected
from penstock_docker import ending, words
from penstock_docker.refusals import refusal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from penstock.contracts.executor import Mount
    from penstock_docker.containers import Containers
    from penstock_docker.engine import Engine
    from penstock_docker.images import Image, Images

SUPPORTED = (3, 11)
_WAIT_S = 60
_LOOK = """
import json, os, sys
mounts = json.loads(sys.argv[1])
print(json.dumps([list(sys.version_info[:3]), [path for path in mounts if not os.access(path, os.W_OK)]]))
"""


def examine(
    engine: Engine, images: Images, containers: Containers, options: Mapping[str, Any], mounts: Sequence[Mount]
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
    images.foresee(reference, options["pull"], options["platform"])
    if images.look(reference) is None:
        yield Finding(
            "image", f"{reference} is not here yet: the first task pulls it", DOUBTFUL, f"docker pull {reference}"
        )
        return
    image = images.get(reference, "never", options["platform"])
    yield Finding("image", f"{image.reference}, {image.digest}")
    there = [one for one in mounts if one.path.exists()]  # the first run makes the others
    yield _container(containers, image, options, there)


def _container(containers: Containers, image: Image, options: Mapping[str, Any], mounts: Sequence[Mount]) -> Finding:
    """One container as tasks get it: it starts, its Python is good, it can write where the data lies."""
    paths = json.dumps([str(one.path) for one in mounts])
    command = ("python3", "-c", _LOOK, paths)
    job = Job(name=f"flow-doctor-{secrets.token_hex(8)}", message="", command=command, mounts=tuple(mounts))
    try:
        containers.make(job, options, image)
        containers.start(job.name, {}, image)
        code = containers.wait(job.name, _WAIT_S)
        said = b"".join(containers.printed(job.name)).decode("utf-8", "replace").strip()
    except JobRejected as error:
        return Finding("container", error.message, BAD, error.hint)
    finally:
        containers.remove(job.name)
    if code == ending.NO_PROGRAM:
        why = refusal("python3: not found", image.reference)
        return Finding("container", why.message, BAD, why.hint)
    if code != 0:
        how = f"has not ended after {_WAIT_S} s" if code is None else f"ended with exit code {code}"
        what = f"a container of {image.reference} {how}: {' '.join(said.split())}"
        return Finding("container", what, BAD, f"docker run --rm {image.reference} python3 --version")
    if not said:
        what = f"the python3 of {image.reference} ends without running its program"
        return Finding("container", what, BAD, f"docker run --rm {image.reference} python3 --version")
    version, closed = json.loads(said.splitlines()[-1])
    return _judged(version, bool(mounts), closed, image)


def _judged(version: list[int], has_data: bool, closed: list[str], image: Image) -> Finding:
    text = ".".join(map(str, version))
    if tuple(version[:2]) < SUPPORTED:
        return Finding(
            "python",
            f"{image.reference} has Python {text}; tasks need 3.11 or later",
            BAD,
            f"--docker-image={words.default_image()}",
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
