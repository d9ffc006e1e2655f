"""What options of a step mean: words become what the engine takes; what can't be meant is refused. No calls here."""

from __future__ import annotations

import os
import re
import sys
from dataclasses import fields

from penstock.errors import BackendMisconfigured, JobRejected
from penstock_docker.folder import Folder
from penstock_docker.plugin import DockerOptions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

PULL = ("missing", "always", "never")
SELINUX = ("z", "Z")
_VOLUME_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]*")  # Source: Docker Engine API, VolumeCreate
_USER = re.compile(r"[^\s:]+")
_LARGEST_ID = (1 << 31) - 1  # Source: runc's own limit


def of_run(said: Mapping[str, Any]) -> dict[str, Any]:
    """Every option, with its default where nothing is said."""
    return {one.name: said.get(one.name, one.default) for one in fields(DockerOptions)}


def of_step(own: Mapping[str, Any], said: Mapping[str, Any]) -> dict[str, Any]:
    """Those of a run and what is said for a step."""
    merged = {**own, **said}
    merged["image"] = merged["image"] or default_image()
    return merged


def default_image() -> str:
    """An image with this interpreter's version: what it pickles by value another one can't read."""
    return f"python:{sys.version_info.major}.{sys.version_info.minor}-slim"


def check(options: Mapping[str, Any], *, is_here: bool) -> None:
    """Everything that can be said of options before there is a job. is_here: whether the engine sees this machine's
    folders. Raises JobRejected, BackendMisconfigured."""
    if options["pull"] not in PULL:
        raise BackendMisconfigured(
            f"--docker-pull={options['pull']} is not one of {', '.join(PULL)}", hint="--docker-pull=missing"
        )
    targets: set[str] = set()
    for text in options["volumes"]:
        found = volume(text)
        _claim(found.target, targets)
        if is_here and found.is_of_this_machine and not os.path.exists(found.source):
            raise JobRejected(f"there is no {found.source} to be mounted", hint=f"mkdir -p {found.source}")
    for path, _ in in_memory(options["tmpfs"]):
        _claim(path, targets)
    for _ in variables(options["env"]):
        pass
    user(options["user"])
    if options["shm_mb"] is not None and options["shm_mb"] < 1:
        raise JobRejected(f"--docker-shm-mb={options['shm_mb']} is no size", hint="--docker-shm-mb=64")
    gpus(options["gpus"])
    selinux(options["selinux"])


def volume(text: str) -> Folder:
    """`SOURCE:TARGET[:ro,z]`; a source with a slash is a folder of this machine, else a volume of the engine's."""
    parts = text.split(":")
    modes = parts[2].split(",") if len(parts) == 3 else []
    if len(parts) not in (2, 3) or not all(parts) or not set(modes) <= {"ro", "rw", *SELINUX}:
        raise JobRejected(f"{text!r} is no volume", hint="--docker-volumes=/data:/data:ro")
    source, target = os.path.expanduser(parts[0]), parts[1]
    if not target.startswith("/"):
        raise JobRejected(
            f"{target!r} of the volume {text!r} is no absolute path", hint=f"--docker-volumes={source}:/{target}"
        )
    folder = "/" in source or source.startswith(".")
    if not folder and not _VOLUME_NAME.fullmatch(source):
        raise JobRejected(
            f"{source!r} of the volume {text!r} is neither a path nor a name", hint=f"--docker-volumes=./data:{target}"
        )
    source = os.path.abspath(source) if folder else source
    label = next((mode for mode in modes if mode in SELINUX), "")
    return Folder(source, target, read_only="ro" in modes, label=label)


def _claim(target: str, targets: set[str]) -> None:
    target = os.path.normpath(target)
    if target in targets or target == "/":
        why = "two things are to be" if target in targets else "nothing can be"
        raise JobRejected(f"{why} mounted at {target}", hint="--docker-volumes=SOURCE:TARGET   # another target")
    targets.add(target)


def user(said: str | None) -> None:
    """Raises JobRejected for what is neither ids nor names."""
    if said is None:
        return
    parts = said.split(":")
    good = len(parts) <= 2 and all(_USER.fullmatch(part) for part in parts)
    if not good or any(part.isdigit() and int(part) > _LARGEST_ID for part in parts):
        raise JobRejected(f"--docker-user={said} is no user", hint="--docker-user=UID:GID   # or a name of the image's")


def variables(said: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """`NAME=TEXT`, or `NAME` to pass on what is set here: name and text."""
    for text in said:
        name, equals, value = text.partition("=")
        if not re.fullmatch(r"\w+", name):
            raise JobRejected(f"{text!r} is no variable", hint="--docker-env=NAME=TEXT,OTHER")
        if not equals and name not in os.environ:
            raise JobRejected(f"the variable {name} is to be passed on, and is not set", hint=f"export {name}=...")
        yield name, value if equals else os.environ[name]


def in_memory(said: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """`PATH` or `PATH:SIZE_MIB`: path and the options of its mount."""
    for text in said:
        path, _, size = text.partition(":")
        if not path.startswith("/") or (size and not size.isdigit()):
            raise JobRejected(f"{text!r} is no folder in memory", hint="--docker-tmpfs=/scratch:512")
        yield path, "mode=1777" + (f",size={size}m" if size else "")


def gpus(said: str | None) -> int | None:
    """How many devices, -1 for all, None where nothing is said."""
    if said is None:
        return None
    if said == "all":
        return -1
    if not said.isdigit():
        raise JobRejected(f"--docker-gpus={said} is neither `all` nor a number", hint="--docker-gpus=all")
    return int(said)


def selinux(said: str | None) -> str | None:
    """How the store's folder is relabelled."""
    if said is not None and said not in SELINUX:
        raise JobRejected(
            f"--docker-selinux={said} is not one of {', '.join(SELINUX)}", hint=f"--docker-selinux={SELINUX[0]}"
        )
    return said
