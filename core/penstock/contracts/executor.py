"""Executor: jobs on one platform. It reports on processes; what became of a task is in the attempt's record."""

from __future__ import annotations

from abc import ABC, abstractmethod
from enum import Enum

from penstock.contracts.reach import Reach
from penstock.errors import BackendUnavailable, PenstockError
from penstock.values import Resources, Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path
    from typing import Any

    from penstock.contracts.finding import Finding
    from penstock.contracts.host import ByteStream, HostElsewhere, Hosts

EXECUTOR_CONTRACT = 1


class JobState(Enum):
    """The platform's word on a job. FAILED: it ended by its own doing. LOST: the platform took or forgot it."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    LOST = "lost"

    @property
    def ended(self) -> bool:
        """Whether the state can't change any more."""
        return self not in (JobState.QUEUED, JobState.RUNNING)


class JobStatus(Value):
    """state: see `JobState`. exit_code: None while unknown, -N for signal N. reason: one sentence of the platform's.

    hint: what the user may type to mend it, as `PenstockError.hint`; an option at its beginning, `--NAME-OPTION=...`,
    goes with the next run."""

    __slots__ = ("exit_code", "hint", "reason", "state")

    def __init__(self, *, state: JobState, exit_code: int | None = None, reason: str = "", hint: str = "") -> None:
        self.state, self.exit_code, self.reason, self.hint = state, exit_code, reason, hint


class Mount(Value):
    """A folder of this host that a job must see under the same path."""

    __slots__ = ("path", "read_only")

    def __init__(self, *, path: Path, read_only: bool = False) -> None:
        self.path, self.read_only = path, read_only


class Gang(Value):
    """Jobs that have to run side by side, because they talk to one another: the nodes of a `num_parallel`.

    lead: name of the first of them, the same for all; index: of this one, 0 leads; size: how many there are, 0 while
    nobody knows.
    """

    __slots__ = ("index", "lead", "size")

    def __init__(self, *, lead: str, index: int, size: int) -> None:
        self.lead, self.index, self.size = lead, index, size


class Job(Value):
    """What the platform shall run for one attempt.

    name: the same for the same attempt, `[a-z0-9-]`, at most 63 characters (Kubernetes' limit), ends in a hash.
    message: the attempt as one line of JSON, for a host that already runs; opaque to executors.
    command: argv of a worker that needs nothing but a supported Python; empty for an executor that `uses_hosts`. It
    heeds the variables of `values.py`, if the executor sets them.
    host_command: argv of a host that serves many attempts instead, as `RunInfo.host_over` speaks to; else as `command`.
    environment: variables of the step; nothing in it differs from one attempt of the step to the next.
    secrets: variables that must not be seen from outside, among them the store's; an executor that can't hide them
    raises JobRejected. They may be others for a later job: credentials are refreshed.
    timeout_s: wall time after which the platform ends the job by itself, None for no limit.
    options: the executor's own options, merged for this step.
    pathspec: `Flow/run/step/task/attempt`, for labels that people look for; it decides nothing.
    gang: the others that it needs beside it; None for a job of its own, and where the executor does not `runs_gangs`.
    """

    __slots__ = (
        "command", "environment", "gang", "host_command", "message", "mounts", "name", "options", "pathspec",
        "resources", "secrets", "timeout_s",
    )  # fmt: skip

    def __init__(
        self,
        *,
        name: str,
        message: str,
        command: tuple[str, ...] = (),
        host_command: tuple[str, ...] = (),
        environment: Mapping[str, str] | None = None,
        secrets: Mapping[str, str] | None = None,
        resources: Resources | None = None,
        timeout_s: float | None = None,
        options: Mapping[str, Any] | None = None,
        mounts: tuple[Mount, ...] = (),
        pathspec: str = "",
        gang: Gang | None = None,
    ) -> None:
        self.name, self.message, self.command, self.host_command = name, message, command, host_command
        self.environment: Mapping[str, str] = environment or {}
        self.secrets: Mapping[str, str] = secrets or {}
        self.resources, self.timeout_s = resources or Resources(), timeout_s
        self.options: Mapping[str, Any] = options or {}
        self.mounts, self.pathspec, self.gang = mounts, pathspec, gang


def _nobody() -> None:
    """Where nobody waits."""


def _unheard(_: str) -> None:
    """Where nobody listens to remarks."""


class RunInfo(Value):
    """The run that an executor works for.

    hosts: the living hosts of this machine, None where it needs none. note: takes a remark for the person who runs.
    ring: `poll` has something new to say, so that it is asked at once; may be called from any thread.
    runtime: a folder of this machine from which jobs may take the code of `Job.command`, unpacked and compiled. An
    executor whose jobs can see it lets them read it, under the path that it tells them in `values.RUNTIME_VARIABLE`,
    and never write there: other jobs run what it holds. Without it each job unpacks for itself.
    host_over: makes of the stream of a job's `host_command` a host to drive.
    """

    __slots__ = ("flow", "host_over", "hosts", "note", "ring", "run", "runtime", "user")

    def __init__(
        self,
        *,
        flow: str,
        run: str,
        user: str,
        hosts: Hosts | None = None,
        note: Callable[[str], None] = _unheard,
        ring: Callable[[], None] = _nobody,
        host_over: Callable[[ByteStream], HostElsewhere] | None = None,
        runtime: str | None = None,
    ) -> None:
        self.flow, self.run, self.user = flow, run, user
        self.hosts, self.note, self.ring = hosts, note, ring
        self.host_over, self.runtime = host_over, runtime


