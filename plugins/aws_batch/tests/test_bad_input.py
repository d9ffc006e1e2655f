"""What can't work is said before anything is written: what, where, and what to type next. And `flow doctor`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from penstock.testing import HttpStoreServer
from plugins.aws_batch.tests.endpoint import Endpoint, Switches

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

FLOW = """
from penstock import FlowSpec, resources, step


class BadFlow(FlowSpec):
    @step
    def start(self):
        self.next(self.end)

    RESOURCES
    @step
    def end(self):
        pass
"""
ROLE = "arn:aws:iam::123456789012:role/penstock-job"
STARTER = "arn:aws:iam::123456789012:role/penstock-execution"
REGISTRY = "123456789012.dkr.ecr.us-east-1.amazonaws.com"


@pytest.fixture
def store() -> Iterator[HttpStoreServer]:
    with HttpStoreServer() as server:
        yield server


def flow(folder: Path, environment: dict[str, str | None], *words: str) -> tuple[int, str, str]:
    """Exit code, standard output and error of a command."""
    merged = {**os.environ, "PENSTOCK_USER": "suite", **environment}
    done = subprocess.run(
        [sys.executable, "-m", "penstock", *words], cwd=folder, capture_output=True, text=True, timeout=120,
        check=False, env={name: value for name, value in merged.items() if value is not None},
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


def run(
    folder: Path, store: HttpStoreServer, endpoint: Endpoint, *words: str, resources: str = "",
    environment: dict[str, str | None] | None = None,
) -> tuple[int, str]:  # fmt: skip
    (folder / "bad.py").write_text(FLOW.replace("    RESOURCES\n", f"    {resources}\n" if resources else ""))
    code, out, err = flow(
        folder, {**endpoint.environment(), "AWS_CONFIG_FILE": "/none", "AWS_SHARED_CREDENTIALS_FILE": "/none",
                 **(environment or {})},
        "run", "bad.py", "--executor=aws-batch", "--aws-batch-poll-s=0.1",
        "--datastore=penstock.testing.http_store:HttpDatastore", f"--datastore-url={store.url}", *words,
    )  # fmt: skip
    assert "Traceback" not in out + err
    return code, err


@pytest.mark.parametrize(
    ("words", "more", "code", "says", "then"),
    [
        ((), {}, 4, "no job queue is named", "--aws-batch-queue="),
        (("--aws-batch-queue=other",), {}, 4,
         "there is no job queue other in this account and region; there is: penstock", "--aws-batch-queue=NAME"),
        (("--aws-batch-queue=penstock",), {"environment": {"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None}},
         4, "credentials are missing", "aws configure"),
        (("--aws-batch-queue=penstock",), {"environment": {"AWS_REGION": None, "AWS_DEFAULT_REGION": None}},
         4, "no AWS region", "--aws-batch-region="),
        (("--aws-batch-queue=penstock", "--aws-batch-profile=nobody"), {}, 4, "nobody", "aws configure"),
        (("--aws-batch-queue=penstock",), {"environment": {"AWS_ACCESS_KEY_ID": "AKIASTRANGER"}},
         4, "security token included in the request is invalid", "aws sts get-caller-identity"),
        (("--aws-batch-queue=penstock",), {"resources": "@resources(cpu=5000)"},
         1, "end asks for 5000 vCPUs", "@resources(cpu=256)"),
        (("--aws-batch-queue=penstock",), {"resources": "@resources(cpu=100)"},
         1, "no instance of the queue penstock has as much; its largest is m7i.48xlarge (64 vCPUs, 262144 MiB)",
         "@resources(...)"),
        (("--aws-batch-queue=penstock",), {"resources": "@resources(memory=262144)"},
         1, "end asks for 1 vCPUs, 262144 MiB", "@resources(...)"),
        (("--aws-batch-queue=penstock",), {"resources": "@resources(gpu=1)"}, 1, "1 GPUs", "@resources(...)"),
        (("--aws-batch-queu=penstock",), {}, 2, "No such option", "--aws-batch-queue"),
        (("--aws-batch-queue=penstock", "--aws-batch-host-volumes=data"), {}, 1, "'data' is no absolute path",
         "--aws-batch-host-volumes=/data"),
    ],
)  # fmt: skip
def test_before_a_run_begins(
    tmp_path: Path, store: HttpStoreServer, endpoint: Endpoint, words: tuple[str, ...], more: dict[str, object],
    code: int, says: str, then: str,
) -> None:  # fmt: skip
    found, err = run(tmp_path, store, endpoint, *words, **more)
    assert (found, says in err, then in err) == (code, True, True), err
    assert [one.key for one in store.store.list("runs")] == []
    assert endpoint.batch.jobs == {}


def test_on_fargate(tmp_path: Path, store: HttpStoreServer, endpoint: Endpoint, switches: Switches) -> None:
    switches.fargate = True
    code, err = run(tmp_path, store, endpoint, "--aws-batch-queue=penstock")
    assert code == 1 and "which needs a role" in err and "bad.py" not in err, "no affair of one step"
    code, err = run(
        tmp_path, store, endpoint, "--aws-batch-queue=penstock", f"--aws-batch-execution-role={STARTER}",
        resources="@resources(gpu=1)",
    )  # fmt: skip
    assert code == 1 and "which has no gpu" in err and "bad.py:12" in err


def test_a_job_that_is_refused_because_of_its_queue_is_told_in_aws_s_words(
    tmp_path: Path, store: HttpStoreServer, endpoint: Endpoint
) -> None:
    code, err = run(tmp_path, store, endpoint, "--aws-batch-queue=penstock", "--aws-batch-share-identifier=x")
    assert code == 1 and "shareIdentifier is not allowed: JobQueue penstock has no scheduling policy" in err


def test_a_disabled_queue(tmp_path: Path, store: HttpStoreServer, endpoint: Endpoint) -> None:
    endpoint.batch.queues["penstock"] = "DISABLED"
    code, err = run(tmp_path, store, endpoint, "--aws-batch-queue=penstock")
    assert code == 4 and "takes no jobs: DISABLED" in err and "update-job-queue" in err


def test_a_forbidden_action_is_told_with_who_and_which(
    tmp_path: Path, store: HttpStoreServer, endpoint: Endpoint, switches: Switches
) -> None:
    switches.policies = {"launcher": [{"Statement": [{"Effect": "Allow", "Action": "batch:De*", "Resource": "*"}]}]}
    code, err = run(tmp_path, store, endpoint, "--aws-batch-queue=penstock")
    assert code == 1
    assert "user/launcher is not authorized to perform: batch:RegisterJobDefinition" in err


@pytest.mark.parametrize("unknown", ["forbidden", "optimal"])
def test_what_can_t_be_known_before_is_no_reason_to_refuse(
    tmp_path: Path, store: HttpStoreServer, endpoint: Endpoint, switches: Switches, image: str, unknown: str
) -> None:
    if unknown == "optimal":
        switches.instance_types = ("optimal",)
    else:
        switches.policies = {
            "launcher": [{"Statement": [{"Effect": "Allow", "Action": "batch:*", "Resource": "*"}]}],
        }
    switches.largest = (64, 100, 0)
    small = (f"--aws-batch-image={image}", "--aws-batch-default-memory=99")
    code, err = run(tmp_path, store, endpoint, "--aws-batch-queue=penstock", *small)
    assert code == 0, err
    _, rows = doctor(tmp_path, endpoint, "--aws-batch-queue=penstock")
    assert "known once its job waits" in rows["instances"]["said"]


# ----------------------------------------------------------------------------------------------- flow doctor


def doctor(folder: Path, endpoint: Endpoint, *words: str) -> tuple[int, dict[str, dict[str, str]]]:
    """Exit code, and the executor's findings by what was looked at."""
    code, out, err = flow(
        folder, endpoint.environment(), "doctor", "--json", "--executor=aws-batch", *words,
        "--datastore=penstock.testing.http_store:HttpDatastore", "--datastore-url=http://127.0.0.1:9",
    )  # fmt: skip
    assert "Traceback" not in out + err
    rows = [row for row in json.loads(out)["findings"] if row["subject"] == "executor aws-batch"]
    return code, {row["what"]: row for row in rows}


