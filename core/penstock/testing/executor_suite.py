"""ExecutorSuite: each promise of the contract `Executor` as a test, by real attempts of a real flow.

    class TestMyExecutor(ExecutorSuite):
        def make(self, run, folder):
            return MyExecutor(run, image="python:3.12-slim")

        def make_datastore(self, folder):                   # one that its jobs reach; default: files in `folder`
            return MyDatastore(bucket="...")

What an executor says of itself chooses the tests: one that `uses_hosts` gets messages, any other gets argvs as well;
one that overrides `adopt` or `logs` is asked for them.
"""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import json
import os
import secrets
import shutil
import socket
import sys
import time
from pathlib import Path

import pytest

from penstock import contracts
from penstock.contracts.executor import Executor, Gang, Job, JobState, JobStatus, Mount, RunInfo
from penstock.contracts.finding import GOOD
from penstock.contracts.reach import Reach
from penstock.errors import JobRejected, KeyMissing
from penstock.host.elsewhere import HostOverStream
from penstock.host.flow_file import FlowFile
from penstock.host.inline import InlineHosts
from penstock.host.pool import HostPool
from penstock.host.process import declared
from penstock.running.message import Message
from penstock.running.orders import job_name
from penstock.running.wake import Wake
from penstock.storage import archive, kept_runtime, keys, records
from penstock.storage.artifacts import Artifacts
from penstock.values import FAILED, RUNTIME_VARIABLE, SUCCEEDED, Record, Resources, run_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import Any

    from penstock.contracts.datastore import Datastore
    from penstock.contracts.host import Hosts

FLOW = Path(__file__).parent / "flows" / "suite_jobs.py"
FLOW_NAME = "SuiteJobsFlow"
LIMIT_S = 120.0  # for what must happen at some time
VARIABLES = {
    "SUITE_PLAIN": "value",
    "SUITE_SPACES": "  two  words ",
    "SUITE_ODD": "ünï=code; $HOME `ls` 'single' \"double\" \\ * %s 🐾",
    "SUITE_LINES": "one\ntwo\n",
    "SUITE_EMPTY": "",
}
ARGUMENTS = ["plain", "", "two words", "ünïcode 🐾", "'", '"', "\\", "$HOME", "*", "--flag=x", "a\nb", "-", "{}", "%s"]


