"""The isolated executor: jobs as strangers on this machine. What works here works in a container.

Each job is its argv alone, run by an empty virtual environment, in a folder of its own, without PYTHONPATH or the
caller's variables, with a clock that is an hour off. Jobs outlive the process that submitted them, so that another can
adopt them; on demand they are started twice, taken for lost while they live, or killed.

    --executor=penstock.testing.isolated_executor:IsolatedExecutor
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from penstock.contracts.executor import Executor, JobState, JobStatus
from penstock.contracts.reach import Reach
from penstock.errors import BackendUnavailable, JobRejected

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from penstock.contracts.executor import Job, RunInfo

_POLL_S = 0.01
_LEFT: list[subprocess.Popen[bytes]] = []  # jobs that still ran when their executor was closed; the next one reaps them
# Imported by the interpreter of the jobs before anything else: their clock is not ours.
_OTHER_CLOCK = """
import time
_time, _time_ns = time.time, time.time_ns
time.time = lambda: _time() + {shift}
time.time_ns = lambda: _time_ns() + {shift} * 10**9
"""
# The shell that stands between a job and its exit code: the file appears whole, also when nobody waits any more.
_KEEPER = 'cd "$1"; shift; "$@" >stdout 2>stderr </dev/null; echo $? >exit.part; mv exit.part exit'


class IsolatedExecutor(Executor):
    """See the module.

    folder: where jobs keep their state, default one of the run below the temporary folder. twice, lost, killed: shares
    of jobs (0 to 1) that are started a second time, reported lost while they may still run, killed soon after they
    start. seed: chooses which. clock_shift_s: how far the clock of the jobs is off.
    """

    jobs_at = Reach.HOST
    starts_once = False
    keeps_secrets = True
    runs_gangs = True
    poll_interval_s = 0.2

    def __init__(
        self,
        run: RunInfo,
        folder: str | None = None,
        twice: float = 0.0,
        lost: float = 0.0,
        killed: float = 0.0,
        seed: int = 0,
        clock_shift_s: int = 3600,
    ) -> None:
        super().__init__(run)
        base = folder or os.path.join(tempfile.gettempdir(), f"penstock-isolated-{os.getuid()}")
        self._folder = Path(base) / f"{run.flow}-{run.run}"
        self._shares = {"twice": twice, "lost": lost, "killed": killed}
        self._seed, self._clock_shift_s = seed, clock_shift_s
        self._children: dict[Path, subprocess.Popen[bytes]] = {}

    @property
    def max_workers(self) -> int:
        """The cores."""
        return os.cpu_count() or 1

    # -- the contract

    def submit(self, job: Job) -> str:
        """Start the argv in the empty environment; a job that is known already is not started again."""
        if not job.command:
            raise JobRejected(f"{job.name} has no command")
        place = self._folder / job.name
        try:
            place.mkdir(parents=True)
        except FileExistsError:
            return job.name
        except OSError as error:
            raise BackendUnavailable(f"{place}: {error.strerror}") from error
        self._start(job, place)
        if self._chosen(job.name, "twice"):
            second = self._folder / f"{job.name}.second"
            second.mkdir()
            self._start(job, second)
        return job.name

    def poll(self, job_ids: Sequence[str], timeout_s: float) -> Mapping[str, JobStatus]:
        """Looks at the files that ended jobs leave."""
        until = time.monotonic() + timeout_s
        while True:
            self._reap()
            found = {job_id: self._status(job_id) for job_id in job_ids}
            if any(status.state.ended for status in found.values()) or time.monotonic() >= until:
                return found
            time.sleep(_POLL_S)

    def cancel(self, job_ids: Sequence[str]) -> None:
        """SIGTERM to the job's whole session; SIGKILL for whatever does not heed it."""
        for job_id in job_ids:
            for place in self._places(job_id):
                self._end(place)

    def adopt(self, names: Sequence[str]) -> Mapping[str, str]:
        """Jobs that left a folder, whoever started them."""
        return {name: name for name in names if (self._folder / name / "pid").exists()}

    def logs(self, job_id: str) -> Iterator[bytes]:
        """What the job printed, both streams."""
        for stream in ("stdout", "stderr"):
            with contextlib.suppress(FileNotFoundError):
                yield (self._folder / job_id / stream).read_bytes()

    def forget(self, job_ids: Sequence[str]) -> None:
        """Their folders go, unless a second copy still runs in one."""
        for job_id in job_ids:
            places = [place for place in self._places(job_id) if place.exists()]
            if all((place / "exit").exists() for place in places):
                for place in places:
                    shutil.rmtree(place, ignore_errors=True)

    def sweep(self) -> None:
        """Whatever this run still has here."""
        for place in list(self._folder.glob("*")):
            self._end(place)
        shutil.rmtree(self._folder, ignore_errors=True)

    def close(self) -> None:
        """Reap what has ended; jobs go on."""
        self._reap()
        _LEFT.extend(self._children.values())
        self._children.clear()

    # -- jobs

    def _places(self, job_id: str) -> tuple[Path, Path]:
        """The folders of a job and of its second copy, whether they are there or not."""
        return self._folder / job_id, self._folder / f"{job_id}.second"

    def _start(self, job: Job, place: Path) -> None:
        python = self._environment()
        command = [str(python) if part == "python3" and not number else part for number, part in enumerate(job.command)]
        work = place / "work"
        work.mkdir()
        environment = {
            "PATH": f"{python.parent}:/usr/bin:/bin",
            "HOME": str(work),
            "LANG": "C.UTF-8",
            "TMPDIR": str(work),
            **job.environment,
            **job.secrets,
        }
        process = subprocess.Popen(
            ["/bin/sh", "-c", _KEEPER, "keeper", str(place), *command],
            cwd=place,
            env=environment,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._children[place] = process
        if job.timeout_s is not None:
            (place / "timeout").write_text(str(job.timeout_s))
        (place / "pid").write_text(str(process.pid))
        if self._chosen(job.name, "killed"):
            time.sleep(random.Random(f"{self._seed} {job.name}").random() * 0.2)
            self._end(place, number=signal.SIGKILL)

    def _environment(self) -> Path:
        """The interpreter of the jobs: a virtual environment with nothing in it but another clock."""
        folder = self._folder.parent / f"python-{sys.version_info.major}.{sys.version_info.minor}-{self._clock_shift_s}"
        python = folder / "bin" / "python3"
        if not python.exists():
            import venv

            part = Path(tempfile.mkdtemp(dir=_made(folder.parent), prefix="python-"))
            venv.create(part, with_pip=False, symlinks=True)
            site = next((part / "lib").glob("python*/site-packages"))
            (site / "sitecustomize.py").write_text(_OTHER_CLOCK.format(shift=self._clock_shift_s))
            try:
                part.rename(folder)
            except OSError:  # another run was faster
                shutil.rmtree(part)
        return python

    def _chosen(self, name: str, what: str) -> bool:
        """Whether this job is among those that meet this fate: the same in every process."""
        digest = hashlib.sha256(f"{self._seed} {what} {name}".encode()).digest()
        return int.from_bytes(digest[:4], "big") / 2**32 < self._shares[what]

    def _status(self, job_id: str) -> JobStatus:
        place = self._folder / job_id
        if self._chosen(job_id, "lost"):
            return JobStatus(state=JobState.LOST, reason="the platform forgot the job")
        exit_file = place / "exit"
        if exit_file.exists():
            self._reap()
            code = int(exit_file.read_text())
            state = JobState.SUCCEEDED if code == 0 else JobState.FAILED
            return JobStatus(state=state, exit_code=code)
        try:
            pid = int((place / "pid").read_text())
        except (FileNotFoundError, ValueError):
            return JobStatus(state=JobState.LOST, reason="no such job")
        if self._overdue(place):
            self._end(place, number=signal.SIGKILL)
            return JobStatus(state=JobState.FAILED, reason="the job ran longer than its time-out")
        if _lives(pid) or exit_file.exists():
            return JobStatus(state=JobState.RUNNING)
        return JobStatus(state=JobState.LOST, reason="the job was killed with its session")

    def _overdue(self, place: Path) -> bool:
        """Whether a job has run longer than it may, or was ended for that."""
        try:
            limit_s = float((place / "timeout").read_text())
        except FileNotFoundError:
            return False
        return time.time() - (place / "pid").stat().st_mtime > limit_s

    def _end(self, place: Path, number: int = signal.SIGTERM) -> None:
        try:
            pid = int((place / "pid").read_text())
        except (FileNotFoundError, ValueError):
            return
        for signal_number in (number, signal.SIGKILL):
            for member in _session(pid):
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(member, signal_number)
            until = time.monotonic() + 2.0
            while _session(pid) and time.monotonic() < until:
                self._reap()
                time.sleep(_POLL_S)

    def _reap(self) -> None:
        for place, child in list(self._children.items()):
            if (place / "exit").exists():
                child.wait()  # the file is the last thing that it makes
            if child.poll() is not None:
                del self._children[place]
        _LEFT[:] = [child for child in _LEFT if child.poll() is None]


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


def _lives(pid: int) -> bool:
    """Whether the process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def _session(leader: int) -> list[int]:
    """Living processes of a session. Source: proc(5), field 6 of /proc/PID/stat."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                fields = Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if fields[3] == str(leader) and fields[0] != "Z":
                found.append(int(name))
    return found
