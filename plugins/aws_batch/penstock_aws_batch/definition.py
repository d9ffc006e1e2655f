"""The job definition of a step, made from its options alone: the same content has the same name.

Everything that jobs of a step have in common stands here, its variables too, so that a submission holds a command and
nothing that could grow (containerOverrides take 8,192 bytes).
"""

from __future__ import annotations

import hashlib
import json
import math

from penstock.errors import JobRejected

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from penstock.values import Resources
    from penstock_aws_batch.plugin import BatchOptions

# vCPUs -> MiB that a Fargate task may have with them: first, last, step. Source: ECS developer guide, "Task size".
FARGATE_SIZES = {
    0.25: (512, 2048, 512), 0.5: (1024, 4096, 1024), 1.0: (2048, 8192, 1024), 2.0: (4096, 16384, 1024),
    4.0: (8192, 30720, 1024), 8.0: (16384, 61440, 4096), 16.0: (32768, 122880, 8192),
}  # fmt: skip
_FARGATE_DISK_GIB = (21, 200)
_NOT_ON_FARGATE = (
    "inferentia", "trainium", "efa", "host_volumes", "privileged", "use_tmpfs", "tmpfs_size", "max_swap", "swappiness",
)  # fmt: skip


class Needs:
    """What a job of a step gets. cpu: vCPUs; the rest MiB, disk_gib GiB, gpu devices."""

    __slots__ = ("cpu", "disk_gib", "gpu", "memory_mb", "shared_memory_mb")

    def __init__(self, resources: Resources, options: BatchOptions, fargate: bool) -> None:
        self.cpu = options.default_cpu if resources.cpu is None else float(resources.cpu)
        self.memory_mb = resources.memory_mb or options.default_memory
        self.gpu = resources.gpu or 0
        self.shared_memory_mb = resources.shared_memory_mb
        disk_gib = None if resources.disk_mb is None else math.ceil(resources.disk_mb / 1024)
        self.disk_gib = options.ephemeral_storage or disk_gib
        if self.cpu <= 0 or self.memory_mb < 4:
            raise JobRejected(
                f"a job needs a part of a vCPU and 4 MiB at least, not cpu={self.cpu:g}, memory={self.memory_mb}",
                hint="@resources(cpu=1, memory=4096)",
            )
        if fargate:
            self.cpu, self.memory_mb = fargate_size(self.cpu, self.memory_mb)
        else:
            self.cpu = math.ceil(self.cpu)  # instances give whole vCPUs

    def requirements(self) -> list[dict[str, str]]:
        """As `resourceRequirements`."""
        found = [("VCPU", f"{self.cpu:g}"), ("MEMORY", str(self.memory_mb))]
        return [{"type": kind, "value": value} for kind, value in found + [("GPU", str(self.gpu))] * bool(self.gpu)]


def fargate_size(cpu: float, memory_mb: int) -> tuple[float, int]:
    """The smallest task that has as much. Raises JobRejected when none has."""
    for vcpus, (least, most, step) in FARGATE_SIZES.items():
        if vcpus >= cpu and most >= memory_mb:
            return vcpus, max(least, math.ceil(memory_mb / step) * step)
    raise JobRejected(
        f"no Fargate task has {cpu:g} vCPUs and {memory_mb} MiB; the largest has 16 and 122880",
        hint="--aws-batch-queue=...   # a queue with EC2 instances",
    )


def definition(
    options: BatchOptions, resources: Resources, environment: Mapping[str, str], fargate: bool, image: str,
    nodes: bool = False,
) -> dict[str, Any]:  # fmt: skip
    """A request to RegisterJobDefinition, its name included; nodes: of jobs that run side by side, however many.

    Raises JobRejected for options that don't go together.
    """
    if fargate:
        _check_fargate(options, resources)
    needs = Needs(resources, options, fargate)
    container = _container(options, needs, environment, fargate, image)
    alike = [{"targetNodes": "0:", "container": container}]  # open, so that a submission says how many there are
    content = {
        "type": "multinode" if nodes else "container",
        "platformCapabilities": ["FARGATE" if fargate else "EC2"],
        **(
            {"nodeProperties": {"numNodes": 2, "mainNode": 0, "nodeRangeProperties": alike}}
            if nodes
            else {"containerProperties": container}
        ),
        "retryStrategy": {"attempts": 1},  # who tries again is the scheduler: an attempt of ours is one of Batch's
        "propagateTags": True,
    }
    return {"jobDefinitionName": name_of(content), **content}


def name_of(content: Mapping[str, Any]) -> str:
    """The same for the same content."""
    canonical = json.dumps(content, sort_keys=True, ensure_ascii=True)
    return f"penstock-{hashlib.sha256(canonical.encode('ascii')).hexdigest()[:24]}"


