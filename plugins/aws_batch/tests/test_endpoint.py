"""The endpoint itself: what it promises to behave like, seen through the SDK."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from plugins.aws_batch.tests.endpoint import Endpoint, Switches
from tests.services.waiting import until

LIMIT_S = 60.0


class Client:
    """The SDK, with a definition of one step."""

    def __init__(self, endpoint: Endpoint, image: str) -> None:
        self.batch, self.logs, self.queue = boto3.client("batch"), boto3.client("logs"), endpoint.queue
        self.container = {
            "image": image, "command": ["true"], "linuxParameters": {"initProcessEnabled": True},
            "resourceRequirements": [{"type": "VCPU", "value": "1"}, {"type": "MEMORY", "value": "64"}],
        }  # fmt: skip
        self.batch.register_job_definition(
            jobDefinitionName="one", type="container", containerProperties=self.container
        )

    def submit(self, source: str = "", **more: Any) -> str:
        overrides = {"command": ["python3", "-c", source]}
        request = {"jobName": "job", "jobQueue": self.queue, "jobDefinition": "one", "containerOverrides": overrides}
        return str(self.batch.submit_job(**{**request, **more})["jobId"])

    def describe(self, *ids: str) -> list[dict[str, Any]]:
        jobs: list[dict[str, Any]] = self.batch.describe_jobs(jobs=list(ids))["jobs"]
        return jobs

    def wait(self, job_id: str, *states: str) -> dict[str, Any]:
        """Until it is in one of the states, by default ended."""
        wanted = states or ("SUCCEEDED", "FAILED")
        return until(lambda: next((job for job in self.describe(job_id) if job["status"] in wanted), None))


@pytest.fixture
def client(endpoint: Endpoint, image: str) -> Client:
    return Client(endpoint, image)


@pytest.mark.parametrize(
    ("source", "status", "code", "reason"),
    [
        ("print(1)", "SUCCEEDED", 0, ""),
        ("raise SystemExit(7)", "FAILED", 7, ""),
        ("x = bytearray(10**9)", "FAILED", 137, "OutOfMemoryError"),
    ],
)
def test_how_a_container_ends(client: Client, source: str, status: str, code: int, reason: str) -> None:
    job = client.wait(client.submit(source))
    assert (job["status"], job["container"]["exitCode"]) == (status, code)
    assert job["container"].get("reason", "").startswith(reason)
    assert [one["container"]["exitCode"] for one in job["attempts"]] == [code]


def test_an_image_that_is_not_there(client: Client) -> None:
    properties = {**client.container, "image": "no/such-image:1"}
    client.batch.register_job_definition(jobDefinitionName="none", type="container", containerProperties=properties)
    job = client.wait(client.submit(jobDefinition="none"))
    assert job["status"] == "FAILED" and "exitCode" not in job["container"]
    assert job["container"]["reason"].startswith("CannotPullContainerError")


@pytest.mark.parametrize(("code", "tries"), [(3, 3), (4, 1)])
def test_retries_by_exit_code(client: Client, code: int, tries: int) -> None:
    rules = [{"onExitCode": "3*", "action": "RETRY"}, {"onReason": "*", "action": "EXIT"}]
    job = client.wait(
        client.submit(f"raise SystemExit({code})", retryStrategy={"attempts": 3, "evaluateOnExit": rules})
    )
    assert [one["container"]["exitCode"] for one in job["attempts"]] == [code] * tries


def test_time_is_enforced_and_sigterm_comes_first(client: Client) -> None:
    source = "import signal, sys, time; signal.signal(15, lambda *_: sys.exit(9)); time.sleep(600)"
    job = client.wait(client.submit(source, timeout={"attemptDurationSeconds": 60}))
    assert (job["statusReason"], job["container"]["exitCode"]) == ("Job attempt duration exceeded timeout", 9)


def test_sigkill_follows_for_a_job_that_does_not_heed(client: Client) -> None:
    source = "import signal, time; signal.signal(15, signal.SIG_IGN); print('on', flush=True)\nwhile 1: time.sleep(9)"
    job_id = client.submit(source)
    stream = client.wait(job_id, "RUNNING")["container"]["logStreamName"]
    until(lambda: _lines(client, stream))
    client.batch.terminate_job(jobId=job_id, reason="enough")
    job = client.wait(job_id)
    assert (job["statusReason"], job["container"]["exitCode"]) == ("enough", 137)


def _lines(client: Client, stream: str) -> list[str]:
    found = client.logs.get_log_events(logGroupName="/aws/batch/job", logStreamName=stream, startFromHead=True)
    return [event["message"] for event in found["events"]]


def test_an_array(client: Client) -> None:
    source = "import os; raise SystemExit(int(os.environ['AWS_BATCH_JOB_ARRAY_INDEX']) == 2)"
    job_id = client.submit(source, arrayProperties={"size": 3})
    assert client.wait(job_id)["arrayProperties"]["statusSummary"]["SUCCEEDED"] == 2
    children = client.describe(*(f"{job_id}:{index}" for index in range(3)))
    assert [(one["status"], one["arrayProperties"]["index"]) for one in children] == [
        ("SUCCEEDED", 0), ("SUCCEEDED", 1), ("FAILED", 2),
    ]  # fmt: skip
    listed = client.batch.list_jobs(arrayJobId=job_id, jobStatus="FAILED")["jobSummaryList"]
    assert [one["jobId"] for one in listed] == [f"{job_id}:2"]


def test_several_nodes(client: Client) -> None:
    ranges = [{"targetNodes": "0:", "container": client.container}]
    nodes = {"numNodes": 2, "mainNode": 0, "nodeRangeProperties": ranges}
    client.batch.register_job_definition(jobDefinitionName="gang", type="multinode", nodeProperties=nodes)
    source = "import os, time; time.sleep(600 * (os.environ['AWS_BATCH_JOB_NODE_INDEX'] != '0'))"
    overrides = {"targetNodes": "0:", "containerOverrides": {"command": ["python3", "-c", source]}}
    job_id = client.batch.submit_job(
        jobName="gang", jobQueue=client.queue, jobDefinition="gang",
        nodeOverrides={"numNodes": 3, "nodePropertyOverrides": [overrides]},
    )["jobId"]  # fmt: skip
    assert client.wait(job_id)["status"] == "SUCCEEDED"  # as its main node, with which the others end
    states = [one["status"] for one in client.describe(*(f"{job_id}#{index}" for index in range(3)))]
    assert states == ["SUCCEEDED", "FAILED", "FAILED"]


def test_dependencies(client: Client) -> None:
    first = client.submit("import time; time.sleep(1)")
    second = client.submit("", dependsOn=[{"jobId": first}])
    third = client.submit("raise SystemExit(1)", dependsOn=[{"jobId": first}])
    fourth = client.submit("", dependsOn=[{"jobId": third}])
    assert client.wait(second)["startedAt"] >= client.wait(first)["stoppedAt"]
    assert client.wait(fourth)["statusReason"] == "Dependent Job failed"


def test_a_host_is_lost(client: Client, endpoint: Endpoint) -> None:
    job_id = client.submit("import time; time.sleep(600)")
    client.wait(job_id, "RUNNING")
    endpoint.batch.lose_host(job_id)
    job = client.wait(job_id)
    assert job["statusReason"].startswith("Host EC2") and "exitCode" not in job["container"]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"jobName": "no name"}, "Job name should match"),
        ({"jobQueue": "other"}, "JobQueue other not found"),
        ({"jobDefinition": "other"}, "JobDefinition other not found"),
        ({"timeout": {"attemptDurationSeconds": 59}}, "at least 60"),
        ({"arrayProperties": {"size": 1}}, "between 2 and 10,000"),
        ({"shareIdentifier": "a"}, "no scheduling policy"),
        ({"containerOverrides": {"command": ["x" * 8192]}}, "at most 8192"),
        ({"parameters": {"x": "y" * 31_000}}, "payload size"),
        ({"containerOverrides": {"environment": [{"name": "AWS_BATCH_X", "value": ""}]}}, "AWS_BATCH"),
        ({"dependsOn": [{"jobId": "x"}] * 21}, "at most 20"),
    ],
)
def test_what_is_refused(client: Client, change: dict[str, Any], says: str) -> None:
    with pytest.raises(ClientError, match=says):
        client.submit(**change)


def test_a_hundred_ids_at_most(client: Client) -> None:
    with pytest.raises(ClientError, match="limit of 100"):
        client.describe(*(["x"] * 101))


def test_switches(client: Client, switches: Switches) -> None:
    switches.hold, switches.waiting_reason, switches.unseen = True, "because", 2
    job_id = client.submit()
    assert [client.describe(job_id), client.describe(job_id)] == [[], []]
    client.wait(job_id, "RUNNABLE")
    until(lambda: client.describe(job_id)[0].get("statusReason") == "because")
    client.batch.cancel_job(jobId=job_id, reason="enough")
    assert client.wait(job_id)["statusReason"] == "enough"
    switches.calls_a_second["DescribeJobs"] = 0
    with pytest.raises(ClientError, match="TooManyRequests"):
        boto3.client("batch", config=_ONCE).describe_jobs(jobs=[job_id])


_ONCE = boto3.session.Config(retries={"total_max_attempts": 1})
