"""What AWS Batch says, as statuses and words."""

from __future__ import annotations

from typing import Any

import pytest

from penstock.contracts.executor import JobState
from penstock_aws_batch import reasons


@pytest.mark.parametrize(
    ("status", "reason", "container", "state", "code", "says"),
    [
        ("SUBMITTED", "", {}, JobState.QUEUED, None, ""),
        ("PENDING", "", {}, JobState.QUEUED, None, ""),
        ("RUNNABLE", "", {}, JobState.QUEUED, None, ""),
        ("STARTING", "", {}, JobState.QUEUED, None, ""),
        ("RUNNING", "", {}, JobState.RUNNING, None, ""),
        ("SUCCEEDED", "Essential container in task exited", {"exitCode": 0}, JobState.SUCCEEDED, 0, ""),
        ("SUCCEEDED", "", {}, JobState.SUCCEEDED, 0, ""),
        ("FAILED", "Essential container in task exited", {"exitCode": 3}, JobState.FAILED, 3, "exit code 3"),
        ("FAILED", "", {}, JobState.FAILED, None, ""),
        ("FAILED", "Job attempt duration exceeded timeout", {"exitCode": 137}, JobState.FAILED, 137, "duration"),
        ("FAILED", "Essential container in task exited", {
            "exitCode": 137, "reason": "OutOfMemoryError: Container killed due to memory usage",
            "resourceRequirements": [{"type": "MEMORY", "value": "64"}],
        }, JobState.FAILED, 137, "its limit is 64 MiB"),
        ("FAILED", "Task failed to start", {"reason": "CannotPullContainerError: denied"}, JobState.FAILED, None,
         "is its name right"),
        ("FAILED", "Host EC2 (instance i-1) terminated.", {}, JobState.LOST, None, "i-1"),
        ("FAILED", "Your Spot Task was interrupted.", {}, JobState.LOST, None, "Spot"),
        ("FAILED", "Task failed to start", {"reason": "DockerTimeoutError: Could not transition to started; timed out"},
         JobState.LOST, None, ""),
    ],
)  # fmt: skip
def test_statuses(
    status: str, reason: str, container: dict[str, Any], state: JobState, code: int | None, says: str
) -> None:
    found = reasons.status_of({"status": status, "statusReason": reason, "container": container})
    assert (found.state, found.exit_code) == (state, code)
    assert says in found.reason


@pytest.mark.parametrize("known", reasons.WAITING)
def test_a_known_reason_is_explained_beside_its_words(known: str) -> None:
    said = f"{known} - whatever follows"
    assert reasons.waiting(said) == f"{reasons.WAITING[known]} ({said})"


def test_an_unknown_reason_is_told_as_it_stands() -> None:
    assert reasons.waiting("A new reason of 2031") == "A new reason of 2031"