def _check_fargate(options: BatchOptions, resources: Resources) -> None:
    asked = {name: getattr(options, name) for name in _NOT_ON_FARGATE}
    asked |= {"gpu": resources.gpu, "shared_memory": resources.shared_memory_mb}
    for name, value in asked.items():
        if value:
            raise JobRejected(
                f"the queue {options.queue} runs jobs on Fargate, which has no {name.replace('_', ' ')}",
                hint=f"--aws-batch-queue=...   # a queue with EC2 instances, or leave {name} out",
            )
    if options.execution_role is None:
        raise JobRejected(
            f"the queue {options.queue} runs jobs on Fargate, which needs a role that starts them",
            hint="--aws-batch-execution-role=arn:aws:iam::ACCOUNT:role/NAME",
        )


def _container(
    options: BatchOptions, needs: Needs, environment: Mapping[str, str], fargate: bool, image: str
) -> dict[str, Any]:
    linux = _linux(options, needs)
    variables = dict(environment)
    if linux.get("tmpfs") and options.tmpfs_tempdir:
        variables.setdefault("TMPDIR", options.tmpfs_path)
    made: dict[str, Any] = {
        "image": image,
        "command": ["true"],  # each submission has its own
        "resourceRequirements": needs.requirements(),
        "environment": [{"name": name, "value": value} for name, value in sorted(variables.items()) if value],
        "linuxParameters": linux,
    }
    if options.iam_role:
        made["jobRoleArn"] = options.iam_role
    if options.execution_role:
        made["executionRoleArn"] = options.execution_role
    if options.privileged:
        made["privileged"] = True
    volumes = [*_host_volumes(options.host_volumes), *_efs_volumes(options.efs_volumes)]
    if volumes:
        made["volumes"] = [volume for volume, _ in volumes]
        made["mountPoints"] = [point for _, point in volumes]
    if options.log_driver or options.log_options:
        driver = options.log_driver or "awslogs"
        made["logConfiguration"] = {"logDriver": driver, "options": pairs(options.log_options, "log_options")}
    if fargate:
        made["networkConfiguration"] = {"assignPublicIp": "ENABLED" if options.public_ip else "DISABLED"}
        if needs.disk_gib is not None:
            least, most = _FARGATE_DISK_GIB
            made["ephemeralStorage"] = {"sizeInGiB": min(most, max(least, needs.disk_gib))}
    return made


def _linux(options: BatchOptions, needs: Needs) -> dict[str, Any]:
    # A container's first process ignores SIGTERM unless it handles it: an init hands it on, and TerminateJob is heeded
    linux: dict[str, Any] = {"initProcessEnabled": True}
    if needs.shared_memory_mb is not None:
        linux["sharedMemorySize"] = int(needs.shared_memory_mb)
    if options.max_swap is not None:
        linux["maxSwap"] = options.max_swap
    if options.swappiness is not None:
        linux["swappiness"] = options.swappiness
    if options.use_tmpfs or options.tmpfs_size:
        size = options.tmpfs_size or needs.memory_mb // 2
        linux["tmpfs"] = [{"containerPath": options.tmpfs_path, "size": size}]
    chips = options.inferentia or options.trainium or 0
    devices = [f"/dev/neuron{number}" for number in range(chips)]
    devices += [f"/dev/infiniband/uverbs{number}" for number in range(options.efa or 0)]
    if devices:
        linux["devices"] = [
            {"hostPath": path, "containerPath": path, "permissions": ["READ", "WRITE"]} for path in devices
        ]
    return linux


def _host_volumes(folders: Iterable[str]) -> Iterable[tuple[dict[str, Any], dict[str, Any]]]:
    for number, text in enumerate(folders):
        path, _, inside = text.partition(":")
        if not path.startswith("/"):
            raise JobRejected(f"host_volumes: {text!r} is no absolute path", hint="--aws-batch-host-volumes=/data")
        name = f"host-{number}"
        yield {"name": name, "host": {"sourcePath": path}}, {"sourceVolume": name, "containerPath": inside or path}


def _efs_volumes(systems: Iterable[str]) -> Iterable[tuple[dict[str, Any], dict[str, Any]]]:
    for number, text in enumerate(systems):
        system, _, inside = text.partition(":")
        inside = inside or f"/mnt/{system}"
        if not system.startswith("fs-") or not inside.startswith("/"):
            raise JobRejected(
                f"efs_volumes: {text!r} is not fs-ID:/inside", hint="--aws-batch-efs-volumes=fs-0123456789abcdef0:/data"
            )
        name = f"efs-{number}"
        shared = {"fileSystemId": system, "transitEncryption": "ENABLED"}
        yield (
            {"name": name, "efsVolumeConfiguration": shared},
            {"sourceVolume": name, "containerPath": inside},
        )


def pairs(texts: Iterable[str], option: str) -> dict[str, str]:
    """`key=value` or, as Metaflow writes it, `key:value`. Raises JobRejected."""
    found = {}
    for text in texts:
        key, sign, value = text.partition("=")
        if not sign:
            key, sign, value = text.partition(":")
        if not sign or not key:
            flag = f"--aws-batch-{option.replace('_', '-').removeprefix('aws-batch-')}"
            raise JobRejected(f"{option}: {text!r} is not key=value", hint=f"{flag}=key=value")
        found[key] = value
    return found