class Executor(ABC):
    """Runs jobs. Knows nothing of flows, artifacts or retries. Called from one thread.

    The constructor takes the run, then the options as keywords, and does no work. Handles are plain strings, so that
    another process can go on with them. Each method may raise BackendUnavailable (again later; no job has changed
    its state by that) and BackendMisconfigured.
    """

    jobs_at: Reach = Reach.ANYWHERE  # how far away the jobs are
    starts_once: bool = False  # True: an attempt can't be started twice, and no job outlives the lock of the run
    uses_hosts: bool = False  # True: drives `RunInfo.hosts` and needs no `Job.command`
    in_process: bool = False  # True: runs steps in the process of the scheduler, one by one
    keeps_secrets: bool = False  # True: `Job.secrets` are not seen from outside
    own_identity: bool = False  # True: jobs reach stores as somebody themselves, and get no credentials from here
    runs_drivers: bool = False  # True: a job can drive a run, see `submit_driver`
    runs_gangs: bool = False  # True: jobs of one `Job.gang` run side by side, see `submit_many`
    poll_interval_s: float = 1.0  # how long `poll` may be asked to wait at most, and how often it is asked

    def __init__(self, run: RunInfo, **options: Any) -> None:
        self.run = run

    @property
    def max_workers(self) -> int:
        """How many jobs at once unless the user says otherwise."""
        return 1

    @abstractmethod
    def submit(self, job: Job) -> str:
        """Start a job and return its handle. Raises JobRejected when it can never run there.

        A job of this name that the platform already has is not started again; its handle is returned.
        """

    def check(self, job: Job) -> None:
        """Refuse what can never run, before a run begins. job: what the jobs of a step have in common, named after the
        step, without command and message. Raises JobRejected, BackendMisconfigured; a hint that begins with an option,
        `--NAME-OPTION=VALUE`, is told as the argument of the step's decorator where that has it."""

    def submit_many(self, jobs: Sequence[Job]) -> Sequence[str | PenstockError]:
        """Start several jobs: the handle of each, or why it has none, in the order given.

        By default one after another; override where a platform takes several at once.

        All jobs of a gang come in one call. They begin together, and find the first of them by MAIN_ADDRESS_VARIABLE
        of `values.py`, or on the machine itself where it is not set. The platform may end them all with any of them. A
        gang that it already has is found here, if `adopt` can't tell its jobs by their names.
        """
        answers: list[str | PenstockError] = []
        for job in jobs:
            try:
                answers.append(self.submit(job))
            except BackendUnavailable as error:
                return answers + [error] * (len(jobs) - len(answers))
            except PenstockError as error:
                answers.append(error)
        return answers

    @abstractmethod
    def poll(self, job_ids: Sequence[str], timeout_s: float) -> Mapping[str, JobStatus]:
        """The status of every job asked for, after waiting at most `timeout_s` seconds for a first change.

        Ids that the platform does not know are LOST; an ended state is repeated when asked again.
        """

    @abstractmethod
    def cancel(self, job_ids: Sequence[str]) -> None:
        """Ask that jobs be stopped, with all that they started. Does not wait;
        ended and unknown ids are passed over."""

    def adopt(self, names: Sequence[str]) -> Mapping[str, str]:
        """Name -> handle of those jobs that the platform still knows, queued, running or ended."""
        return {}

    def logs(self, job_id: str) -> Iterator[bytes]:
        """What the platform itself kept of the output of a job that never reached our code."""
        return iter(())

    def forget(self, job_ids: Sequence[str]) -> None:
        """Free what the platform keeps of jobs that have ended: their records are read, nobody will ask for them
        again. Does not wait; unknown ids are passed over."""

    def sweep(self) -> None:
        """The run is over: end and free whatever the platform still has of it, also of a scheduler that died."""

    def submit_driver(self, job: Job) -> str:
        """Start a job that drives a run: one that may start jobs of this executor itself, and that the platform may
        start again when its host is lost. Otherwise as `submit`."""
        raise NotImplementedError

    def driver_files(self) -> Mapping[str, str]:
        """What a driver needs of other packages to use this executor in a bare interpreter: name inside an archive
        -> path. Pure Python and its data; the executor's own package comes by itself."""
        return {}

    def examine(self, mounts: Sequence[Mount]) -> Iterator[Finding]:
        """Look at all that a job would need, what everything else rests on first; for `flow doctor`, may take seconds.

        mounts: the folders that jobs would see. What makes the rest pointless is raised, as by any other call. Leaves
        nothing behind.
        """
        return iter(())

    def close(self) -> None:
        """Free clients. Does not stop jobs. May be called twice."""
