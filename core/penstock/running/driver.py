"""One scheduler's work on one run: hosts, executors, signals, the loop, the outcome."""

from __future__ import annotations

import contextlib
import os
import signal
import time

from penstock.contracts.executor import RunInfo
from penstock.contracts.reach import Reach
from penstock.errors import PenstockError, RunFailed
from penstock.host.elsewhere import HostOverStream
from penstock.host.pool import HostPool
from penstock.running import lease
from penstock.running.copies import enter_run
from penstock.running.jobs import Bell, JobsElsewhere, JobsHere
from penstock.running.launches import Launches
from penstock.running.outcome import RunResult, end_run
from penstock.running.raised import Interrupted
from penstock.running.scheduler import Scheduler
from penstock.running.wake import Wake
from penstock.storage import archive, kept_runtime, keys, tags
from penstock.values import CANCELLED, SUCCEEDED, Pathspec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from typing import Any, Protocol

    from penstock.contracts.executor import Executor
    from penstock.contracts.host import Hosts
    from penstock.home import Home
    from penstock.host.declaration import Declaration
    from penstock.host.process import HostProcess
    from penstock.observers import Observers
    from penstock.running import plan
    from penstock.running.jobs import Jobs
    from penstock.running.lease import Lease
    from penstock.running.placement import StepPlan
    from penstock.running.scheduler import Console as LoopConsole
    from penstock.running.wishes import Wishes
    from penstock.storage.keys import At
    from penstock.values import Record

    class Console(LoopConsole, Protocol):
        """What a run tells people, beside what the loop does."""

        def started(self, pathspec: Pathspec, executor: str, where: str) -> None: ...
        def run_ended(self, result: RunResult) -> None: ...
        def output_lost(self, error: OSError) -> None: ...


EXIT_CODES = {SUCCEEDED: 0, CANCELLED: 130}
_OF_THIS_MACHINE = ("metadata", "cache")  # a job elsewhere is told of none: they may be files