class Bench:
    """A run that jobs can belong to: its store, its code, its hosts. A context manager.

    kind: an executor whose flags are looked at; lock_fd: of the run's lock, which hosts and attempts inherit.
    shared: a folder that jobs on this machine see too.
    """

    def __init__(self, folder: Path, datastore: Datastore, kind: Executor, lock_fd: int = -1) -> None:
        self.folder, self.datastore, self.kind, self._lock_fd = folder, datastore, kind, lock_fd
        self.shared = folder / "shared"
        self.shared.mkdir()
        self.run = f"{run_id(time.time())}{secrets.token_hex(4)}"
        self.file = folder / "my flöws" / FLOW.name
        self.file.parent.mkdir()
        shutil.copy(FLOW, self.file)
        self.notes: list[str] = []
        self._open = contextlib.ExitStack()
        self._places = itertools.count()
        self._launch = ""
        self.hosts: Hosts | None = None
        self.opened = self._facts()

    def _facts(self) -> dict[str, Any]:
        target = f"{type(self.datastore).__module__}:{type(self.datastore).__qualname__}"
        return {
            "datastore": {"target": target, "options": json.loads(json.dumps(self.datastore.options()))},
            "logging": {"target": "penstock.storage.logs:DatastoreLogSink", "options": {}},
            "run": self.run,
            "facts": {"username": "suite", "namespace": "user:suite", "origin_run_id": None, "tags": []},
        }

    def __enter__(self) -> Bench:
        if self.kind.in_process:
            self.hosts = self._inline()
        elif self.kind.uses_hosts:
            self.hosts = self._pool()
        else:
            self._launch = self._put_launch()
        return self

    def _inline(self) -> Hosts:
        path = list(sys.path)
        flow_class, graph = FlowFile(str(self.file), FLOW_NAME).load()
        self._open.callback(sys.modules.pop, flow_class.__module__)
        self._open.callback(sys.path.__setitem__, slice(None), path)
        hosts = InlineHosts(
            flow_class=flow_class, graph=graph, datastore=self.datastore, opened=self.opened,
            output_lost=lambda error: self.notes.append(str(error)),
        )  # fmt: skip
        self._open.callback(hosts.close)
        return hosts

    def _pool(self) -> Hosts:
        first = declared(FlowFile(str(self.file), FLOW_NAME))
        wake = Wake()
        self._open.callback(wake.close)
        pool = HostPool(
            first, first.declaration(), self.opened, self._lock_fd, lambda *_: None, self.notes.append, wake
        )
        self._open.callback(pool.close)
        return pool

    def _put_launch(self) -> str:
        packages = {*self.datastore.packages(), "penstock"}
        launch = {
            "file": self.file.name,
            "flow": FLOW_NAME,
            "alias": "",
            "added": [],
            "decorators": [],
            "opened": self.opened,
        }
        runtime, code = archive.pack(archive.runtime(packages)), archive.pack(archive.code_elsewhere(str(self.file)))
        kept_runtime.keep(runtime)
        return archive.put_launch(self.datastore, launch, runtime=runtime, code=code)

    def __exit__(self, *_: object) -> None:
        for part in self.shared.iterdir():  # whatever a broken executor has left
            (part / "go").touch()
        self._open.close()
        self.datastore.close()

    # -- jobs

    @property
    def info(self) -> RunInfo:
        """The run, as an executor gets it."""
        return RunInfo(
            flow=FLOW_NAME, run=self.run, user="suite", hosts=self.hosts, note=self.notes.append,
            host_over=HostOverStream, runtime=kept_runtime.folder(),
        )  # fmt: skip

    def attempt(
        self, step: str, place: str | None = None, nodes: int | None = None, **fields: Any
    ) -> tuple[Job, str]:
        """An attempt of a step, at a place of its own: the job and the key of its record."""
        place = place or str(next(self._places))
        message = Message(step=step, place=place, attempt=0, token=records.new_token(), nodes=nodes)
        text = json.dumps(message.data())
        command = archive.command(self.datastore, self._launch, text) if self._launch else ()
        fields["host_command"] = archive.command(self.datastore, self._launch, "") if self._launch else ()
        fields.setdefault("environment", {"SUITE_FOLDER": str(self.shared)})
        if command and not self.kind.own_identity:
            fields["secrets"] = {**self.datastore.secrets(), **fields.get("secrets", {})}
        job = Job(
            name=job_name(FLOW_NAME, self.run, step, place, 0), message=text, command=command,
            mounts=tuple(Mount(path=path) for path in (*self.datastore.host_paths, self.shared)), **fields,
        )  # fmt: skip
        return job, keys.record(FLOW_NAME, self.run, step, place, 0)

    def gang(self, step: str, nodes: int, **fields: Any) -> list[tuple[Job, str]]:
        """Attempts of a step that run side by side."""
        outside = str(next(self._places))
        made = [self.attempt(step, f"{outside}.{index}", nodes, **fields) for index in range(nodes)]
        lead = made[0][0].name
        return [
            (job.changed(gang=Gang(lead=lead, index=index, size=nodes)), key)
            for index, (job, key) in enumerate(made)
        ]

    def program(self, source: str, *arguments: str, **fields: Any) -> Job:
        """A job that never reaches our code: a program for the interpreter of the jobs."""
        name = job_name(FLOW_NAME, self.run, "program", str(next(self._places)), 0)
        return Job(name=name, message="{}", command=("python3", "-c", source, *arguments), **fields)

    def record(self, key: str) -> Record:
        """What became of an attempt. Raises KeyMissing."""
        return records.read_record(self.datastore, key)

    def artifact(self, key: str, name: str) -> Any:
        """What an attempt left."""
        return Artifacts(self.datastore).load(name, self.record(key).artifacts[name])

    def part(self, key: str) -> Path:
        """The part of the shared folder that belongs to an attempt of `hold`."""
        return self.shared / key.split("/")[-2]

    def go(self, key: str) -> None:
        """Let an attempt of `hold` end."""
        self.part(key).mkdir(exist_ok=True)
        (self.part(key) / "go").touch()

    def is_held(self, key: str) -> bool:
        """Whether a process that an attempt of `hold` started is alive."""
        with open(self.part(key) / "lock", "a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False


class ExecutorSuite:
    """Inherit, and say how an executor is made.

    many: how many jobs are submitted at once. jobs_see_folder: whether jobs see what lies in the folder that `make`
    gets, under the same path; None: if the executor says that they are on this machine.
    """

    many = 20
    jobs_see_folder: bool | None = None

    def make(self, run: RunInfo, folder: Path) -> Executor:
        """An executor of a run. folder: the same for all executors of the run, for what they keep."""
        raise NotImplementedError

    def make_datastore(self, folder: Path) -> Datastore:
        """A store that the executor's jobs reach."""
        store: Datastore = contracts.open(
            "penstock_local.file_datastore:FileDatastore", {"root": str(folder / "a störe")}
        )
        return store

    @pytest.fixture(scope="class")
    @classmethod
    def bench(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
        """The run; one for all tests of the class."""
        folder = tmp_path_factory.mktemp("bench")
        suite = cls()
        kind = suite.make(RunInfo(flow=FLOW_NAME, run="none", user="suite"), folder)  # its flags alone are looked at
        with Bench(folder, suite.make_datastore(folder), kind) as bench:
            yield bench

    @pytest.fixture
    def executor(self, bench: Bench) -> Iterator[Executor]:
        """What the tests look at."""
        executor = self.make(bench.info, bench.folder)
        yield executor
        executor.close()

    def _needs_the_folder(self, executor: Executor) -> None:
        sees = self.jobs_see_folder
        if not (executor.jobs_at is not Reach.ANYWHERE if sees is None else sees):
            pytest.skip("not promised: jobs see no folder of this machine")

    # -- from submit to the end

    def test_a_job_runs_and_its_record_appears(self, bench: Bench, executor: Executor) -> None:
        job, key = bench.attempt("succeed")
        with pytest.raises(KeyMissing):
            bench.record(key)
        assert ended(executor, [executor.submit(job)]) == [(JobState.SUCCEEDED, 0)]
        assert bench.record(key).outcome == SUCCEEDED
        assert bench.artifact(key, "answer") == [1, "ünïcode"]

    def test_what_an_attempt_prints_comes_with_its_record(self, bench: Bench, executor: Executor) -> None:
        job, key = bench.attempt("succeed")
        with contextlib.ExitStack() as stack:
            if executor.in_process:  # it looks at the descriptors, and pytest has put its own streams in their place
                out = stack.enter_context(open(1, "w", buffering=1, encoding="utf-8", closefd=False))
                err = stack.enter_context(open(2, "w", buffering=1, encoding="utf-8", closefd=False))
                stack.enter_context(contextlib.redirect_stdout(out))
                stack.enter_context(contextlib.redirect_stderr(err))
            ended(executor, [executor.submit(job)])
        record = bench.record(key)
        assert record.stdout is not None and record.stderr is not None
        assert (record.stdout["text"], record.stderr["text"]) == ("  said: ünïcode\n", "no line feed")

    def test_an_attempt_that_fails_is_a_job_that_failed(self, bench: Bench, executor: Executor) -> None:
        job, key = bench.attempt("fail")
        ((state, code),) = ended(executor, [executor.submit(job)])
        assert state is JobState.FAILED
        assert code not in (0, None)
        record = bench.record(key)
        assert record.outcome == FAILED
        assert record.exception is not None and record.exception["message"] == "on purpose"

    def test_an_attempt_that_dies_is_a_job_that_failed(self, bench: Bench, executor: Executor) -> None:
        _needs_processes(executor)
        job, key = bench.attempt("die")
        ((state, code),) = ended(executor, [executor.submit(job)])
        assert state is JobState.FAILED
        assert code not in (0, None)
        assert bench.record(key).outcome == FAILED
        assert "exit code 3" in bench.record(key).reason

    def test_many_jobs_at_once(self, bench: Bench, executor: Executor) -> None:
        made = [bench.attempt("succeed" if number % 4 else "fail") for number in range(self.many)]
        handles = [executor.submit(job) for job, _ in made]
        assert len(set(handles)) == self.many
        states = [state for state, _ in ended(executor, handles)]
        assert states == [JobState.SUCCEEDED if number % 4 else JobState.FAILED for number in range(self.many)]
        outcomes = [bench.record(key).outcome for _, key in made]
        assert outcomes == [SUCCEEDED if number % 4 else FAILED for number in range(self.many)]

    def test_several_are_handed_over_together(self, bench: Bench, executor: Executor) -> None:
        """Each has its answer, in the order given, and one that is refused keeps no other from running."""
        made = [bench.attempt("succeed"), bench.attempt("succeed")]
        jobs = [job for job, _ in made]
        if not executor.uses_hosts:
            jobs.insert(1, Job(name=bench.attempt("succeed")[0].name, message="{}"))
        answers = list(executor.submit_many(jobs))
        handles = [one for one in answers if isinstance(one, str)]
        assert [isinstance(one, JobRejected) for one in answers] == [job.message == "{}" for job in jobs]
        ended(executor, handles)
        assert [bench.record(key).outcome for _, key in made] == [SUCCEEDED, SUCCEEDED]
        assert list(executor.submit_many([])) == []

    def test_jobs_of_a_gang_run_side_by_side_and_find_the_first(self, bench: Bench, executor: Executor) -> None:
        """None of them ends before all have met; handed over again they are the same jobs."""
        if not executor.runs_gangs:
            pytest.skip("not promised: jobs run each for itself")
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        made = bench.gang("meet", 3, environment={"SUITE_PORT": str(port)})
        jobs = [job for job, _ in made]
        executor.check(jobs[0].changed(gang=Gang(lead="meet", index=0, size=0)))
        handles = [str(one) for one in executor.submit_many(jobs)]
        assert len(set(handles)) == 3
        ended(executor, handles)  # in whatever state: a platform may end the others with the first
        assert [bench.record(key).outcome for _, key in made] == [SUCCEEDED] * 3
        assert [bench.artifact(key, "came") for _, key in made] == [[1, 2]] * 3
        assert list(executor.submit_many(jobs)) == handles
        if _overrides(executor, "adopt"):
            other = self.make(bench.info, bench.folder)
            assert list(other.submit_many(jobs)) == handles
            other.close()

    def test_a_plain_step_can_run(self, executor: Executor) -> None:
        executor.check(Job(name="step", message="", resources=Resources(cpu=1, memory_mb=256), timeout_s=60.0))

    def test_a_name_of_63_characters(self, bench: Bench, executor: Executor) -> None:
        job, key = bench.attempt("succeed")
        long = "a-0" + "x" * 43 + "-" + secrets.token_hex(8)
        assert len(long) == 63
        renamed = job.changed(name=long)
        assert ended(executor, [executor.submit(renamed)]) == [(JobState.SUCCEEDED, 0)]
        assert bench.record(key).outcome == SUCCEEDED

    def test_one_name_is_one_job(self, bench: Bench, executor: Executor) -> None:
        """Submitted again while it runs, and when it has ended."""
        self._needs_the_folder(executor)
        job, key = bench.attempt("hold")
        if executor.in_process:
            bench.go(key)
        handle = executor.submit(job)
        try:
            assert isinstance(handle, str)
            if not executor.in_process:
                _until((bench.part(key) / "running").exists, executor, [handle])
            assert executor.submit(job) == handle
            executor.poll([handle], 0.0)
        finally:
            bench.go(key)
        first = ended(executor, [handle])
        assert executor.submit(job) == handle
        assert ended(executor, [handle]) == first == [(JobState.SUCCEEDED, 0)]
        assert (bench.part(key) / "ran").read_text() == "ran\n"
        assert bench.artifact(key, "went") is True

    # -- what a job gets

    def test_the_variables_of_a_step_arrive(self, bench: Bench, executor: Executor) -> None:
        job, key = bench.attempt("look", environment=VARIABLES)
        other, other_key = bench.attempt("look", environment={"SUITE_PLAIN": "other"})
        assert ended(executor, [executor.submit(job), executor.submit(other)]) == [(JobState.SUCCEEDED, 0)] * 2
        assert bench.artifact(key, "variables") == VARIABLES
        assert bench.artifact(other_key, "variables") == {"SUITE_PLAIN": "other"}

    def test_a_job_can_write_where_it_stands(self, bench: Bench, executor: Executor) -> None:
        job, key = bench.attempt("look")
        ended(executor, [executor.submit(job)])
        assert bench.artifact(key, "kept") == "kept"

    def test_secrets_arrive_unseen_or_are_refused(self, bench: Bench, executor: Executor) -> None:
        secret = secrets.token_hex(16)
        job, key = bench.attempt("look", secrets={"SUITE_SECRET": secret})
        if not executor.keeps_secrets:
            with pytest.raises(JobRejected):
                executor.submit(job)
            return
        handle = executor.submit(job)
        _until(lambda: not _seen(secret) and _is_there(bench, key), executor, [handle], never=lambda: _seen(secret))
        ended(executor, [handle])
        assert bench.artifact(key, "variables")["SUITE_SECRET"] == secret
        assert secret not in handle

    # -- poll

    def test_poll_does_not_wait_for_the_end(self, bench: Bench, executor: Executor) -> None:
        _needs_processes(executor)
        self._needs_the_folder(executor)
        job, key = bench.attempt("hold")
        handle = executor.submit(job)
        try:
            for timeout_s in (0.0, 0.01, 0.2):
                assert not executor.poll([handle], timeout_s)[handle].state.ended
            _until((bench.part(key) / "running").exists, executor, [handle])
            assert executor.poll([handle], 0.0)[handle].state is JobState.RUNNING
        finally:
            bench.go(key)
        assert ended(executor, [handle]) == [(JobState.SUCCEEDED, 0)]

    def test_an_unknown_job_is_lost(self, bench: Bench, executor: Executor) -> None:
        job, _ = bench.attempt("succeed")
        unknown = ["no-such-job-0123456789abcdef", job.name]
        found = executor.poll(unknown, 0.0)
        assert {name: status.state for name, status in found.items()} == dict.fromkeys(unknown, JobState.LOST)
        handle = executor.submit(job)
        assert ended(executor, [handle, unknown[0]]) == [(JobState.SUCCEEDED, 0), (JobState.LOST, None)]

    def test_an_ended_state_is_repeated(self, bench: Bench, executor: Executor) -> None:
        handles = [executor.submit(bench.attempt(step)[0]) for step in ("succeed", "fail")]
        first = ended(executor, handles)
        for asked in (handles, handles[::-1], handles[:1], handles[1:]):
            found = executor.poll(asked, 0.0)
            expected = {handle: first[handles.index(handle)] for handle in asked}
            assert {handle: (one.state, one.exit_code) for handle, one in found.items()} == expected
        assert dict(executor.poll([], 0.0)) == {}

    # -- cancel

    def test_cancel_ends_a_job_with_all_that_it_started(self, bench: Bench, executor: Executor) -> None:
        _needs_processes(executor)
        self._needs_the_folder(executor)
        job, key = bench.attempt("hold")
        handle = executor.submit(job)
        _until((bench.part(key) / "running").exists, executor, [handle])
        assert bench.is_held(key)
        executor.cancel([handle])
        ((state, code),) = ended(executor, [handle])
        assert state in (JobState.FAILED, JobState.LOST)
        assert code != 0
        _until(lambda: not bench.is_held(key), executor, [])
        with contextlib.suppress(KeyMissing):
            assert bench.record(key).outcome != SUCCEEDED

    def test_cancel_at_once(self, bench: Bench, executor: Executor) -> None:
        job, key = bench.attempt("hold")
        handle = executor.submit(job)
        executor.cancel([handle])
        ((state, code),) = ended(executor, [handle])
        assert state in (JobState.FAILED, JobState.LOST)
        assert code != 0
        with contextlib.suppress(KeyMissing):
            assert bench.record(key).outcome != SUCCEEDED

    def test_cancel_leaves_other_jobs_alone(self, bench: Bench, executor: Executor) -> None:
        _needs_processes(executor)
        self._needs_the_folder(executor)
        (job, key), (other, other_key) = bench.attempt("hold"), bench.attempt("hold")
        handles = [executor.submit(job), executor.submit(other)]
        try:
            _until(lambda: all((bench.part(one) / "running").exists() for one in (key, other_key)), executor, handles)
            executor.cancel([handles[0]])
            assert ended(executor, handles[:1])[0][0] is not JobState.SUCCEEDED
            assert executor.poll(handles, 0.0)[handles[1]].state is JobState.RUNNING
        finally:
            bench.go(other_key)
        assert ended(executor, handles[1:]) == [(JobState.SUCCEEDED, 0)]

    def test_cancel_passes_over_ended_and_unknown_jobs(self, bench: Bench, executor: Executor) -> None:
        handle = executor.submit(bench.attempt("succeed")[0])
        ended(executor, [handle])
        executor.cancel([handle, "no-such-job-0123456789abcdef"])
        executor.cancel([])
        assert ended(executor, [handle]) == [(JobState.SUCCEEDED, 0)]

    # -- another scheduler

    def test_another_executor_adopts_jobs(self, bench: Bench, executor: Executor) -> None:
        if not _overrides(executor, "adopt"):
            pytest.skip("not promised: the executor adopts nothing")
        self._needs_the_folder(executor)
        (job, key), (done, _) = bench.attempt("hold"), bench.attempt("fail")
        handles = {done.name: executor.submit(done)}
        before = ended(executor, [handles[done.name]])
        handles[job.name] = executor.submit(job)
        executor.close()
        other = self.make(bench.info, bench.folder)
        try:
            found = other.adopt([job.name, done.name, "no-such-job-0123456789abcdef"])
            assert dict(found) == handles
            assert ended(other, [found[done.name]]) == before
            _until((bench.part(key) / "running").exists, other, [found[job.name]])
            assert other.submit(job) == found[job.name]
            bench.go(key)
            assert ended(other, [found[job.name]]) == [(JobState.SUCCEEDED, 0)]
            assert (bench.part(key) / "ran").read_text() == "ran\n"
        finally:
            bench.go(key)
            other.close()

    def test_adopt_knows_no_strangers(self, executor: Executor) -> None:
        assert dict(executor.adopt(["no-such-job-0123456789abcdef"])) == dict(executor.adopt([])) == {}

    def test_what_is_forgotten_is_gone_and_nothing_else(self, bench: Bench, executor: Executor) -> None:
        if not _overrides(executor, "forget"):
            pytest.skip("not promised: nothing is kept of a job that has ended")
        jobs = [bench.attempt("succeed")[0], bench.attempt("fail")[0]]
        handles = [executor.submit(job) for job in jobs]
        before = ended(executor, handles)
        executor.forget([handles[0], "no-such-job-0123456789abcdef"])
        executor.forget([])
        executor.close()
        other = self.make(bench.info, bench.folder)
        try:
            assert dict(other.adopt([job.name for job in jobs])) == {jobs[1].name: handles[1]}
            assert ended(other, handles[1:]) == before[1:]
        finally:
            other.close()

    def test_sweeping_ends_and_frees_whatever_the_run_still_has(self, bench: Bench) -> None:
        run = bench.info.changed(run=f"{bench.run}s")  # of the others some are still looked at
        executor = self.make(run, bench.folder)
        if not _overrides(executor, "sweep"):
            executor.close()
            pytest.skip("not promised: no job outlives its scheduler")
        self._needs_the_folder(executor)
        (job, key), (done, _) = bench.attempt("hold"), bench.attempt("succeed")
        handles = [executor.submit(job), executor.submit(done)]
        ended(executor, handles[1:])
        _until((bench.part(key) / "running").exists, executor, handles[:1])
        executor.close()
        other = self.make(run, bench.folder)
        try:
            other.sweep()
            assert dict(other.adopt([job.name, done.name])) == {}
            _until(lambda: not bench.is_held(key), other, [])
            other.sweep()
        finally:
            other.close()

    def test_no_job_can_change_what_other_jobs_run(self, executor: Executor, bench: Bench) -> None:
        """Where a job is shown a kept runtime, it only reads it."""
        _needs_commands(executor)
        program = (
            "import os, sys; kept = os.environ.get(sys.argv[1])\n"
            "if kept is None: sys.exit(0)\n"
            "os.listdir(kept)\n"
            "try: os.mkdir(os.path.join(kept, 'mine'))\n"
            "except OSError: sys.exit(0)\n"
            "os.rmdir(os.path.join(kept, 'mine')); sys.exit('it can be written')"
        )
        handle = executor.submit(bench.program(program, RUNTIME_VARIABLE))
        assert ended(executor, [handle]) == [(JobState.SUCCEEDED, 0)]

    # -- jobs that are no attempts: argvs

    @pytest.mark.parametrize("code", [0, 1, 7, 75, 255])
    def test_a_job_has_the_exit_code_of_its_program(self, bench: Bench, executor: Executor, code: int) -> None:
        _needs_commands(executor)
        handle = executor.submit(bench.program(f"raise SystemExit({code})"))
        assert ended(executor, [handle]) == [(JobState.FAILED if code else JobState.SUCCEEDED, code)]

    def test_a_job_that_a_signal_ends_has_failed(self, bench: Bench, executor: Executor) -> None:
        _needs_commands(executor)
        handle = executor.submit(bench.program("import os, signal; os.kill(os.getpid(), signal.SIGKILL)"))
        ((state, code),) = ended(executor, [handle])
        assert state is JobState.FAILED
        assert code in (-9, 137)  # a shell between, as in most containers, makes 128 + N of -N

    def test_arguments_arrive_as_they_are(self, bench: Bench, executor: Executor) -> None:
        _needs_commands(executor)
        source = f"import sys; sys.exit(0 if sys.argv[1:] == {ARGUMENTS!a} else 9)"
        handle = executor.submit(bench.program(source, *ARGUMENTS))
        assert ended(executor, [handle]) == [(JobState.SUCCEEDED, 0)]

    def test_the_platform_ends_a_job_that_takes_too_long(self, bench: Bench, executor: Executor) -> None:
        _needs_commands(executor)
        handle = executor.submit(bench.program("import time; time.sleep(600)", timeout_s=1.0))
        try:
            ((state, code),) = ended(executor, [handle])
        finally:
            executor.cancel([handle])
        assert state is JobState.FAILED
        assert code != 0

    def test_a_job_without_a_command_is_rejected(self, bench: Bench, executor: Executor) -> None:
        _needs_commands(executor)
        job, _ = bench.attempt("succeed")
        with pytest.raises(JobRejected):
            executor.submit(Job(name=job.name, message=job.message))

    def test_what_a_job_printed_is_in_its_logs(self, bench: Bench, executor: Executor) -> None:
        _needs_commands(executor)
        if not _overrides(executor, "logs"):
            pytest.skip("not promised: the executor keeps no logs")
        source = "import sys; print('on the way: ünïcode'); print('it broke', file=sys.stderr); sys.exit(9)"
        handle = executor.submit(bench.program(source))
        ended(executor, [handle])
        said = b"".join(executor.logs(handle))
        assert "on the way: ünïcode\n".encode() in said
        assert b"it broke\n" in said

    def test_an_unknown_job_has_no_logs(self, executor: Executor) -> None:
        assert b"".join(executor.logs("no-such-job-0123456789abcdef")) == b""

    # -- what it says of itself, and what it leaves

    def test_its_flags_go_together(self, executor: Executor) -> None:
        assert isinstance(executor.max_workers, int) and executor.max_workers >= 1
        assert executor.poll_interval_s > 0
        if executor.uses_hosts:
            assert executor.jobs_at <= Reach.HOST
            assert not executor.own_identity, "what a host starts is whoever the host is"
        if executor.in_process:
            assert executor.uses_hosts and executor.starts_once and executor.jobs_at is Reach.PROCESS

    def test_it_finds_nothing_wrong_with_itself(self, bench: Bench, executor: Executor) -> None:
        mounts = [Mount(path=path) for path in bench.datastore.host_paths]
        found = list(executor.examine(mounts))
        assert [one for one in found if one.state != GOOD] == []
        assert all(one.what and one.said and "\n" not in one.said for one in found)

    def test_closing_twice(self, bench: Bench, executor: Executor) -> None:
        ended(executor, [executor.submit(bench.attempt("succeed")[0])])
        executor.close()
        executor.close()

    def test_no_process_is_left(self, bench: Bench) -> None:
        if sys.platform != "linux":
            pytest.skip("other platform: processes are listed by /proc")
        executor = self.make(bench.info, bench.folder)
        ended(executor, [executor.submit(bench.attempt("succeed")[0])])  # hosts are there from now on
        before = _children()
        steps = ("succeed", "fail") if executor.in_process else ("succeed", "fail", "die")
        ended(executor, [executor.submit(bench.attempt(step)[0]) for step in steps])
        executor.close()
        assert _children() <= before


# --------------------------------------------------------------------------------------- what tests share


def ended(executor: Executor, handles: Sequence[str]) -> list[tuple[JobState, int | None]]:
    """Ask until all jobs have ended; state and exit code of each, in the order asked."""
    found: Mapping[str, JobStatus] = {}

    def all_ended() -> bool:
        nonlocal found
        found = executor.poll(handles, 0.2)
        assert set(found) == set(handles), "each id that was asked for has an answer, and no other"
        assert all(isinstance(status, JobStatus) for status in found.values())
        return all(status.state.ended for status in found.values())

    _until(all_ended, executor, [])
    return [(found[handle].state, found[handle].exit_code) for handle in handles]


def _until(
    true: Callable[[], bool], executor: Executor, handles: Sequence[str], never: Callable[[], bool] = lambda: False
) -> None:
    """Ask the executor again and again until something is so; meanwhile none of the jobs may end, and `never` be so."""
    until = time.monotonic() + LIMIT_S
    while not true():
        assert not never()
        assert time.monotonic() < until, f"not so after {LIMIT_S:g} s"
        if handles:
            executor.poll(handles, 0.02)
        else:
            time.sleep(0.002)


def _needs_processes(executor: Executor) -> None:
    if executor.in_process:
        pytest.skip("not promised: steps run in this process")


def _needs_commands(executor: Executor) -> None:
    if executor.uses_hosts:
        pytest.skip("not promised: the executor runs messages, no argvs")


def _overrides(executor: Executor, method: str) -> bool:
    return getattr(type(executor), method) is not getattr(Executor, method)


def _is_there(bench: Bench, key: str) -> bool:
    return bench.datastore.exists(key)


def _seen(secret: str) -> bool:
    """Whether any process of this machine shows it in its arguments."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if secret.encode() in path.read_bytes():
                return True
    return False


def _children() -> set[int]:
    """Processes that this one started and that the system still knows, ended ones that nobody reaped included."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            if path.read_text().rpartition(")")[2].split()[1] == str(os.getpid()):
                found.add(int(path.parent.name))
    return found
