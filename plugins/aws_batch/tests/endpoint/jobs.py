"""A job: its state, its attempts, and what DescribeJobs says of it."""

from __future__ import annotations

import fnmatch
import itertools
import re
import threading
import time
import uuid
from typing import Any

SUBMITTED, PENDING, RUNNABLE, STARTING, RUNNING, SUCCEEDED, FAILED = (
    "SUBMITTED", "PENDING", "RUNNABLE", "STARTING", "RUNNING", "SUCCEEDED", "FAILED",
)  # fmt: skip
STATES = (SUBMITTED, PENDING, RUNNABLE, STARTING, RUNNING, SUCCEEDED, FAILED)
ENDED = (SUCCEEDED, FAILED)
EXITED = "Essential container in task exited"
TIMED_OUT = "Job attempt duration exceeded timeout"
HOST_GONE = "Host EC2"
REGION, ACCOUNT = "us-east-1", "123456789012"
ARN = f"arn:aws:batch:{REGION}:{ACCOUNT}"
_task = itertools.count(1)


def now_ms() -> int:
    """Milliseconds since 1970, Batch's moments."""
    return int(time.time() * 1000)


class Attempt:
    """One try of a job. reason: the container's own (`CannotPullContainerError: ...`), status_reason: the job's."""

    def __init__(self, job: Job) -> None:
        number = next(_task)
        self.task = f"arn:aws:ecs:{REGION}:{ACCOUNT}:task/penstock/{number:032x}"
        self.stream = f"{job.definition['jobDefinitionName']}/default/{number:032x}"
        self.started_at: int | None = None
        self.stopped_at: int | None = None
        self.exit_code: int | None = None
        self.reason = self.status_reason = ""
        self.events: list[dict[str, Any]] = []  # of the log stream, once the container is gone

    def container(self) -> dict[str, Any]:
        """What the answer says of its container."""
        said: dict[str, Any] = {"taskArn": self.task, "networkInterfaces": []}
        if self.started_at is not None:
            said["logStreamName"] = self.stream
        if self.exit_code is not None:
            said["exitCode"] = self.exit_code
        if self.reason:
            said["reason"] = self.reason
        return said

    def describe(self) -> dict[str, Any]:
        """An element of `attempts`."""
        said = {"container": self.container(), "startedAt": self.started_at, "stoppedAt": self.stopped_at}
        said["statusReason"] = self.status_reason or EXITED
        return {name: value for name, value in said.items() if value is not None}


