"""What containers are made with, where no machine of ours can show it: GPUs, SELinux."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import docker
import pytest

from penstock.contracts.executor import Job, Mount
from penstock.errors import JobRejected
from penstock.values import RUNTIME_VARIABLE, Resources
from penstock_docker import recipe, words
from penstock_docker.images import Image
from penstock_docker.world import World

WORLD = World("F/1", "ann", "1000:1000", 4.0, "/cache/runtime")
IMAGE = Image("python:3.12-slim", {"Id": "sha256:1", "Architecture": "amd64"})


def request(resources: Resources | None = None, **said: Any) -> dict[str, Any]:
    """As it goes to the engine: the body of the request's host configuration."""
    job = Job(
        name="j", message="", command=("true",), resources=resources or Resources(),
        mounts=(Mount(path=Path("/store")),),
    )  # fmt: skip
    made = recipe.creation(job, words.of_step(words.of_run({}), said), IMAGE, WORLD)
    with contextlib.closing(docker.APIClient(base_url="http://nowhere:1", version="1.41")) as client:
        body: dict[str, Any] = client.create_host_config(**made["host_config"])
    return body


@pytest.mark.parametrize(
    ("gpus", "needs", "count"),
    [(None, 2, 2), ("all", None, -1), ("all", 2, -1), ("3", None, 3), ("0", 2, None), (None, None, None)],
)
def test_gpus_are_asked_for_as_the_engine_wants_it(gpus: str | None, needs: int | None, count: int | None) -> None:
    """Source: Docker Engine API, ContainerCreate, DeviceRequests; what `docker run --gpus` sends."""
    asked = request(Resources(gpu=needs), gpus=gpus).get("DeviceRequests")
    if count is None:
        assert not asked
        return
    (one,) = asked
    assert (one["Count"], one["Capabilities"]) == (count, [["gpu"]])


@pytest.mark.parametrize("mode", ["z", "Z"])
def test_selinux_relabels_what_is_ours_and_what_says_so(mode: str) -> None:
    body = request(selinux=mode, volumes=("/etc:/data:ro", "kept:/kept:Z", "/mine:/mine:ro,z"))
    assert body["Binds"] == [
        f"/store:/store:{mode}",
        "/cache/runtime:/cache/runtime:z,ro",  # it is of all containers, also of other runs
        "kept:/kept:Z",
        "/mine:/mine:z,ro",
    ]
    assert [(one["Source"], one["ReadOnly"]) for one in body["Mounts"]] == [("/etc", True)], "not ours to relabel"


def test_what_jobs_only_read_is_mounted_so() -> None:
    mounts = {one["Target"]: one["ReadOnly"] for one in request(volumes=("/data:/data:ro", "/work:/work"))["Mounts"]}
    assert mounts == {"/store": False, "/cache/runtime": True, "/data": True, "/work": False}


def test_the_runtime_is_named_to_the_job() -> None:
    found = recipe.environment(Job(name="j", message=""), words.of_step(words.of_run({}), {}), IMAGE, WORLD)
    assert found[RUNTIME_VARIABLE] == "/cache/runtime"


@pytest.mark.parametrize(
    ("said", "words_of_it"),
    [
        ({"volumes": ("one",)}, "'one' is no volume"),
        ({"volumes": ("/a:/b:rx",)}, "is no volume"),
        ({"volumes": ("/a:b",)}, "no absolute path"),
        ({"volumes": ("a b:/b",)}, "neither a path nor a name"),
        ({"volumes": ("/:/x", "name:/x")}, "mounted at /x"),
        ({"volumes": ("name:/",)}, "mounted at /"),
        ({"volumes": ("/:/x",), "tmpfs": ("/x/:5",)}, "mounted at /x"),
        ({"volumes": ("/nowhere/at/all:/x",)}, "no /nowhere/at/all"),
        ({"tmpfs": ("x",)}, "no folder in memory"),
        ({"tmpfs": ("/x:5g",)}, "no folder in memory"),
        ({"gpus": "some"}, "neither `all` nor a number"),
        ({"selinux": "y"}, "z, Z"),
        ({"env": ("a-b=1",)}, "is no variable"),
        ({"user": "1000:1000:1000"}, "is no user"),
        ({"user": "a b"}, "is no user"),
        ({"user": "4294967296"}, "is no user"),
        ({"shm_mb": 0}, "shm-mb"),
    ],
)
def test_what_can_not_be_meant_is_refused_without_an_engine(said: dict[str, Any], words_of_it: str) -> None:
    with pytest.raises(JobRejected) as told:
        words.check(words.of_step(words.of_run({}), said), is_here=True)
    assert words_of_it in told.value.message
    assert told.value.hint
