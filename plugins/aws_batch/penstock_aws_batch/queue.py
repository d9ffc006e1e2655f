"""The job queue, and what its compute environments can run."""

from __future__ import annotations

from penstock.errors import BackendMisconfigured

TYPE_CHECKING = False
if TYPE_CHECKING:
    from penstock_aws_batch.plugin import BatchOptions
    from penstock_aws_batch.service import Service


class Queue:
    """name: as it was given; environments: names of the compute environments, in order; kinds: `EC2`, `SPOT`,
    `FARGATE` ... of each; most_vcpus: of one job, None for no limit that is known; instance_types: of all of them, as
    they are written there."""

    __slots__ = ("environments", "instance_types", "kinds", "most_vcpus", "name")

    def __init__(
        self, name: str, environments: list[str], kinds: list[str], most_vcpus: int | None, instance_types: list[str]
    ) -> None:
        self.name, self.environments, self.kinds = name, environments, kinds
        self.most_vcpus, self.instance_types = most_vcpus, instance_types

    @property
    def fargate(self) -> bool:
        """Whether its jobs have no instances."""
        return any(kind.startswith("FARGATE") for kind in self.kinds)

    @property
    def runs_nodes(self) -> bool:
        """Whether it has what a multi-node job needs. Source: AWS Batch user guide, "Multi-node parallel jobs"."""
        return any(kind not in ("SPOT", "FARGATE", "FARGATE_SPOT") for kind in self.kinds)


def named_queue(options: BatchOptions) -> str:
    """The queue of the options. Raises BackendMisconfigured where none is named."""
    if options.queue is None:
        raise BackendMisconfigured(
            "no job queue is named", hint="--aws-batch-queue=NAME   # or queue below [tool.penstock.aws-batch]"
        )
    return options.queue


def find_queue(service: Service, name: str) -> Queue:
    """Ask AWS for it. Raises BackendMisconfigured for one that is not there or takes no jobs."""
    found = service.call("batch", "describe_job_queues", jobQueues=[name])["jobQueues"]
    if not found:
        raise no_queue(service, name)
    (queue,) = found
    if queue["state"] != "ENABLED" or queue["status"] == "INVALID":
        raise BackendMisconfigured(
            f"the job queue {name} takes no jobs: {queue['state']}, {queue.get('statusReason', '')}",
            hint=f"aws batch update-job-queue --job-queue {name} --state ENABLED",
        )
    named = [one["computeEnvironment"] for one in queue["computeEnvironmentOrder"]]
    answer = service.call("batch", "describe_compute_environments", computeEnvironments=named)
    environments = answer["computeEnvironments"]
    working = [
        one for one in environments if one.get("state", "ENABLED") == "ENABLED" and one.get("status") != "INVALID"
    ]
    if not working:
        one = environments[0]
        raise BackendMisconfigured(
            f"the compute environment {one['computeEnvironmentName']} of {name} runs no jobs: {one.get('state')}, "
            f"{one.get('statusReason', '')}",
            hint="aws batch describe-compute-environments   # what it says of itself",
        )
    resources = [one.get("computeResources", {}) for one in working]
    most = [one.get("maxvCpus") for one in resources]
    return Queue(
        name,
        [one["computeEnvironmentName"] for one in working],
        [one.get("type", "EC2") for one in resources],
        None if None in most or not most else max(most),
        [kind for one in resources for kind in one.get("instanceTypes", ())],
    )


def queue_names(service: Service) -> list[str]:
    """The queues of the account and region, at most a hundred."""
    there = service.call("batch", "describe_job_queues", maxResults=100)["jobQueues"]
    return sorted(one["jobQueueName"] for one in there)


def no_queue(service: Service, name: str) -> BackendMisconfigured:
    """What to say of a queue that is not there."""
    names = ", ".join(queue_names(service)) or "none"
    return BackendMisconfigured(
        f"there is no job queue {name} in this account and region; there is: {names}",
        hint="--aws-batch-queue=NAME   # or --aws-batch-region=REGION",
    )
