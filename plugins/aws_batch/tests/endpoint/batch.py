"""The actions of Batch that a launcher calls, and the thread that moves jobs on."""

from __future__ import annotations

import copy
import json
import re
import threading
import time
from collections import Counter
from typing import Any

import docker

from plugins.aws_batch.tests.endpoint.containers import Container, NotStarted
from plugins.aws_batch.tests.endpoint.jobs import (
    ARN,
    ENDED,
    EXITED,
    FAILED,
    HOST_GONE,
    PENDING,
    RUNNABLE,
    RUNNING,
    STARTING,
    STATES,
    SUBMITTED,
    SUCCEEDED,
    TIMED_OUT,
    Attempt,
    Job,
    now_ms,
)
from plugins.aws_batch.tests.endpoint.switches import Switches

SERVED = ("BATCH", "CLOUDWATCH_LOGS", "ECR", "STS", "IAM", "EC2")
ENVIRONMENT = f"{ARN}:compute-environment/penstock"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}")
TOO_LARGE = (
    "MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT - The job resource requirement (vCPU/memory/GPU) is higher than that "
    "can be met by the CE(s) attached to the job queue."
)
# vCPUs -> MiB that a Fargate task may have with them. Source: ECS developer guide, task size.
FARGATE_SIZES = {
    0.25: (512, 1024, 2048), 0.5: range(1024, 4097, 1024), 1: range(2048, 8193, 1024), 2: range(4096, 16385, 1024),
    4: range(8192, 30721, 1024), 8: range(16384, 61441, 4096), 16: range(32768, 122881, 8192),
}  # fmt: skip


class Refused(Exception):
    """An error answer. code: its type."""

    def __init__(self, message: str, code: str = "ClientException", status: int = 400) -> None:
        super().__init__(message)
        self.code, self.status = code, status


