"""Job definitions: content from options, names from content."""

from __future__ import annotations

import json
from typing import Any

import botocore.session
import pytest
from botocore.validate import ParamValidator
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import JobRejected
from penstock.values import Resources
from penstock_aws_batch.definition import FARGATE_SIZES, definition, fargate_size
from penstock_aws_batch.plugin import BatchOptions

MODEL = botocore.session.Session().get_service_model("batch").operation_model("RegisterJobDefinition")


def made(fargate: bool = False, resources: Resources | None = None, **options: Any) -> dict[str, Any]:
    """A definition, which botocore's model of the service takes."""
    given = {"queue": "q", "execution_role": "arn:aws:iam::1:role/x", **options}
    found = definition(BatchOptions(**given), resources or Resources(), {"A": "ä"}, fargate, "image")
    report = ParamValidator().validate(found, MODEL.input_shape)
    assert not report.has_errors(), report.generate_report()
    return found


def container(**given: Any) -> dict[str, Any]:
    found: dict[str, Any] = made(**given)["containerProperties"]
    return found


@pytest.mark.parametrize(
    ("options", "member", "value"),
    [
        ({}, "image", "image"),
        ({}, "environment", [{"name": "A", "value": "ä"}]),
        ({"iam_role": "arn:aws:iam::1:role/r"}, "jobRoleArn", "arn:aws:iam::1:role/r"),
        ({"privileged": True}, "privileged", True),
        ({"resources": Resources(shared_memory_mb=64)}, "linuxParameters",
         {"initProcessEnabled": True, "sharedMemorySize": 64}),
        ({"max_swap": 9, "swappiness": 60}, "linuxParameters",
         {"initProcessEnabled": True, "maxSwap": 9, "swappiness": 60}),
        ({"tmpfs_size": 7, "tmpfs_tempdir": False}, "linuxParameters",
         {"initProcessEnabled": True, "tmpfs": [{"containerPath": "/penstock_temp", "size": 7}]}),
        ({"use_tmpfs": True}, "environment", [
            {"name": "A", "value": "ä"}, {"name": "TMPDIR", "value": "/penstock_temp"}]),
        ({"host_volumes": ("/a", "/b:/c")}, "mountPoints", [
            {"sourceVolume": "host-0", "containerPath": "/a"}, {"sourceVolume": "host-1", "containerPath": "/c"}]),
        ({"efs_volumes": ("fs-1:/data",)}, "volumes", [
            {"name": "efs-0", "efsVolumeConfiguration": {"fileSystemId": "fs-1", "transitEncryption": "ENABLED"}}]),
        ({"efs_volumes": ("fs-1",)}, "mountPoints", [{"sourceVolume": "efs-0", "containerPath": "/mnt/fs-1"}]),
        ({"log_options": ("awslogs-group=mine",)}, "logConfiguration",
         {"logDriver": "awslogs", "options": {"awslogs-group": "mine"}}),
        ({"resources": Resources(gpu=2)}, "resourceRequirements", [
            {"type": "VCPU", "value": "1"}, {"type": "MEMORY", "value": "4096"}, {"type": "GPU", "value": "2"}]),
        ({"resources": Resources(cpu=1.5, memory_mb=100)}, "resourceRequirements", [
            {"type": "VCPU", "value": "2"}, {"type": "MEMORY", "value": "100"}]),
        ({"fargate": True, "default_cpu": 0.3, "default_memory": 600}, "resourceRequirements", [
            {"type": "VCPU", "value": "0.5"}, {"type": "MEMORY", "value": "1024"}]),
        ({"fargate": True, "public_ip": False}, "networkConfiguration", {"assignPublicIp": "DISABLED"}),
        ({"fargate": True, "resources": Resources(disk_mb=30_000)}, "ephemeralStorage", {"sizeInGiB": 30}),
    ],
)  # fmt: skip
def test_what_an_option_becomes(options: dict[str, Any], member: str, value: object) -> None:
    assert container(**options)[member] == value


def test_chips_and_adapters_are_devices() -> None:
    devices = container(trainium=1, efa=1)["linuxParameters"]["devices"]
    assert [one["hostPath"] for one in devices] == ["/dev/neuron0", "/dev/infiniband/uverbs0"]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"default_memory": 3}, "4 MiB at least"),
        ({"default_cpu": 0.0}, "a part of a vCPU"),
        ({"host_volumes": ("data",)}, "no absolute path"),
        ({"efs_volumes": ("/data",)}, "fs-ID:/inside"),
        ({"log_options": ("x",)}, "key=value"),
        ({"fargate": True, "resources": Resources(shared_memory_mb=1)}, "which has no shared memory"),
        ({"fargate": True, "resources": Resources(gpu=1)}, "which has no gpu"),
        ({"fargate": True, "privileged": True}, "which has no privileged"),
        ({"fargate": True, "execution_role": None}, "needs a role"),
        ({"fargate": True, "default_memory": 200_000}, "no Fargate task has"),
    ],
)
def test_what_does_not_go_together(options: dict[str, Any], says: str) -> None:
    with pytest.raises(JobRejected, match=says) as error:
        made(**options)
    assert error.value.hint


def test_the_same_content_has_the_same_name() -> None:
    names = [made(**one)["jobDefinitionName"] for one in ({}, {}, {"default_memory": 5000}, {"fargate": True})]
    assert names[0] == names[1] and len(set(names)) == 3
    assert json.loads(json.dumps(made())) == made()


@given(st.floats(0.01, 16), st.integers(4, 122_880))
def test_a_fargate_size_is_the_smallest_that_fits(cpu: float, memory_mb: int) -> None:
    vcpus, size = fargate_size(cpu, memory_mb)
    least, most, step = FARGATE_SIZES[vcpus]
    assert vcpus >= cpu and size >= memory_mb and least <= size <= most and (size - least) % step == 0
    for smaller, (_, limit, _) in FARGATE_SIZES.items():
        assert smaller >= vcpus or smaller < cpu or limit < memory_mb
