"""What AWS Batch says of a job, as a status of ours and as words that help. Pure."""

from __future__ import annotations

from penstock.contracts.executor import JobState, JobStatus

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

QUEUED = JobStatus(state=JobState.QUEUED)  # one for all: ten thousand jobs may wait
RUNNING = JobStatus(state=JobState.RUNNING)
SUCCEEDED = JobStatus(state=JobState.SUCCEEDED, exit_code=0)
UNKNOWN = JobStatus(state=JobState.LOST, reason="AWS Batch does not know the job (any more)")

# How a platform loss begins: nothing that the job did. Source: AWS Batch user guide, "Automated job retries", and the
# reason that ECS gives for an interrupted Fargate Spot task.
_LOST = ("Host EC2", "Your Spot Task was interrupted", "DockerTimeoutError", "Task stopped by infrastructure")

# How a reason begins -> what it means and what to do. Source: AWS Batch user guide, "Jobs stuck in a RUNNABLE status".
WAITING = {
    "CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY": (
        "AWS has no free instance of the types that the queue asks for; it goes on when there is one. "
        "More instance types or zones in the compute environment help"
    ),
    "MISCONFIGURATION:COMPUTE_ENVIRONMENT_MAX_RESOURCE": (
        "the compute environment's maxvCpus is less than the job asks for: raise it, or ask for less by "
        "@resources(cpu=...)"
    ),
    "MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT": (
        "no instance type of the queue has as many vCPUs, as much memory or the GPUs that the job asks for: "
        "ask for less by @resources(...), or take another queue"
    ),
    "MISCONFIGURATION:SERVICE_ROLE_PERMISSIONS": (
        "the service role of the compute environment lacks a permission: attach AWSBatchServiceRole, or use the "
        "service-linked role"
    ),
    "ACTION_REQUIRED": "the compute environment of the queue needs mending: see its status in the AWS console",
    "UNDETERMINED": "AWS Batch does not know why",
}
FAILURES = {
    "CannotPullContainerError": (
        "the image could not be pulled: is its name right, and may the execution role read its registry?"
    ),
    "ResourceInitializationError": (
        "the job's network or logs could not be set up: its subnets need a way to the registry, S3 and CloudWatch"
    ),
    "OutOfMemoryError": "the job ran out of memory: @resources(memory=...)",
    "CannotStartContainerError": "the container could not be started: does the image have python3?",
}


def status_of(said: Mapping[str, Any]) -> JobStatus:
    """The status of an element of DescribeJobs."""
    state = said["status"]
    if state == "SUCCEEDED":
        return SUCCEEDED
    if state == "RUNNING":
        return RUNNING
    if state != "FAILED":
        return QUEUED
    container = said.get("container", {})
    reason, inner, code = said.get("statusReason", ""), container.get("reason", ""), container.get("exitCode")
    if reason.startswith(_LOST) or inner.startswith(_LOST):
        return JobStatus(state=JobState.LOST, exit_code=code, reason=reason or inner)
    return JobStatus(state=JobState.FAILED, exit_code=code, reason=failure(reason, inner, code, said))


def failure(reason: str, inner: str, code: int | None, said: Mapping[str, Any]) -> str:
    """One sentence on a failed job, with what helps."""
    meaning = next((text for word, text in FAILURES.items() if inner.startswith(word)), "")
    if inner.startswith("OutOfMemoryError"):
        needs = said.get("container", {}).get("resourceRequirements", ())
        limit = next((one["value"] for one in needs if one["type"] == "MEMORY"), "?")
        return f"{meaning}; its limit is {limit} MiB"
    if reason == "Essential container in task exited" or not reason:
        reason = "" if code is None else f"the job ended with exit code {code}"
    return "; ".join(filter(None, (reason, inner, meaning)))


def waiting(reason: str) -> str:
    """Why a job waits, in words; a reason that nobody knows as it stands."""
    meaning = next((text for word, text in WAITING.items() if reason.startswith(word)), None)
    return reason if meaning is None else f"{meaning} ({reason})"
