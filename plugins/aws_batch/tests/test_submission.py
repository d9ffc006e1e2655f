"""A job as a request to SubmitJob."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import subprocess
import sys
from typing import Any

import pytest

from penstock.contracts.executor import Job
from penstock.errors import JobRejected
from penstock.values import MAIN_ADDRESS_VARIABLE
from penstock_aws_batch.plugin import BatchOptions
from penstock_aws_batch.submission import names_of_nodes, nodes_submission, submission


def made(job: dict[str, Any] | None = None, tags: dict[str, str] | None = None, **options: Any) -> dict[str, Any]:
    given = {"name": "name", "message": "{}", "command": ("a", "ä"), **(job or {})}
    return submission(Job(**given), BatchOptions(queue="q", **options), "definition", tags or {})


def test_a_submission_holds_a_command_and_nothing_that_grows() -> None:
    request = made({"environment": {"A": "x" * 9000}})
    assert request["containerOverrides"] == {"command": ["a", "ä"]}
    assert (request["jobName"], request["jobQueue"], request["jobDefinition"]) == ("name", "q", "definition")


@pytest.mark.parametrize(("timeout_s", "seconds"), [(1.0, 60), (60.2, 61), (None, None)])
def test_time_outs_are_whole_seconds_from_a_minute_on(timeout_s: float | None, seconds: int | None) -> None:
    assert made({"timeout_s": timeout_s}).get("timeout", {}).get("attemptDurationSeconds") == seconds


def test_tags() -> None:
    request = made(tags={"penstock:user": "a|b"}, aws_batch_tags=("team=x", "cost:y"))
    assert request["tags"] == {"penstock:user": "a-b", "team": "x", "cost": "y"}


def test_another_interpreter_of_the_image() -> None:
    job = {"command": ("python3", "-c", "python3")}
    assert made(job, executable="/opt/python")["containerOverrides"]["command"] == ["/opt/python", "-c", "python3"]


def test_shares() -> None:
    request = made(share_identifier="s", scheduling_priority=3)
    assert (request["shareIdentifier"], request["schedulingPriorityOverride"]) == ("s", 3)
    assert not {"shareIdentifier", "schedulingPriorityOverride"} & set(made())


@pytest.mark.parametrize("letter", ["x", "ü", "\n"])
def test_a_command_of_more_than_8192_bytes(letter: str) -> None:
    most = (8192 - len('{"command": ["a", ""]}')) // len(letter.encode() if letter != "\n" else "\\n")
    made({"command": ("a", letter * most)})
    with pytest.raises(JobRejected, match="8192"):
        made({"command": ("a", letter * (most + 2))})


def of_nodes(count: int, text: str = "{}") -> dict[str, Any]:
    jobs = [
        Job(name=f"n{index}", message="{}", command=("python3", "-c", "x" * 3000, text.format(index)))
        for index in range(count)
    ]
    return nodes_submission(jobs, BatchOptions(queue="q"), "definition", {})


def test_each_node_becomes_its_own_command_and_knows_where_the_first_is() -> None:
    source = f"import os, sys; print(sys.argv[1], os.environ['{MAIN_ADDRESS_VARIABLE}'])"
    command = (sys.executable, "-c", source)
    jobs = [Job(name=f"n{index}", message="", command=(*command, f"ü{index}")) for index in range(3)]
    request = nodes_submission(jobs, BatchOptions(queue="q", executable=sys.executable), "definition", {})
    assert (request["jobName"], request["nodeOverrides"]["numNodes"]) == ("n0-nodes", 3)
    (every,) = request["nodeOverrides"]["nodePropertyOverrides"]
    for index, address in ((1, "10.0.0.7"), (0, None)):
        variables = {**os.environ, "AWS_BATCH_JOB_NODE_INDEX": str(index)}
        if address:
            variables["AWS_BATCH_JOB_MAIN_NODE_PRIVATE_IPV4_ADDRESS"] = address
        words = every["containerOverrides"]["command"]
        said = subprocess.run(words, env=variables, capture_output=True, text=True, check=True).stdout.split()
        assert said == [f"ü{index}", address or socket.gethostbyname(socket.gethostname())]


def test_the_names_of_the_most_nodes_fit_into_one_request() -> None:
    """What differs from one node to the next is a token of its message and the hash of its name."""
    count, size = 0, 0
    with pytest.raises(JobRejected, match="8192"):
        for count in range(64, 2000, 64):
            jobs = [
                Job(name=f"{'f' * 46}-{random(f'n{at}')}", message="", command=("python3", random(f"t{at}")))
                for at in range(count)
            ]
            request = nodes_submission(jobs, BatchOptions(queue="q"), "definition", {})
            assert names_of_nodes(request) == [job.name for job in jobs]
            size = len(json.dumps(request))
    assert count > 256
    assert size < 30 * 1024 - 8000  # the rest is for tags


def random(seed: str) -> str:
    return hashlib.sha256(seed.encode()).hexdigest()[:16]


def test_so_many_nodes_fit_into_one_request() -> None:
    message = '{{"step":"train","place":"{0}","attempt":0,"token":"%s","nodes":64,"parents":["runs/F/r/tasks/s/0"]}}'
    request = of_nodes(64, message.replace("%s", "0123456789abcdef"))
    assert names_of_nodes(request) == [f"n{index}" for index in range(64)]
    with pytest.raises(JobRejected, match="8192") as error:
        of_nodes(20_000)
    assert "fewer nodes" in str(error.value.hint)