def test_the_doctor_finds_nothing_wrong(tmp_path: Path, endpoint: Endpoint) -> None:
    endpoint.registry.images.add("mine:1")
    _, rows = doctor(
        tmp_path, endpoint, "--aws-batch-queue=penstock", f"--aws-batch-iam-role={ROLE}",
        f"--aws-batch-execution-role={STARTER}", f"--aws-batch-image={REGISTRY}/mine:1",
    )  # fmt: skip
    assert {what: row["state"] for what, row in rows.items()} == dict.fromkeys(
        ("store", "identity", "queue", "instances", "iam_role", "execution_role", "image"), "good"
    )
    assert rows["identity"]["said"] == "arn:aws:iam::123456789012:user/launcher"


@pytest.mark.parametrize(
    ("words", "what", "state", "says", "then"),
    [
        ((), "iam_role", "doubtful", "no role of their own", "--aws-batch-iam-role="),
        (("--aws-batch-iam-role=arn:aws:iam::123456789012:role/none",), "iam_role", "bad", "cannot be found",
         "--aws-batch-iam-role="),
        (("--aws-batch-iam-role=arn:aws:iam::123456789012:role/users",), "iam_role", "bad", "does not trust",
         "update-assume-role-policy"),
        ((f"--aws-batch-image={REGISTRY}/mine:2",), "image", "bad", "does not exist", "aws ecr describe-images"),
        (("--aws-batch-queue=other",), "error", "bad", "there is no job queue other", "--aws-batch-queue=NAME"),
    ],
)  # fmt: skip
def test_the_doctor_names_the_mending_command(
    tmp_path: Path, endpoint: Endpoint, words: tuple[str, ...], what: str, state: str, says: str, then: str
) -> None:
    endpoint.roles["users"] = "ec2.amazonaws.com"
    queue = () if any("queue" in word for word in words) else ("--aws-batch-queue=penstock",)
    code, rows = doctor(tmp_path, endpoint, *queue, *words)
    assert rows[what]["state"] == state and says in rows[what]["said"] and then in rows[what]["hint"], rows
    assert code == 1


def test_the_doctor_who_may_not_look(tmp_path: Path, endpoint: Endpoint, switches: Switches) -> None:
    switches.policies = {"launcher": [{"Statement": [{"Effect": "Allow", "Action": "batch:*", "Resource": "*"}]}]}
    _, rows = doctor(tmp_path, endpoint, "--aws-batch-queue=penstock", f"--aws-batch-iam-role={ROLE}")
    assert rows["iam_role"]["state"] == "doubtful" and "iam:GetRole" in rows["iam_role"]["said"]