class Driver:
    """Has a run done: from its lease to its outcome."""

    def __init__(
        self,
        home: Home,
        declaration: Declaration,
        steps: Mapping[str, StepPlan],
        wishes: Wishes,
        console: Console,
    ) -> None:
        self.home, self.declaration, self.steps = home, declaration, steps
        self.wishes, self.console = wishes, console
        self._signals: list[int] = []
        self._scheduler: Scheduler | None = None  # once there is a run to drive

    def announce(self, header: Mapping[str, Any]) -> None:
        """Tags, and the first line that the user reads."""
        flow, run = header["flow"], header["run"]
        tags.add_tags(self.home.datastore, flow, run, header["tags"])
        self.console.started(Pathspec(flow, run), self.home.settings.executor, self.home.datastore.label)
        if self.home.remark:
            self.console.note(self.home.remark)
        if not self.home.datastore.exclusive_put:
            self.console.note("this store can't put exclusively: while the run goes on, nobody else may drive it")

    def drive(
        self,
        own: Lease,
        header: Mapping[str, Any],
        host: HostProcess,
        *,
        known: Mapping[tuple[str, str], Record],
        past: Mapping[tuple[str, str], plan.Past],
        awaited: Mapping[tuple[str, str], At] | None = None,
        laid: Iterable[tuple[str, int]] = (),
        continues: bool = False,
    ) -> RunResult:
        """From the lease to the outcome. laid: keys and sizes of the records in the run's `taken`.

        Raises RunFailed when another scheduler has taken the run over.
        """
        began = time.monotonic()
        flow, run = header["flow"], header["run"]
        observers = self.home.observers(self.console.note)
        observers.run_started(flow, run, header)
        with contextlib.closing(observers), contextlib.ExitStack() as kept:
            with contextlib.ExitStack() as at_work:
                scheduler, jobs, hosts = self._prepare(
                    own, header, host, observers, at_work, known=known, past=past, awaited=awaited, continues=continues
                )
                kept.callback(scheduler.spool.close)
                scheduler.spool.lay(keys.taken(flow, run), laid)
                with self._heed_signals(scheduler, hosts), _hint_to_go_on(flow, run):
                    outcome = scheduler.loop()
                if not scheduler.superseded:
                    for one in jobs.values():
                        one.sweep()
            if scheduler.superseded:
                raise RunFailed(
                    f"{flow}/{run} is driven by {lease.state(self.home.datastore, flow, run)}; this scheduler stops",
                    hint=f"flow show {flow}/{run}",
                )
            result = self._end(header, scheduler, outcome, own, time.monotonic() - began)
            observers.run_finished(flow, run, result.outcome)
        return result

    def _prepare(
        self,
        own: Lease,
        header: Mapping[str, Any],
        host: HostProcess,
        observers: Observers,
        at_work: contextlib.ExitStack,
        *,
        known: Mapping[tuple[str, str], Record],
        past: Mapping[tuple[str, str], plan.Past],
        awaited: Mapping[tuple[str, str], At] | None,
        continues: bool,
    ) -> tuple[Scheduler, Mapping[str, Jobs], Hosts]:
        """The loop with all that it works with. at_work: gets what is to be closed after it, whatever happens."""
        flow, run = header["flow"], header["run"]
        opened = self._opened(header)
        names = {step.executor for step in self.steps.values()}
        wake = Wake()
        at_work.callback(wake.close)
        hosts = self._hosts(names, host, {**opened, "code": header["code"]}, own, wake)
        at_work.callback(hosts.close)
        beside = [one for one in map(self.home.executor_class, names) if not one.uses_hosts]
        info = RunInfo(
            flow=flow, run=run, user=header["user"], hosts=hosts, note=self.console.note, host_over=HostOverStream,
            runtime=kept_runtime.folder() if any(one.jobs_at is Reach.HOST for one in beside) else None,
        )  # fmt: skip
        settings = self.home.settings
        bells = {name: Bell() for name in names}
        executors = {
            name: self.home.executor(name, info.changed(ring=bell.ring), settings.options("executor", name))
            for name, bell in bells.items()
        }
        own_width = max(executor.max_workers for executor in executors.values())
        jobs: dict[str, Jobs] = {
            name: JobsHere(executor) if executor.uses_hosts else JobsElsewhere(executor, wake.call, bells[name])
            for name, executor in executors.items()
        }
        for name, one in jobs.items():
            at_work.callback(one.close, self._note_of(name))
        scheduler = Scheduler(
            graph=self.declaration.graph,
            run=run,
            datastore=self.home.datastore,
            metadata=self.home.metadata,
            logging=self.home.logging,
            observers=observers,
            jobs=jobs,
            wake=wake,
            steps=self.steps,
            lease=own,
            console=self.console,
            max_workers=self.wishes.max_workers or settings.max_workers or own_width,
            on_failure=self.wishes.on_failure,
            given=header["parameters"],
            known=known,
            past=past,
            awaited=awaited,
            launches=self._launches(executors, opened, header),
            on_launched=lambda: self._catch_up(header, observers, continues=continues),
            on_parameters=lambda: self.write_run_id(run),
            continues=continues,
        )
        self._scheduler = scheduler
        return scheduler, jobs, hosts

    def _catch_up(self, header: Mapping[str, Any], observers: Observers, *, continues: bool) -> None:
        """What had to wait until the first attempt was on its way."""
        if not continues:
            enter_run(self.home, header, self.console.note)
        observers.listen()

    def _opened(self, header: Mapping[str, Any]) -> dict[str, Any]:
        """What a host must know beside an attempt's own message."""
        kinds, cache = ("datastore", "metadata", "logging"), self.home.cache
        stores = {kind: dict(zip(("target", "options"), self.home.target(kind), strict=True)) for kind in kinds}
        return {
            **stores,
            "verify": self.home.settings.verify,
            "max_num_splits": self.wishes.max_num_splits,
            "cache": None if cache is None else {"folder": cache.folder, "limit_mb": cache.limit_bytes // 1_000_000},
            "run": header["run"],
            "facts": {
                "username": header["user"],
                "namespace": header.get("namespace", f"user:{header['user']}"),
                "origin_run_id": header["origin"],
                "tags": header["tags"],
                **header.get("project", {}),
            },
        }

    def _hosts(
        self, names: Iterable[str], host: HostProcess, opened: Mapping[str, Any], own: Lease, wake: Wake
    ) -> Hosts:
        if any(self.home.executor_class(name).in_process for name in names):
            from penstock.host.inline import InlineHosts

            source = self.declaration.source().of_run(opened)
            flow_class, graph = source.load()
            datastore = self.home.datastore
            return InlineHosts(
                flow_class=flow_class, graph=graph, datastore=datastore, opened=opened, code=source.code,
                output_lost=self.console.output_lost,
            )  # fmt: skip
        note = self.console.note
        return HostPool(host, self.declaration, opened, own.lock_fd, self._show, note, wake, begun=own.keep_host)

    def _note_of(self, executor: str) -> Callable[[str], None]:
        return lambda text: self.console.note(f"{executor}: {text}")

    def _show(self, name: str, stream: str, data: bytes) -> None:
        at = None if self._scheduler is None else self._scheduler.task_of(name)
        if at is not None:
            self.console.output(*at, stream, data)

    def _launches(
        self, executors: Mapping[str, Executor], opened: Mapping[str, Any], header: Mapping[str, Any]
    ) -> Launches | None:
        """How jobs elsewhere are started, where there are some."""
        if all(executor.uses_hosts for executor in executors.values()):
            return None
        datastore = self.home.datastore
        packages = {*datastore.packages(), opened["logging"]["target"].partition(".")[0]}
        launch = {
            "file": os.path.basename(self.declaration.file),
            "copy_of": self.declaration.copy_of or self.declaration.file,
            "flow": self.declaration.flow,
            "alias": self.declaration.alias,
            "added": self.declaration.added,
            "decorators": self.declaration.decorators,
            "opened": {name: what for name, what in opened.items() if name not in _OF_THIS_MACHINE},
        }
        runtime, code = archive.pack(archive.runtime(packages)), archive.get(datastore, header["code"])
        if any(executor.run.runtime for executor in executors.values()):
            kept_runtime.keep(runtime)
        return Launches(datastore, launch, runtime=runtime, code=code)

    def write_run_id(self, run: str) -> None:
        """Before the first task, so that whoever waits for the file can follow the run."""
        if self.wishes.run_id_file:
            part = f"{self.wishes.run_id_file}.{os.getpid()}"
            with open(part, "w", encoding="utf-8") as file:
                file.write(run)
            os.replace(part, self.wishes.run_id_file)  # who waits for it finds it whole

    @contextlib.contextmanager
    def _heed_signals(self, scheduler: Scheduler, hosts: Hosts) -> Iterator[None]:
        """The first SIGINT or SIGTERM stops the run in good order, a second one ends this process at once."""

        def heed(number: int, _frame: object) -> None:
            if self._signals:
                os._exit(128 + number)
            self._signals.append(number)
            scheduler.please_stop()
            if hosts.at_work:
                raise Interrupted  # the step that runs is this very call's caller

        try:
            before = {number: signal.signal(number, heed) for number in (signal.SIGINT, signal.SIGTERM)}
        except ValueError:  # not the main thread: signals are somebody else's to heed
            yield
            return
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _end(
        self, header: Mapping[str, Any], scheduler: Scheduler, outcome: str, own: Lease, wall_s: float
    ) -> RunResult:
        flow, run, home = header["flow"], header["run"], self.home
        reason = "" if outcome == SUCCEEDED else ", ".join(map(str, scheduler.failed[:10]))
        read = scheduler.spool.get_many
        outcome = end_run(home, header, outcome, own.token, reason, self.console.note, read=read)
        code = 128 + self._signals[0] if self._signals else EXIT_CODES.get(outcome, 1)
        result = RunResult(
            flow=flow, run=run, outcome=outcome, failed=scheduler.failed, counts=scheduler.counts,
            reused=scheduler.reused, begun=scheduler.begun, wall_s=wall_s, file=header["file"], exit_code=code,
        )  # fmt: skip
        self.console.run_ended(result)
        return result


@contextlib.contextmanager
def _hint_to_go_on(flow: str, run: str) -> Iterator[None]:
    """What ends the loop before the run is over is told with how to go on."""
    try:
        yield
    except PenstockError as error:
        error.hint = "; then ".join(filter(None, (error.hint, f"flow continue {flow}/{run}")))
        raise
