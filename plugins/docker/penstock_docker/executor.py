"""Jobs as containers. The name of a job is the name of its container, so that another process finds it.

The engine takes a tenth of a second and more to start a container, and this is called from one thread: what waits for
the engine is done by a few threads of our own, `submit` only hands over. What ends is heard by one more, which listens
to the engine's events. A container stays until its record is read (`forget`), or the run is over (`sweep`).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, replace

import docker.errors
import requests
from docker.types import LogConfig

from penstock.contracts.executor import Executor, JobState, JobStatus
from penstock.contracts.reach import Reach
from penstock.errors import BackendError, BackendUnavailable, JobRejected, PenstockError
from penstock_docker import container, ending, images
from penstock_docker.container import Surroundings
from penstock_docker.ending import Fate
from penstock_docker.engine import Engine
from penstock_docker.events import Events
from penstock_docker.plugin import DockerOptions
from penstock_docker.standard_input import as_line, feed
from penstock_docker.warm import Attached, WarmContainers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import Any

    from penstock.contracts.executor import Job, Mount, RunInfo
    from penstock.contracts.finding import Finding

_THREADS = 8  # that wait for the engine
GRACE_S = 5  # between SIGTERM and SIGKILL; the host gives an attempt 2 s of it
_LOOK_EVERY_S = 30.0
_QUEUED = JobStatus(state=JobState.QUEUED)
_RUNNING = JobStatus(state=JobState.RUNNING)
_CANCELLED = JobStatus(state=JobState.FAILED, reason="cancelled before it began")
_UNKNOWN = JobStatus(state=JobState.LOST, reason="the engine has no such container")


class _Container:
    """A job of this executor. status: its last word; ours: why it is being ended by us; `fate` collects the rest."""

    __slots__ = ("fate", "job", "ours", "started", "status", "until", "warm")

    def __init__(self, job: Job | None, status: JobStatus) -> None:
        self.job, self.status = job, status
        self.ours = ""
        self.started = False
        self.warm = False  # an attempt in a container that serves several
        self.until: float | None = None  # by the monotonic clock
        self.fate = Fate()

    def unwanted(self) -> bool:
        """Whether it was cancelled, perhaps meanwhile by another thread."""
        return bool(self.ours)


class DockerExecutor(Executor):
    """See the module. Options: `plugin.DockerOptions`."""

    jobs_at = Reach.HOST
    keeps_secrets = True
    poll_interval_s = 1.0

    def __init__(self, run: RunInfo, **options: Any) -> None:
        super().__init__(run)
        self._options = {one.name: options.get(one.name, one.default) for one in fields(DockerOptions)}
        self._engine = Engine(self._options["url"])
        self._images = images.Images(self._engine, run.note)
        self._jobs: dict[str, _Container] = {}
        self._changed = threading.Condition()
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="penstock docker")
        self._events: Events | None = None
        self._around: Surroundings | None = None
        self._unavailable: BackendUnavailable | None = None  # what a thread of ours has met last
        self._look_again = time.monotonic() + _LOOK_EVERY_S
        self._warm: WarmContainers | None = None
        self._warm_fates: dict[str, Fate] = {}
        self._later: list[str] = []  # jobs that the engine could not be asked to start

    @property
    def max_workers(self) -> int:
        """The cores."""
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

    # -- the contract

    def check(self, job: Job) -> None:
        """That options can be meant, the engine answers, and the image is there or may be pulled."""
        options = self._merged(job.options)
        self._check(options)
        container.check(options)
        self._surroundings()
        if options["pull"] == "never":
            self._images.get(options["image"], "never", options["platform"])

    def submit(self, job: Job) -> str:
        """Hand the job to a thread that makes its container, unless it is known that it can't be."""
        if not job.command:
            raise JobRejected(f"{job.name} has no command")
        with self._changed:
            if job.name in self._jobs:
                return job.name
        options = self._merged(job.options)
        self._check(options)
        self._surroundings()
        if job.mounts and not self._engine.is_here:
            raise JobRejected(
                f"the engine at {self._engine.url} sees no folder of this machine, and the data lies in one",
                hint="--datastore=...   # one that reaches anywhere",
            )
        self._listen()
        one = self._jobs[job.name] = _Container(job, _QUEUED)
        if options["reuse"] and job.host_command and self.run.host_over is not None:
            one.warm, one.status = True, _RUNNING
            self._warm_containers().run(_key(options, job), job)
        else:
            self._do(self._begin, job.name)
        return job.name

    def poll(self, job_ids: Sequence[str], timeout_s: float) -> Mapping[str, JobStatus]:
        unknown = [name for name in job_ids if name not in self._jobs]
        if unknown:
            self.adopt(unknown)
        self._try_again()
        self._look_at_all()
        until = time.monotonic() + timeout_s
        with self._changed:
            while True:
                found = {name: self._jobs[name].status if name in self._jobs else _UNKNOWN for name in job_ids}
                left_s = until - time.monotonic()
                if left_s <= 0 or any(status.state.ended for status in found.values()):
                    break
                self._changed.wait(left_s)
        self._end_overdue(job_ids)
        if self._unavailable is not None and not any(status.state.ended for status in found.values()):
            raise self._unavailable
        return found

    def cancel(self, job_ids: Sequence[str]) -> None:
        with self._changed:
            for name in job_ids:
                one = self._jobs.get(name)
                if one is not None and not one.status.state.ended and not one.ours:
                    self._end(name, one, "cancelled")

    def adopt(self, names: Sequence[str]) -> Mapping[str, str]:
        wanted = {name for name in names if name not in self._jobs}
        if wanted:
            self._surroundings()
            self._listen()
            # one that was made and never started is nobody's job yet: `submit` finds it and starts it
            there = {one["Names"][0].lstrip("/") for one in self._of_this_run() if one.get("State") != "created"}
            for name in wanted & there:
                one = self._jobs[name] = _Container(None, _RUNNING)
                one.started, one.fate.unseen = True, True
                self._look(name)
        return {name: name for name in names if name in self._jobs}

    def logs(self, job_id: str) -> Iterator[bytes]:
        """What the container printed, both streams."""
        with self._engine.errors():
            try:
                yield from self._engine.api.logs(job_id, stream=True)
            except docker.errors.APIError:  # it was never made, or is gone
                return

    def forget(self, job_ids: Sequence[str]) -> None:
        for name in job_ids:
            with self._changed:
                known = self._jobs.pop(name, None)
            if known is not None and known.started:
                self._do(self._remove, name)

    def sweep(self) -> None:
        """Every container of the run, whoever made it."""
        names = [one["Id"] for one in self._of_this_run()]
        for _ in self._threads.map(self._remove, names):
            pass

    def examine(self, mounts: Sequence[Mount]) -> Iterator[Finding]:
        from penstock_docker.examination import examine

        options = self._merged({})
        self._check(options)
        return examine(self._engine, self._images, options, self._surroundings(), mounts)

    def close(self) -> None:
        """Containers go on; those that were handed over are made before this returns."""
        self._images.leave()
        self._threads.shutdown(wait=True)
        if self._warm is not None:
            self._warm.close()
            self._warm = None
        if self._events is not None:
            self._events.close()
        self._engine.close()

    # -- before a container

    def _merged(self, options: Mapping[str, Any]) -> dict[str, Any]:
        merged = {**self._options, **options}
        merged["image"] = merged["image"] or images.default_image()
        return merged

    def _check(self, options: Mapping[str, Any]) -> None:
        """Raises JobRejected or BackendMisconfigured for an image that can't be had, as far as that is known."""
        images.check_pull(options["pull"])
        self._images.known(options["image"], options["platform"])

    def _surroundings(self) -> Surroundings:
        """What all containers share; the first call to the engine. Raises BackendUnavailable, BackendMisconfigured."""
        if self._around is None:
            facts = self._engine.facts
            ids = "0:0" if self._engine.rootless else f"{os.getuid()}:{os.getgid()}"
            cores = float(facts.get("NCPU") or os.cpu_count() or 1)
            runtime = _runtime_folder() if self._engine.is_here else None
            self._around = Surroundings(f"{self.run.flow}/{self.run.run}", self.run.user, ids, cores, runtime)
        return self._around

    def _of_this_run(self) -> list[dict[str, Any]]:
        with self._engine.errors():
            label = [f"{name}={text}" for name, text in container.run_label(self.run.flow, self.run.run).items()]
            found: list[dict[str, Any]] = self._engine.api.containers(all=True, filters={"label": label})
            return found

    # -- in a thread that waits for the engine

    def _do(self, work: Callable[[str], None], name: str) -> None:
        def done() -> None:
            try:
                work(name)
            except BackendUnavailable as error:
                with self._changed:
                    self._unavailable = error
                    if work == self._begin:
                        self._later.append(name)
                self._ring()
            except PenstockError as error:
                self._tell(name, JobStatus(state=JobState.FAILED, reason=error.in_one_line))
            except Exception as error:  # noqa: BLE001 - nobody waits for what a thread raises
                said = error.explanation if isinstance(error, docker.errors.APIError) else str(error)
                self._tell(name, JobStatus(state=JobState.FAILED, reason=str(said)))
            else:
                self._unavailable = None

        self._threads.submit(done)

    def _begin(self, name: str) -> None:
        one = self._jobs[name]
        job = one.job
        if job is None or one.unwanted():
            self._tell(name, _CANCELLED)
            return
        options, around = self._merged(job.options), self._surroundings()
        image = self._images.get(options["image"], options["pull"], options["platform"])
        if one.unwanted():  # while the image was pulled
            self._tell(name, _CANCELLED)
            return
        made = container.creation(job, options, image, around)
        api = self._engine.api
        with self._engine.errors():
            made["host_config"] = api.create_host_config(**made["host_config"])
            try:
                api.create_container(**made)
            except docker.errors.APIError as error:
                if error.status_code != 409:  # another scheduler has made it
                    raise
            one.started = True
            try:
                if job.secrets:
                    with feed(api, name) as write:
                        api.start(name)
                        write(job.secrets)
                else:
                    api.start(name)
            except docker.errors.APIError as error:
                self._tell(name, ending.not_started(str(error.explanation), image.reference))
                return
        with self._changed:
            if not one.status.state.ended:
                one.status = _RUNNING
            one.until = None if job.timeout_s is None else time.monotonic() + job.timeout_s
            unwanted = one.unwanted()
        if unwanted:  # it was told as ended already, and nobody will ask for it
            self._remove(name)

    # -- warm containers

    def _warm_containers(self) -> WarmContainers:
        if self._warm is None:
            assert self.run.host_over is not None
            label = f"warm-{_hash(f'{self.run.flow}/{self.run.run}')[:16]}-{secrets.token_hex(4)}"
            self._warm = WarmContainers(
                self._start_warm, self.run.host_over, self._tell, self._fate_of_warm, self._in_thread, label
            )
        return self._warm

    def _in_thread(self, work: Callable[[], None]) -> None:
        with contextlib.suppress(RuntimeError):  # it was closed meanwhile
            self._threads.submit(work)

    def _start_warm(self, name: str, job: Job) -> Attached:
        """A container that serves the host of many attempts, attached to."""
        options, around = self._merged(job.options), self._surroundings()
        image = self._images.get(options["image"], options["pull"], options["platform"])
        host = replace(job, name=name, command=job.host_command, pathspec="")
        made = container.creation(host, options, image, around)
        made["host_config"]["log_config"] = LogConfig(type="none")  # its output is the talk with its host
        api = self._engine.api
        self._warm_fates[name] = Fate()
        with self._engine.errors():
            made["host_config"] = api.create_host_config(**made["host_config"])
            api.create_container(**{**made, "stdin_open": True})
            attached = Attached(api.attach_socket(name, params={"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1}))
            try:
                api.start(name)
            except docker.errors.APIError as error:
                raise JobRejected(ending.not_started(str(error.explanation), image.reference).reason) from error
            if job.secrets:
                attached.send(as_line(job.secrets))
        return attached

    def _fate_of_warm(self, name: str, tail: bytes) -> JobStatus:
        """What the end of a warm container means for the attempts that ran there."""
        found = None
        with contextlib.suppress(BackendError, docker.errors.APIError, requests.RequestException):
            with self._engine.errors():
                self._engine.api.wait(name, timeout=GRACE_S)
                found = self._engine.api.inspect_container(name)
            self._remove(name)
        status = ending.status(found, self._warm_fates.pop(name, Fate()), "")
        if status is None or status.state is JobState.SUCCEEDED:
            return JobStatus(state=JobState.LOST, reason="the host in its warm container is gone")
        said = tail.decode("utf-8", "replace").strip()
        return replace(status, reason=f"{status.reason}; its last words: {said}") if said else status

    def _look(self, name: str) -> None:
        """What has become of a container. One that runs stays as it is."""
        one = self._jobs.get(name)
        if one is None or one.status.state.ended or not one.started:
            return
        with self._engine.errors():
            try:
                found = self._engine.api.inspect_container(name)
            except docker.errors.NotFound:
                found = None
        status = ending.status(found, one.fate, one.ours)
        if status is not None:
            self._tell(name, status)

    def _stop(self, name: str) -> None:
        with self._engine.errors(), contextlib.suppress(docker.errors.APIError):  # it has ended, or is gone
            self._engine.api.stop(name, timeout=GRACE_S)
        self._look(name)

    def _remove(self, name: str) -> None:
        with self._engine.errors(), contextlib.suppress(docker.errors.APIError):  # somebody was faster
            self._engine.api.remove_container(name, force=True, v=True)

    # -- what is told

    def _tell(self, name: str, status: JobStatus) -> None:
        with self._changed:
            one = self._jobs.get(name)
            if one is None or one.status.state.ended:
                return
            one.status = status
        self._ring()

    def _ring(self) -> None:
        with self._changed:
            self._changed.notify_all()
        self.run.ring()

    def _listen(self) -> None:
        if self._events is None:
            label = next(f"{name}={text}" for name, text in container.run_label(self.run.flow, self.run.run).items())
            self._events = Events(self._engine, label, self._hear, self._deaf)

    def _hear(self, name: str, action: str, facts: Mapping[str, str]) -> None:
        """An event of a container of this run."""
        one = self._jobs.get(name)
        fate = self._warm_fates.get(name) if one is None else one.fate
        if fate is not None:
            fate.hear(action, facts)
        if one is not None and action in ("die", "destroy"):
            self._do(self._look, name)

    def _deaf(self, error: BackendError | None) -> None:
        """The events have stopped to come, or (None) come again: what happened in between was not heard."""
        if error is None:
            self._unavailable = None
            with self._changed:
                for fate in self._warm_fates.values():
                    fate.unseen = True
                running = [(name, one) for name, one in self._jobs.items() if not one.status.state.ended]
            for name, one in running:
                one.fate.unseen = True
                self._do(self._look, name)
        elif isinstance(error, BackendUnavailable):
            self._unavailable = error
            self._ring()

    def _look_at_all(self) -> None:
        """Once in a while, whatever was heard: an event that was missed must not keep a run for ever."""
        if time.monotonic() >= self._look_again:
            self._look_again = time.monotonic() + _LOOK_EVERY_S
            with self._changed:
                running = [name for name, one in self._jobs.items() if one.status.state is JobState.RUNNING]
            for name in running:
                self._do(self._look, name)

    def _try_again(self) -> None:
        with self._changed:
            again, self._later = self._later, []
            self._unavailable = None if again else self._unavailable
        for name in again:
            self._do(self._begin, name)

    def _end_overdue(self, names: Sequence[str]) -> None:
        now = time.monotonic()
        with self._changed:
            for name in names:
                one = self._jobs.get(name)
                if one is not None and one.until is not None and now > one.until and not one.ours and one.job:
                    self._end(name, one, f"the container ran longer than its time-out of {one.job.timeout_s:g} s")

    def _end(self, name: str, one: _Container, why: str) -> None:
        one.ours = why
        if one.warm and self._warm is not None:
            self._warm.kill(name)
        elif one.status.state is JobState.RUNNING:
            self._do(self._stop, name)
        else:
            one.status = _CANCELLED
            self._ring()


def _key(options: Mapping[str, Any], job: Job) -> str:
    """The same for jobs that may share a container."""
    needs = job.resources
    amounts = (needs.cpu, needs.memory_mb, needs.gpu, needs.shared_memory_mb)
    return _hash(json.dumps([options, dict(job.environment), dict(job.secrets), amounts], sort_keys=True))


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def _runtime_folder() -> str:
    """Where jobs keep our code, unpacked and compiled: a folder of this user's alone."""
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    folder = os.path.join(cache, "penstock", "runtime")
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
    except OSError:
        import tempfile

        folder = tempfile.mkdtemp(prefix="penstock-runtime-")  # a name that nobody could have taken before
    return folder
