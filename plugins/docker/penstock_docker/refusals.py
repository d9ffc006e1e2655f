"""What an engine says when it won't make or start a container, in the words of our options. Pure."""

from __future__ import annotations

import re

from penstock.errors import JobRejected
from penstock_docker import words

# Docker's own words, those of runc, and Podman's where they differ: what is said, what it means, what to type. {0} is
# what the engine named, {image} the image.
_MEANINGS = [
    (
        r"python3\S*: (?:executable file not found|.*no such file)|python3.*(?:not found|no such file)",
        "the image {image} has no python3 on its PATH: tasks need Python 3.11 or later",
        "--docker-image={default}",
    ),
    (
        r"unable to find user (.+?): no matching entries",
        "the image {image} knows no user {0}",
        "--docker-user=UID:GID   # numbers need not be known there",
    ),
    (
        r"[Uu]nable to find group (.+?): no matching entries",
        "the image {image} knows no group {0}",
        "--docker-user=UID:GID   # numbers need not be known there",
    ),
    (
        r"network (?:with name or ID )?(\S+?):? (?:network )?not found",
        "the engine has no network {0}",
        "docker network create {0}   # or --docker-network=none",
    ),
    (
        r"failed to create endpoint|could not find bridge",
        "the engine can't connect a container to its network: {said}",
        "--docker-network=none   # or host",
    ),
    (
        r"could not select device driver|nvidia|CDI device",
        "the engine has no GPUs to give: {said}",
        "--docker-gpus=0   # or install NVIDIA's container toolkit beside the engine",
    ),
    (
        r"unknown capability: \"?(CAP_\w+)|(CAP_\w+)\"?: unknown capability",
        "the engine knows no capability {0}",
        "--docker-cap-add=SYS_PTRACE   # see capabilities(7)",
    ),
    (
        r"exec format error",
        "the image {image} is for another kind of machine",
        "--docker-platform=linux/amd64",
    ),
    (
        r"bind source path does not exist: (\S+)",
        "the engine sees no {0} to be mounted",
        "mkdir -p {0}",
    ),
    (
        r"[Dd]uplicate mount point: (\S+)",
        "two things are to be mounted at {0}",
        "--docker-volumes=SOURCE:TARGET   # another target",
    ),
    (
        r"(?:[Mm]inimum memory limit allowed is|memory limit should be at least) (\w+)",
        "a container needs a limit of at least {0} of memory",
        "@resources(memory=64)",
    ),
    (
        r"no space left on device",
        "the engine's disk is full: {said}",
        "docker system df   # and docker system prune frees what nobody uses",
    ),
]


def refusal(said: str, image: str) -> JobRejected:
    """The error of a container that can't be. said: the engine's words; image: as the user named it."""
    said = " ".join(said.split())
    for pattern, message, hint in _MEANINGS:
        found = re.search(pattern, said)
        if found is not None:
            parts = [part for part in found.groups() if part is not None]
            named = {"image": image, "said": said, "default": words.default_image()}
            return JobRejected(message.format(*parts, **named), hint=hint.format(*parts, **named))
    return JobRejected(
        f"the engine refuses a container of {image}: {said}", hint=f"docker run --rm {image} python3 --version"
    )
