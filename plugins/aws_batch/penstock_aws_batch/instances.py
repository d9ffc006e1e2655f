"""The instance types that a queue may start: how large they are, and whether a job fits on one of them."""

from __future__ import annotations

from penstock.errors import BackendMisconfigured

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    from penstock_aws_batch.definition import Needs
    from penstock_aws_batch.queue import Queue
    from penstock_aws_batch.service import Service

_AWS_CHOOSES = ("optimal", "default_")  # beginnings of words that leave the choice to AWS, among more types every year


class Instance:
    """One type. memory_mb: MiB, of which the system and the agent of ECS take a part."""

    __slots__ = ("gpus", "memory_mb", "name", "vcpus")

    def __init__(self, name: str, vcpus: int, memory_mb: int, gpus: int) -> None:
        self.name, self.vcpus, self.memory_mb, self.gpus = name, vcpus, memory_mb, gpus

    def __str__(self) -> str:
        gpus = f", {self.gpus} GPUs" if self.gpus else ""
        return f"{self.name} ({self.vcpus} vCPUs, {self.memory_mb} MiB{gpus})"

    def holds(self, needs: Needs) -> bool:
        """Whether a job fits on an empty one."""
        return self.vcpus >= needs.cpu and self.memory_mb > needs.memory_mb and self.gpus >= needs.gpu


def instances_of(service: Service, queue: Queue) -> list[Instance] | None:
    """The types of a queue, or None where they can't be told: on Fargate, where AWS chooses, where one may not ask."""
    named = queue.instance_types
    if not named or any(name.startswith(_AWS_CHOOSES) for name in named):
        return None
    values = sorted({name if "." in name else f"{name}.*" for name in named})
    found: list[Instance] = []
    token: dict[str, Any] = {}
    while True:
        try:
            filters = [{"Name": "instance-type", "Values": values}]
            answer = service.call("ec2", "describe_instance_types", Filters=filters, **token)
        except BackendMisconfigured:  # not allowed: AWS Batch says it while the job waits
            return None
        found += map(_instance, answer.get("InstanceTypes", ()))
        if not answer.get("NextToken"):
            return found or None
        token = {"NextToken": answer["NextToken"]}


def largest(instances: Iterable[Instance], gpus: bool) -> Instance:
    """The one to name when nothing fits."""
    return max(instances, key=lambda one: (one.gpus if gpus else 0, one.memory_mb, one.vcpus))


def _instance(said: dict[str, Any]) -> Instance:
    chips: Sequence[dict[str, Any]] = said.get("GpuInfo", {}).get("Gpus", ())
    return Instance(
        said["InstanceType"], said["VCpuInfo"]["DefaultVCpus"], said["MemoryInfo"]["SizeInMiB"],
        sum(chip.get("Count", 0) for chip in chips),
    )  # fmt: skip