class Batch:
    """The service. Each action is a method of its name that takes the request and returns the answer."""

    def __init__(self, switches: Switches, queue: str, url: str) -> None:
        self.switches, self._url = switches, url
        self.queues = {queue: "ENABLED"}
        self.definitions: dict[str, list[dict[str, Any]]] = {}
        self.jobs: dict[str, Job] = {}
        self._active: list[Job] = []
        self._containers: dict[str, Container] = {}  # id of a job -> what runs now
        self._engine = docker.from_env()
        self._lock = threading.RLock()
        self._threads: list[threading.Thread] = []
        self.over = False
        self._mover = threading.Thread(target=self._move_on, name="batch", daemon=True)
        self._mover.start()

    def close(self) -> None:
        """End all containers, and wait for them."""
        self.over = True
        self._mover.join()
        for container in list(self._containers.values()):
            container.kill()
        for thread in self._threads:
            thread.join(30)
        self._engine.close()

    # -- definitions and queues

    def RegisterJobDefinition(self, request: dict[str, Any]) -> dict[str, Any]:  # noqa: N802 - the action's name
        name = request["jobDefinitionName"]
        if not _NAME.fullmatch(name):
            raise Refused(f"Job definition name {name} is not valid")
        for container in self._containers_of(request):
            self._check_container(container, request.get("platformCapabilities", ["EC2"]))
            if "environment" in container:  # empty ones are left out, without a word
                container["environment"] = [one for one in container["environment"] if one.get("value")]
        self._check_timeout(request)
        with self._lock:
            revisions = self.definitions.setdefault(name, [])
            made = {
                **request, "revision": len(revisions) + 1, "status": "ACTIVE", "containerOrchestrationType": "ECS",
                "jobDefinitionArn": f"{ARN}:job-definition/{name}:{len(revisions) + 1}",
            }  # fmt: skip
            revisions.append(made)
        return {key: made[key] for key in ("jobDefinitionName", "jobDefinitionArn", "revision")}

    @staticmethod
    def _containers_of(request: dict[str, Any]) -> list[dict[str, Any]]:
        if request["type"] == "multinode":
            return [one["container"] for one in request["nodeProperties"]["nodeRangeProperties"]]
        return [request["containerProperties"]]

    def _check_container(self, container: dict[str, Any], platforms: list[str]) -> None:
        needs = {one["type"]: float(one["value"]) for one in container.get("resourceRequirements", ())}
        if "VCPU" not in needs or "MEMORY" not in needs or not container.get("image"):
            raise Refused("Container properties should have image, VCPU and MEMORY resource requirements")
        if needs["MEMORY"] < 4:
            raise Refused("Container memory should be at least 4 MiB")
        if "FARGATE" in platforms:
            if int(needs["MEMORY"]) not in FARGATE_SIZES.get(needs["VCPU"], ()):
                size = f"({needs['VCPU']:.2f} vCPU, {needs['MEMORY']:.0f} MiB)"
                raise Refused(f"Fargate resource requirements {size} not valid.")
            if "executionRoleArn" not in container:
                raise Refused("executionRoleArn is required for Fargate jobs.")
            if "GPU" in needs or container.get("privileged"):
                raise Refused("GPU and privileged are not applicable for Fargate.")
        elif needs["VCPU"] != int(needs["VCPU"]):
            raise Refused("VCPU must be a whole number for jobs on EC2 resources")

    def _check_timeout(self, request: dict[str, Any]) -> None:
        seconds = request.get("timeout", {}).get("attemptDurationSeconds")
        if seconds is not None and seconds < self.switches.timeout_at_least_s:
            raise Refused(f"Timeout attemptDurationSeconds must be at least {self.switches.timeout_at_least_s}")

    def DescribeJobDefinitions(self, request: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        named = request.get("jobDefinitionName")
        found = [one for name, several in self.definitions.items() if named in (None, name) for one in several]
        status = request.get("status")
        wanted = [one for one in found if status in (None, one["status"])]
        return {"jobDefinitions": copy.deepcopy(wanted[::-1][: request.get("maxResults", 100)])}

    def DeregisterJobDefinition(self, request: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        self._definition(request["jobDefinition"])["status"] = "INACTIVE"
        return {}

    def _definition(self, named: str) -> dict[str, Any]:
        name, _, revision = named.rpartition("/")[2].partition(":")
        several = [one for one in self.definitions.get(name, ()) if one["status"] == "ACTIVE"]
        for one in reversed(several):
            if not revision or one["revision"] == int(revision):
                return one
        raise Refused(f"JobDefinition {named} not found")

    def DescribeJobQueues(self, request: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        wanted = [one.rpartition("/")[2] for one in request.get("jobQueues", self.queues)]
        return {
            "jobQueues": [
                {
                    "jobQueueName": name, "jobQueueArn": f"{ARN}:job-queue/{name}", "state": self.queues[name],
                    "status": "VALID", "statusReason": "JobQueue Healthy", "priority": 1,
                    "computeEnvironmentOrder": [{"order": 1, "computeEnvironment": ENVIRONMENT}],
                }
                for name in wanted if name in self.queues
            ]
        }  # fmt: skip

    def DescribeComputeEnvironments(self, request: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        kind = "FARGATE" if self.switches.fargate else "SPOT" if self.switches.spot else "EC2"
        most = self.switches.largest[0] * self.switches.slots
        resources: dict[str, Any] = {"type": kind, "maxvCpus": most, "subnets": ["subnet-1"]}
        if not self.switches.fargate:
            resources["instanceTypes"] = list(self.switches.instance_types)
        return {
            "computeEnvironments": [
                {
                    "computeEnvironmentName": "penstock", "computeEnvironmentArn": ENVIRONMENT,
                    "ecsClusterArn": "arn:aws:ecs:us-east-1:123456789012:cluster/penstock", "type": "MANAGED",
                    "state": "ENABLED", "status": "VALID", "statusReason": "ComputeEnvironment Healthy",
                    "computeResources": resources,
                }
            ]
        }  # fmt: skip

    # -- jobs

    def SubmitJob(self, request: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        self._check_submission(request)
        definition = self._definition(request["jobDefinition"])
        if definition["type"] == "multinode":
            job = self._gang(request, definition)
        else:
            properties = _overridden(definition["containerProperties"], request.get("containerOverrides", {}))
            job = Job(request, definition, properties)
            size = request.get("arrayProperties", {}).get("size", 0)
            job.children = [Job(request, definition, properties, job, index, ":") for index in range(size)]
        with self._lock:
            job.unseen = self.switches.unseen
            for one in (job, *job.children):
                self.jobs[one.id] = one
                self._active.append(one)
        return {"jobArn": f"{ARN}:job/{job.id}", "jobName": job.name, "jobId": job.id}

    def _check_submission(self, request: dict[str, Any]) -> None:
        name, queue = request["jobName"], request["jobQueue"].rpartition("/")[2]
        if not _NAME.fullmatch(name):
            raise Refused(f"Job name should match valid pattern: {name}")
        if queue not in self.queues:
            raise Refused(f"JobQueue {request['jobQueue']} not found.")
        if self.queues[queue] != "ENABLED":
            raise Refused(f"JobQueue {request['jobQueue']} is in a disabled state.")
        if len(json.dumps(request)) > self.switches.payload_bytes:
            raise Refused(f"SubmitJob request payload size can't exceed {self.switches.payload_bytes} bytes")
        self._check_overrides(request)
        if len(request.get("dependsOn", ())) > 20:
            raise Refused("A job can depend on at most 20 jobs")
        if request.get("arrayProperties") and not 2 <= request["arrayProperties"].get("size", 0) <= 10_000:
            raise Refused("Array size must be between 2 and 10,000")
        if "shareIdentifier" in request:
            raise Refused(f"shareIdentifier is not allowed: JobQueue {queue} has no scheduling policy")
        self._check_timeout(request)

    def _check_overrides(self, request: dict[str, Any]) -> None:
        nodes = request.get("nodeOverrides", {}).get("nodePropertyOverrides", ())
        for overrides in (one.get("containerOverrides", {}) for one in (request, *nodes)):
            if len(json.dumps(overrides, ensure_ascii=False).encode()) > self.switches.overrides_bytes:
                raise Refused(f"Container Overrides length must be at most {self.switches.overrides_bytes}")
            for one in overrides.get("environment", ()):
                if one["name"].startswith("AWS_BATCH"):
                    raise Refused("Environment variables can't start with AWS_BATCH")

    def _gang(self, request: dict[str, Any], definition: dict[str, Any]) -> Job:
        nodes = definition["nodeProperties"]
        overrides = request.get("nodeOverrides", {})
        width = overrides.get("numNodes", nodes["numNodes"])
        properties: dict[int, dict[str, Any]] = {}
        for one in nodes["nodeRangeProperties"]:
            for index in _targets(one["targetNodes"], width):
                properties[index] = one["container"]
        for one in overrides.get("nodePropertyOverrides", ()):
            for index in _targets(one["targetNodes"], width):
                properties[index] = _overridden(properties[index], one.get("containerOverrides", {}))
        if sorted(properties) != list(range(width)):
            raise Refused("Node ranges must cover every node")
        job = Job(request, definition, {})
        job.children = [Job(request, definition, properties[index], job, index, "#") for index in range(width)]
        return job

    def DescribeJobs(self, request: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        if len(request["jobs"]) > self.switches.describe_ids:
            raise Refused(f"Number of jobs exceeds the limit of {self.switches.describe_ids}")
        found = [self.jobs[one] for one in request["jobs"] if one in self.jobs]
        return {"jobs": [job.describe() for job in found if self._is_seen(job)]}

    def ListJobs(self, request: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        if sum(name in request for name in ("jobQueue", "arrayJobId", "multiNodeJobId")) != 1:
            raise Refused("Exactly one of jobQueue, arrayJobId and multiNodeJobId is needed")
        parent = request.get("arrayJobId") or request.get("multiNodeJobId")
        with self._lock:
            jobs = self.jobs[parent].children if parent else [job for job in self.jobs.values() if job.parent is None]
        queue = request.get("jobQueue", "").rpartition("/")[2]
        jobs = [job for job in jobs if not queue or job.request["jobQueue"].rpartition("/")[2] == queue]
        filters = request.get("filters", ())
        if len(filters) > 1:
            raise Refused("Only one filter can be used at a time")
        if filters:
            jobs = [job for job in jobs if _passes(job, filters[0])]
        else:
            jobs = [job for job in jobs if job.status == request.get("jobStatus", RUNNING)]
        start = int(request.get("nextToken") or 0)
        page = jobs[start : start + min(request.get("maxResults", 100), 100)]
        answer: dict[str, Any] = {"jobSummaryList": [job.summary() for job in page if self._is_seen(job)]}
        if start + len(page) < len(jobs):
            answer["nextToken"] = str(start + len(page))
        return answer

    def _is_seen(self, job: Job) -> bool:
        with job.lock:
            if self.switches.nodes_late and job.is_node and job.status in (SUBMITTED, PENDING, RUNNABLE):
                return False
            if job.unseen:
                job.unseen -= 1
                return False
            return True

    def CancelJob(self, request: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        job = self.jobs.get(request["jobId"])
        for one in (job, *job.children) if job else ():
            if one.status in (SUBMITTED, PENDING, RUNNABLE):
                one.cancelled = True
                one.move(FAILED, request["reason"])
        return {}

    def TerminateJob(self, request: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        job = self.jobs.get(request["jobId"])
        for one in (job, *job.children) if job else ():
            one.terminated = True
            self._end(one, request["reason"])
        return {}

    def TagResource(self, request: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        self.jobs[request["resourceArn"].rpartition("/")[2]].request.setdefault("tags", {}).update(request["tags"])
        return {}

    # -- what befalls jobs

    def _end(self, job: Job, reason: str) -> None:
        """In the guide's words: SIGTERM, and 30 s later SIGKILL, for what runs; the rest fails at once."""
        with job.lock:
            if job.status in ENDED or job.children:
                return
            job.kill = job.kill or reason
            if job.status not in (STARTING, RUNNING):
                job.move(FAILED, reason)
                return
        threading.Thread(target=self._stop, args=(job,), daemon=True).start()

    def _stop(self, job: Job) -> None:
        container = self._containers.get(job.id)
        if container is not None:
            container.stop(self.switches.grace_s * self.switches.second_s)

    def lose_host(self, job_id: str) -> None:
        """The instance of a job is terminated: the machine broke, or its spot price rose."""
        job = self.jobs[job_id]
        with job.lock:
            if job.status in ENDED:
                return
            job.kill = f"{HOST_GONE} (instance i-0123456789abcdef0) terminated."
        container = self._containers.get(job_id)
        if container is not None:
            container.kill()

    def kill(self, job_id: str) -> None:
        """Somebody kills its container."""
        self._containers[job_id].kill()

    # -- moving on

    def _move_on(self) -> None:
        while not self.over:
            with self._lock:
                self._active = [job for job in self._active if job.status not in ENDED]
                active = list(self._active)
            busy = sum(job.status in (STARTING, RUNNING) and not job.children for job in active)
            for job in active:
                busy += self._move(job, busy)
            time.sleep(0.5 if self.switches.hold else 0.01)

    def _move(self, job: Job, busy: int) -> int:
        """One step of one job; returns how many containers it begins."""
        if job.children:
            job.settle()
            for child in job.children:
                if child.kill is not None and child.status not in ENDED:
                    self._end(child, child.kill)
            return 0
        if job.status in (SUBMITTED, PENDING):
            states = [one.status for one in self._dependencies(job)]
            if FAILED in states:
                job.move(FAILED, "Dependent Job failed")
            else:
                job.move(RUNNABLE if all(state == SUCCEEDED for state in states) else PENDING)
        if job.status != RUNNABLE:
            return 0
        if self.switches.hold or not self._fits(job):
            job.status_reason = self.switches.waiting_reason if self.switches.hold else TOO_LARGE
        elif busy < self.switches.slots or job.is_node:
            job.move(STARTING, "")
            thread = threading.Thread(target=self._run, args=(job,), name=job.name, daemon=True)
            self._threads.append(thread)
            thread.start()
            return 1
        return 0

    def _fits(self, job: Job) -> bool:
        """Whether the largest instance of the queue has what it asks for."""
        needs, largest = job.resources, dict(zip(("VCPU", "MEMORY", "GPU"), self.switches.largest, strict=True))
        return all(needs[one] <= largest[one] for one in needs)

    def _dependencies(self, job: Job) -> list[Job]:
        found = []
        for one in job.request.get("dependsOn", ()):
            if one.get("type") == "SEQUENTIAL":
                if job.index:
                    found.append(self.jobs[f"{job.parent.id}:{job.index - 1}"])  # type: ignore[union-attr]
            elif one.get("type") == "N_TO_N" and job.index is not None:
                found.append(self.jobs[f"{one['jobId']}:{job.index}"])
            else:
                found.append(self.jobs[one["jobId"]])
        return found

    def _run(self, job: Job) -> None:
        attempt = Attempt(job)
        job.attempts.append(attempt)
        try:
            container = Container(
                self._engine, attempt.stream.replace("/", "-"), job.command, self._environment(job), job.properties,
                self.switches.network,
            )  # fmt: skip
        except NotStarted as error:
            attempt.reason, attempt.status_reason = str(error), "Task failed to start"
        else:
            with job.lock:
                self._containers[job.id] = container
            attempt.started_at = now_ms()
            job.move(RUNNING)
            if job.kill is not None:
                self._stop(job)
            self._watch(job, attempt, container)
        attempt.stopped_at = now_ms()
        attempt.status_reason = job.kill or attempt.status_reason or EXITED
        if attempt.exit_code == 0 and job.kill is None:
            job.move(SUCCEEDED, EXITED)
        elif job.again(attempt):
            job.kill = None
            job.move(RUNNABLE, "")
        else:
            job.move(FAILED, attempt.status_reason)

    def _watch(self, job: Job, attempt: Attempt, container: Container) -> None:
        limit_s = (job.request.get("timeout") or job.definition.get("timeout") or {}).get("attemptDurationSeconds")
        timer = None
        if limit_s is not None:
            timer = threading.Timer(limit_s * self.switches.second_s, self._end, (job, TIMED_OUT))
            timer.daemon = True
            timer.start()
        code, out_of_memory = container.wait()
        if timer is not None:
            timer.cancel()
        attempt.events = container.events()
        with job.lock:
            del self._containers[job.id]
        container.remove()
        if job.kill is None or not job.kill.startswith(HOST_GONE):
            attempt.exit_code = code
        if out_of_memory:
            attempt.reason = "OutOfMemoryError: Container killed due to memory usage"

    def _environment(self, job: Job) -> dict[str, str]:
        role = job.properties.get("jobRoleArn")
        if role is None:
            return job.environment
        url = f"{self._url}/credentials/{role.rpartition('/')[2]}"
        here = {f"AWS_ENDPOINT_URL_{name}": self._url for name in SERVED}
        return {**job.environment, **here, "AWS_CONTAINER_CREDENTIALS_FULL_URI": url}

    def events(self, stream: str) -> list[dict[str, Any]] | None:
        """Of a log stream, as far as it is written; None where there is none."""
        for job in list(self.jobs.values()):
            for attempt in job.attempts:
                if attempt.stream == stream and attempt.started_at is not None:
                    container = self._containers.get(job.id)
                    if attempt.stopped_at is None and container is not None:
                        return container.events()
                    return attempt.events
        return None

    def counts(self) -> Counter[str]:
        """How many jobs are in which state."""
        return Counter({state: sum(job.status == state for job in self.jobs.values()) for state in STATES})


def _overridden(properties: dict[str, Any], overrides: dict[str, Any]) -> dict[str, Any]:
    """`containerProperties` with `containerOverrides`: lists of names are joined by name, the command is replaced."""
    joined = copy.deepcopy(properties)
    if overrides.get("command"):
        joined["command"] = overrides["command"]
    for member, key in (("environment", "name"), ("resourceRequirements", "type")):
        if overrides.get(member):
            named = {one[key]: one for one in (*joined.get(member, ()), *overrides[member])}
            joined[member] = list(named.values())
    return joined


def _targets(text: str, width: int) -> range:
    first, colon, last = text.partition(":")
    start = int(first or 0)
    return range(start, min(int(last or width - 1), width - 1) + 1) if colon else range(start, start + 1)


def _passes(job: Job, one: dict[str, Any]) -> bool:
    name, values = one["name"], one["values"]
    if name == "JOB_NAME":
        return any(
            job.name.startswith(value[:-1]) if value.endswith("*") else job.name == value for value in values
        )
    if name in ("BEFORE_CREATED_AT", "AFTER_CREATED_AT"):
        return (job.created_at < int(values[0])) == (name == "BEFORE_CREATED_AT")
    raise Refused(f"Filter {name} is not known")
