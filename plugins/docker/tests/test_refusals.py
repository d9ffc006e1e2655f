"""What engines say, word for word as they have said it to us, and what a user is told."""

from __future__ import annotations

import pytest

from penstock_docker.refusals import refusal
from penstock_docker.words import default_image


@pytest.mark.parametrize(
    ("said", "message", "hint"),
    [
        (
            'starting container process caused: exec: "python3": executable file not found in $PATH: unknown',
            "the image mine:1 has no python3 on its PATH: tasks need Python 3.11 or later",
            f"--docker-image={default_image()}",
        ),
        (
            "unable to find user nobody-i-know: no matching entries in passwd file",
            "the image mine:1 knows no user nobody-i-know",
            "--docker-user=UID:GID",
        ),
        (
            "unable to find group strangers: no matching entries in group file",
            "the image mine:1 knows no group strangers",
            "--docker-user=UID:GID",
        ),
        ("network nowhere not found", "the engine has no network nowhere", "docker network create nowhere"),
        (
            "unable to find network with name or ID nowhere: network not found",
            "the engine has no network nowhere",
            "docker network create nowhere",
        ),
        (
            "failed to create endpoint j on network bridge: could not find bridge docker0: route ip+net",
            "the engine can't connect a container to its network: failed to create endpoint j",
            "--docker-network=none",
        ),
        (
            'could not select device driver "" with capabilities: [[gpu]]',
            "the engine has no GPUs to give: could not select device driver",
            "--docker-gpus=0",
        ),
        (
            'invalid CapAdd: unknown capability: "CAP_FLY"',
            "the engine knows no capability CAP_FLY",
            "--docker-cap-add=",
        ),
        (
            'container create: "CAP_FLY": unknown capability',
            "the engine knows no capability CAP_FLY",
            "--docker-cap-add=",
        ),
        (
            "standard_init_linux.go:228: exec user process caused: exec format error",
            "the image mine:1 is for another kind of machine",
            "--docker-platform=",
        ),
        (
            "invalid mount config for type \"bind\": bind source path does not exist: /gone",
            "the engine sees no /gone to be mounted",
            "mkdir -p /gone",
        ),
        ("Duplicate mount point: /data", "two things are to be mounted at /data", "--docker-volumes="),
        ("Minimum memory limit allowed is 6MB", "a limit of at least 6MB", "@resources(memory=64)"),
        (
            "mkdir /var/lib/docker/overlay2/x: no space left on device",
            "the engine's disk is full",
            "docker system df",
        ),
        (
            "something\n  that nobody has seen",
            "the engine refuses a container of mine:1: something that nobody has seen",
            "docker run --rm mine:1 ",
        ),
    ],
)
def test_the_words_of_an_engine_become_ours(said: str, message: str, hint: str) -> None:
    told = refusal(said, "mine:1")
    assert message in told.message
    assert told.hint.startswith(hint)
