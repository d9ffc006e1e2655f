"""What can be made worse than a good day."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass
class Switches:
    """Documented limits are on by default; troubles are off.

    second_s: how long one second of Batch lasts here, so that a limit of a minute and a grace of 30 s can be seen to
    end; hold: jobs stay RUNNABLE; slots: containers at once.
    fargate, spot: the queue's compute environment has no instances, or none on demand. largest: vCPUs, MiB and GPUs of
    its largest instance; instance_types: as they are written there.
    waiting_reason: `statusReason` of jobs that are held.
    unseen: how often a fresh job is left out of answers; nodes_late: nodes of a job are left out until they start.
    late_logs: how often a finished stream is answered empty.
    calls_a_second: for each action; None for no limit.
    payload_bytes, overrides_bytes, describe_ids, timeout_at_least_s, grace_s: as documented.
    policies: principal (`launcher` or a role's name) -> IAM policy documents; None lets everybody do everything.
    launcher_credentials: access key and secret of who submits. job_credentials: those and the token that a job gets, by
    the name of its role, "" for any other. Only access keys are looked at here; the rest is for others to check.
    network: of the containers.
    """

    second_s: float = 1.0
    hold: bool = False
    slots: int = 4
    fargate: bool = False
    spot: bool = False
    largest: tuple[int, int, int] = (64, 262_144, 0)
    instance_types: tuple[str, ...] = ("m7i", "c7i.large")
    waiting_reason: str = ""
    unseen: int = 0
    nodes_late: bool = False
    late_logs: int = 0
    calls_a_second: dict[str, float] = field(default_factory=dict)
    payload_bytes: int = 30 * 1024
    overrides_bytes: int = 8192
    describe_ids: int = 100
    timeout_at_least_s: int = 60
    grace_s: float = 30.0
    policies: dict[str, list[dict[str, Any]]] | None = None
    launcher_credentials: tuple[str, str] = ("AKIALAUNCHER", "secret")
    job_credentials: dict[str, tuple[str, str, str]] = field(
        default_factory=lambda: {"": ("ASIAJOB", "job-secret", "job-token")}
    )
    network: str = "host"
