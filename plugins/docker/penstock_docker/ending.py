"""How a container ended, in the words of the contract: by its own doing (FAILED), or taken by somebody else (LOST)."""

from __future__ import annotations

from penstock.contracts.executor import JobState, JobStatus
from penstock.values import WRONG_PYTHON_EXIT_CODE
from penstock_docker import words
from penstock_docker.engine import said_by

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_BY_SIGNAL = 128  # and the number of the signal: what a shell, and the container's first process, make of it
_SIGKILL = 9
NO_PROGRAM = 127  # as a shell, and the container's first process, say it
CANCELLED = JobStatus(state=JobState.FAILED, reason="cancelled before it began")
SUCCEEDED = JobStatus(state=JobState.SUCCEEDED, exit_code=0)


class Fate:
    """What was heard of a container beside its end. killed: the signal that somebody sent by the engine, "" for none;
    unseen: for a while nothing could be heard."""

    __slots__ = ("killed", "unseen")

    def __init__(self) -> None:
        self.killed, self.unseen = "", False

    def hear(self, action: str, facts: Mapping[str, str]) -> None:
        """An event."""
        if action == "kill":
            self.killed = facts.get("signal", "")


def refused(error: Exception) -> JobStatus:
    """Of a job that could not get its container."""
    return JobStatus(state=JobState.FAILED, reason=said_by(error), hint=getattr(error, "hint", ""))


def of_host(found: Mapping[str, Any] | None, fate: Fate, tail: bytes) -> JobStatus:
    """What the end of a warm container means for the attempts that ran there. tail: the last that it said."""
    found_status = status(found, fate, "")
    if found_status is None or found_status.state is JobState.SUCCEEDED:
        return JobStatus(state=JobState.LOST, reason="the host in its warm container is gone")
    said = tail.decode("utf-8", "replace").strip()
    return found_status.changed(reason=f"{found_status.reason}; its last words: {said}") if said else found_status


def status(found: Mapping[str, Any] | None, fate: Fate, ours: str) -> JobStatus | None:
    """What a container's facts say (`docker inspect`; None: it is gone), None while it runs. ours: why we ended it."""
    if found is None:
        state = JobState.FAILED if ours else JobState.LOST
        return JobStatus(state=state, reason=ours or "the container was removed by somebody else")
    state = found["State"]
    if state["Status"] not in ("exited", "dead", "stopped"):
        return None
    code = int(state["ExitCode"])
    if code == 0 and not ours:
        return SUCCEEDED
    if ours:
        return JobStatus(state=JobState.FAILED, exit_code=code or None, reason=ours)
    limit = found["HostConfig"].get("Memory") or 0
    if state.get("OOMKilled"):
        return JobStatus(state=JobState.FAILED, exit_code=code, reason=_out_of_memory(limit))
    if fate.killed:
        return JobStatus(
            state=JobState.LOST, exit_code=code, reason=f"the container got signal {fate.killed} from outside"
        )
    if fate.unseen and code > _BY_SIGNAL:
        return JobStatus(state=JobState.LOST, exit_code=code, reason="the container ended with the engine")
    if limit and code == _BY_SIGNAL + _SIGKILL:  # Podman does not tell
        return JobStatus(state=JobState.FAILED, exit_code=code, reason=f"killed, perhaps {_out_of_memory(limit)}")
    reason = f"the container ended with exit code {code}"
    if code == NO_PROGRAM:
        reason += ": has its image no python3 on its PATH? Tasks need Python 3.11 or later"
    hint = f"--docker-image={words.default_image()}" if code in (NO_PROGRAM, WRONG_PYTHON_EXIT_CODE) else ""
    return JobStatus(state=JobState.FAILED, exit_code=code, reason=reason, hint=hint)


def _out_of_memory(limit: int) -> str:
    return f"out of memory: its limit is {limit >> 20} MiB; @resources(memory=...) raises it"