class Job:
    """One job, a child of an array (`ID:n`), or a node (`ID#n`). request: what SubmitJob got, with defaults."""

    def __init__(
        self, request: dict[str, Any], definition: dict[str, Any], properties: dict[str, Any],
        parent: Job | None = None, index: int | None = None, mark: str = "",
    ) -> None:  # fmt: skip
        self.request, self.definition, self.properties = request, definition, properties
        self.parent, self.index = parent, index
        self.id = str(uuid.uuid4()) if parent is None else f"{parent.id}{mark}{index}"
        self.name, self.status, self.status_reason = request["jobName"], SUBMITTED, ""
        self.created_at, self.started_at, self.stopped_at = now_ms(), 0, None
        self.attempts: list[Attempt] = []
        self.children: list[Job] = []
        self.unseen = 0  # how many answers leave it out
        self.cancelled = self.terminated = False
        self.kill: str | None = None  # why its attempt was ended from outside
        self.lock = threading.RLock()

    @property
    def is_node(self) -> bool:
        """Whether it is one machine of a multi-node job."""
        return "#" in self.id

    @property
    def resources(self) -> dict[str, float]:
        """VCPU, MEMORY (MiB), GPU."""
        return {one["type"]: float(one["value"]) for one in self.properties.get("resourceRequirements", ())}

    @property
    def command(self) -> list[str]:
        """With `Ref::name` replaced by the parameters."""
        values = {**self.definition.get("parameters", {}), **self.request.get("parameters", {})}

        def resolved(word: str) -> str:
            found = re.fullmatch(r"Ref::(\w+)", word)
            return values.get(found[1], word) if found else word

        return [resolved(word) for word in self.properties.get("command", ())]

    @property
    def environment(self) -> dict[str, str]:
        """Variables of the definition, the overrides, and Batch's own."""
        given = {one["name"]: one["value"] for one in self.properties.get("environment", ())}
        own = {
            "AWS_BATCH_JOB_ID": self.id,
            "AWS_BATCH_JOB_ATTEMPT": str(len(self.attempts)),
            "AWS_BATCH_CE_NAME": "penstock",
            "AWS_BATCH_JQ_NAME": self.request["jobQueue"].rpartition("/")[2],
        }
        if self.is_node and self.parent is not None:
            own |= {
                "AWS_BATCH_JOB_NUM_NODES": str(len(self.parent.children)),
                "AWS_BATCH_JOB_NODE_INDEX": str(self.index),
                "AWS_BATCH_JOB_MAIN_NODE_INDEX": str(self.parent.definition["nodeProperties"]["mainNode"]),
            }
            if self.index != self.parent.definition["nodeProperties"]["mainNode"]:
                own["AWS_BATCH_JOB_MAIN_NODE_PRIVATE_IPV4_ADDRESS"] = "127.0.0.1"
        elif self.index is not None:
            own["AWS_BATCH_JOB_ARRAY_INDEX"] = str(self.index)
        return {**given, **own}

    def tries(self) -> int:
        """How many attempts it may have."""
        strategy = self.request.get("retryStrategy") or self.definition.get("retryStrategy") or {}
        return int(strategy.get("attempts", 1))

    def again(self, attempt: Attempt) -> bool:
        """Whether another attempt follows a failed one: `evaluateOnExit`, first match, else yes."""
        ended_from_outside = self.kill is not None and not self.kill.startswith(HOST_GONE)
        if ended_from_outside or len(self.attempts) >= self.tries():
            return False
        strategy = self.request.get("retryStrategy") or self.definition.get("retryStrategy") or {}
        code = "" if attempt.exit_code is None else str(attempt.exit_code)
        for rule in strategy.get("evaluateOnExit", ()):
            facts = {"onStatusReason": attempt.status_reason, "onReason": attempt.reason, "onExitCode": code}
            if all(fnmatch.fnmatchcase(facts[name], glob) for name, glob in rule.items() if name in facts):
                return bool(rule["action"].upper() == "RETRY")
        return True

    def move(self, status: str, reason: str | None = None) -> None:
        """Into a state; an ended job stays as it is."""
        with self.lock:
            if self.status in ENDED:
                return
            self.status = status
            if reason is not None:
                self.status_reason = reason
            if status == RUNNING:
                self.started_at = self.started_at or now_ms()
            if status in ENDED:
                self.stopped_at = now_ms()

    def settle(self) -> None:
        """A parent's state, from its children's."""
        states = [child.status for child in self.children]
        main = self.children[self.definition["nodeProperties"]["mainNode"]] if self.is_gang else None
        if main is not None and main.status in ENDED:  # Batch ends the other nodes with the main one
            for child in self.children:
                child.kill = child.kill or "Main node exited"
            if all(state in ENDED for state in states):
                self.move(main.status, main.status_reason)
        elif all(state in ENDED for state in states):
            failed = FAILED in states
            self.move(FAILED if failed else SUCCEEDED, "Array Child Job failed" if failed else None)
        elif self.is_gang and RUNNING in states:
            self.move(RUNNING)
        elif self.status == SUBMITTED:
            self.move(PENDING)

    @property
    def is_gang(self) -> bool:
        """Whether it is a multi-node job as a whole."""
        return bool(self.children) and self.children[0].is_node

    # -- what the API says

    def summary(self) -> dict[str, Any]:
        """An element of ListJobs."""
        said: dict[str, Any] = {
            "jobArn": f"{ARN}:job/{self.id}", "jobId": self.id, "jobName": self.name, "createdAt": self.created_at,
            "status": self.status, "jobDefinition": self.definition["jobDefinitionArn"],
        }  # fmt: skip
        if self.status_reason:
            said["statusReason"] = self.status_reason
        if self.started_at:
            said["startedAt"] = self.started_at
        if self.stopped_at:
            said["stoppedAt"] = self.stopped_at
        return said

    def describe(self) -> dict[str, Any]:
        """An element of DescribeJobs."""
        with self.lock:
            said = self.summary()
            last = self.attempts[-1] if self.attempts else None
            said |= {
                "jobQueue": self.request["jobQueue"], "startedAt": self.started_at, "dependsOn":
                self.request.get("dependsOn", []), "parameters": self.request.get("parameters", {}),
                "attempts": [one.describe() for one in self.attempts if one.stopped_at is not None],
                "tags": self.request.get("tags", {}), "isCancelled": self.cancelled, "isTerminated": self.terminated,
                "platformCapabilities": self.definition.get("platformCapabilities", ["EC2"]),
            }  # fmt: skip
            for name in ("retryStrategy", "timeout"):
                if self.request.get(name) or self.definition.get(name):
                    said[name] = self.request.get(name) or self.definition[name]
            if self.is_gang:
                said["nodeProperties"] = self.definition["nodeProperties"]
            else:
                said["container"] = {**self.properties, "command": self.command, "environment": [
                    {"name": name, "value": value} for name, value in self.environment.items()
                ], **(last.container() if last else {})}  # fmt: skip
            if self.children and not self.is_gang:
                counts = {state: sum(child.status == state for child in self.children) for state in STATES}
                said["arrayProperties"] = {"size": len(self.children), "statusSummary": counts}
            elif self.is_node:
                said["nodeDetails"] = {"nodeIndex": self.index, "isMainNode": self.index == 0}
            elif self.index is not None:
                said["arrayProperties"] = {"index": self.index}
            return said
