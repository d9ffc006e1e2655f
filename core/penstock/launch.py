"""Begin, resume, continue and cancel runs: everything around the scheduler's loop.

    declare ......... a host imports the flow file and says what it declares
    Opened.run ...... settings are known by now: id, header, lease, hosts, then the loop
    Opened.resume ... the same, over the finished tasks of an origin
    continue_run .... the same run again, after its scheduler died
    cancel_run ...... end a run from anywhere
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time

from penstock import archive, decorators, keys, lease, plan, records, tags
from penstock.contracts.executor import RunInfo
from penstock.contracts.metadata import RunRow, TagRow
from penstock.contracts.reach import Reach
from penstock.errors import KeyMissing, NotFound, RunFailed, SettingsError, UsageError
from penstock.git_facts import GitFacts
from penstock.host.declare import Declaration, graph_of, import_flow
from penstock.host.inline import InlineHosts
from penstock.host.pool import HostPool, HostProcess, declared
from penstock.lease import Lease
from penstock.plan import Policy
from penstock.scheduler import FINISH, Scheduler, StepPlan, known_of
from penstock.values import CANCELLED, PARAMETERS_STEP, ROOT_PLACE, SUCCEEDED, Pathspec, Record, Resources, run_id, run_id_after

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import Any, NoReturn, Protocol

    from penstock.contracts.datastore import Datastore
    from penstock.contracts.executor import Executor
    from penstock.contracts.host import Hosts
    from penstock.flow import FlowSpec
    from penstock.graph import Graph
    from penstock.home import Home
    from penstock.scheduler import Console as LoopConsole

    class Console(LoopConsole, Protocol):
        """What a launch tells people, beside what the loop does."""

        def started(self, pathspec: Pathspec, executor: str, where: str) -> None: ...
        def run_ended(self, result: RunResult) -> None: ...


CANCEL_WAIT_S = 30.0
EXIT_CODES = {SUCCEEDED: 0, CANCELLED: 130}


class RunResult:
    """How a run ended. failed: tasks without success; counts: attempts by outcome; reused: tasks taken over."""

    __slots__ = ("counts", "exit_code", "failed", "file", "flow", "outcome", "reused", "run", "wall_s")

    def __init__(
        self,
        *,
        flow: str,
        run: str,
        outcome: str,
        failed: Sequence[Pathspec],
        counts: Mapping[str, int],
        reused: int,
        wall_s: float,
        file: str,
        exit_code: int,
    ) -> None:
        self.flow, self.run, self.outcome, self.failed, self.file = flow, run, outcome, tuple(failed), file
        self.counts, self.reused, self.wall_s, self.exit_code = dict(counts), reused, wall_s, exit_code


class Wishes:
    """What the user asks of a run beside its parameters; the options of `flow run`, as values.

    executor_for: step (or `*`) -> (executor, options). run_id_file: gets the bare id before the first task starts.
    """

    __slots__ = ("executor_for", "max_num_splits", "max_workers", "on_failure", "run_id_file", "tags")

    def __init__(
        self,
        *,
        tags: Iterable[str] = (),
        run_id_file: str | None = None,
        max_workers: int | None = None,
        max_num_splits: int | None = None,
        on_failure: str = FINISH,
        executor_for: Mapping[str, tuple[str, Mapping[str, Any]]] | None = None,
    ) -> None:
        self.tags, self.run_id_file, self.max_workers = tuple(tags), run_id_file, max_workers
        self.max_num_splits = max_num_splits or 1_000_000
        self.on_failure, self.executor_for = on_failure, dict(executor_for or {})


# ------------------------------------------------------------------------------------------------ declare


class Opened:
    """A flow that was imported in a host and waits to be run. A context manager: leaving it ends the host."""

    def __init__(self, host: HostProcess, git: GitFacts, flow_class: type[FlowSpec] | None = None) -> None:
        self._host, self._git = host, git
        self.declaration = host.declaration()

    def __enter__(self) -> Opened:
        return self

    def __exit__(self, *_: object) -> None:
        self._host.close()

    def run(self, home: Home, parameters: Mapping[str, str], wishes: Wishes, console: Console) -> RunResult:
        """Run the flow to its end. Errors before the first record is written are raised as such."""
        return self._begin(home, parameters, wishes, console, origin=None, taken=())

    def resume(
        self, home: Home, wishes: Wishes, console: Console, *, origin: str | None = None, step: str | None = None
    ) -> RunResult:
        """A new run that takes the finished tasks of `origin` (default: the latest run), except `step` and what follows.

        Raises UsageError when there is no such run or step, RunDriven when the origin still runs.
        """
        flow, graph, datastore = self.declaration.flow, self.declaration.graph, home.datastore
        if step is not None and step not in graph.steps:
            raise UsageError(f"{flow} has no step {step!r}", hint=_nearest(step, graph.steps))
        origin = find_run(datastore, flow, origin)
        state = lease.state(datastore, flow, origin)
        if state.alive:
            raise UsageError(
                f"{flow}/{origin} still runs: driven by {state}", hint=f"flow cancel {flow}/{origin}   # to end it first"
            )
        standing = {
            task: (one, records.key_of(one))
            for task, attempts in records.fold(records_of(datastore, flow, origin)).items()
            if (one := records.standing(attempts)) is not None
        }
        return self._begin(home, {}, wishes, console, origin=origin, taken=plan.taken(graph, standing, step))

    def _begin(
        self,
        home: Home,
        parameters: Mapping[str, str],
        wishes: Wishes,
        console: Console,
        *,
        origin: str | None,
        taken: Sequence[Record],
    ) -> RunResult:
        declaration, datastore = self.declaration, home.datastore
        steps = step_plans(declaration.graph, home, wishes.executor_for)
        check_meeting(home, steps)
        records.open_format(datastore, write=True)
        driver = _Driver(home, declaration, steps, wishes, console)
        header = driver.header(parameters, origin, self._git.result())
        run = _new_run(datastore, header)
        driver.announce(header)
        own = Lease(datastore, declaration.flow, run, header["user"])
        own.take(new=True)
        try:
            if origin is not None:
                taken = _claim_taken(datastore, declaration.flow, run, taken)
            known = {(record.step, record.place): records.key_of(record) for record in taken}
            return driver.drive(own, header, self._host, known=known, past={})
        finally:
            own.release()


def declare(file: str, *, flow: str | None = None, environment: Mapping[str, str] | None = None) -> Opened:
    """Import a flow file in a host. Raises FlowError with file:line for whatever is wrong with it."""
    git = GitFacts(os.path.dirname(os.path.abspath(file)))
    return Opened(declared(file, flow, environment), git)


# ------------------------------------------------------------------------------------- what a run is made of


def step_plans(
    graph: Graph, home: Home, executor_for: Mapping[str, tuple[str, Mapping[str, Any]]]
) -> dict[str, StepPlan]:
    """Where each step runs and what it grants: `executor_for` > decorator > the run's executor.

    Raises UsageError for a step that the flow lacks.
    """
    for name in executor_for:
        if name != "*" and name not in graph.steps:
            raise UsageError(
                f"--executor-for names a step {name!r} that {graph.name} lacks", hint=_nearest(name, graph.steps)
            )
    plans = {}
    for name, step in graph.steps.items():
        chosen = executor_for.get(name) or executor_for.get("*") or decorators.executor_of(step.decorators)
        executor, options = chosen or (home.settings.executor, {})
        times, delay_s = decorators.retry_policy(step.decorators)
        plans[name] = StepPlan(
            executor=executor,
            options={**home.settings.options("executor", executor), **options},
            policy=Policy(times, delay_s, decorators.catches(step.decorators)),
            resources=decorators.resources_of(step.decorators),
            environment=decorators.environment_of(step.decorators),
            timeout_s=decorators.timeout_s(step.decorators),
        )
    here = home.settings.executor
    if not home.executor_class(here).uses_hosts:
        here = home.default_name("executor")  # defaults by function are evaluated where the run is started
    plans[PARAMETERS_STEP] = StepPlan(
        executor=here, options={}, policy=Policy(), resources=Resources(), environment={}, timeout_s=None
    )
    return plans


def check_meeting(home: Home, steps: Mapping[str, StepPlan]) -> None:
    """Every executor's jobs must reach the store. Raises SettingsError before anything is written."""
    store = home.datastore
    for name in sorted({step.executor for step in steps.values()}):
        executor = home.executor_class(name)
        if store.reach < executor.jobs_at:
            raise SettingsError(
                f"jobs of {name} can't reach the {home.settings.datastore} store",
                hint="add --datastore=...   # one that reaches anywhere; `flow plugins` lists them",
            )
        if not store.exclusive_put and not executor.starts_once:
            raise SettingsError(
                f"the {home.settings.datastore} store can't put exclusively, and {name} may start a job twice",
                hint="use --executor=local with this store, or another store",
            )
    inline = {name for name in {s.executor for s in steps.values()} if home.executor_class(name).in_process}
    if inline and len({s.executor for s in steps.values()} - inline):
        raise SettingsError(
            f"{', '.join(sorted(inline))} runs all steps in one process and can't be mixed with other executors",
            hint="--executor-for '*=inline'",
        )


def _new_run(datastore: Datastore, header: dict[str, Any]) -> str:
    """Put the header under a new id; the exclusive put decides whose id it is."""
    run = run_id(header["started_s"])
    while True:
        header["run"] = run
        if records.claim(datastore, keys.run_header(header["flow"], run), "run", header)[0]:
            return run
        run = run_id_after(run)


def _claim_taken(datastore: Datastore, flow: str, run: str, found: Sequence[Record]) -> list[Record]:
    """Claim what the run takes from its origin: every scheduler of the run sees the same."""
    key = keys.taken(flow, run)
    datastore.put(key, records.encode_bundle(found))
    return list(records.decode_bundle(datastore.get(key), key))


def records_of(datastore: Datastore, flow: str, run: str) -> list[Record]:
    """Every record of a run: its own, and those that it took from its origin."""
    found = list(records.read_records(datastore, records.list_records(datastore, flow, run)))
    with contextlib.suppress(KeyMissing):
        key = keys.taken(flow, run)
        found += records.decode_bundle(datastore.get(key), key)
    return found


def find_run(datastore: Datastore, flow: str, wanted: str | None) -> str:
    """A run's full id from its id, a unique prefix of it, `latest`, `latest~N` or None. Raises NotFound."""
    runs = sorted(datastore.list_folders(keys.flow_prefix(flow)))
    if not runs:
        raise NotFound(f"{flow} has no run in {datastore.label}", hint="flow runs")
    if wanted is None or wanted == "latest":
        return runs[-1]
    if wanted.startswith("latest~") and wanted[7:].isdigit():
        number = int(wanted[7:])
        if number < len(runs):
            return runs[-1 - number]
        raise NotFound(f"{flow} has only {len(runs)} runs", hint=f"flow runs {flow}")
    matching = [run for run in runs if run == wanted] or [run for run in runs if run.startswith(wanted)]
    if len(matching) == 1:
        return matching[0]
    if matching:
        raise NotFound(f"{wanted!r} begins the ids of {len(matching)} runs", hint=f"they are: {', '.join(matching[:5])}")
    raise NotFound(f"{flow} has no run {wanted!r}", hint=_nearest(wanted, runs) if runs else "flow runs")


def _nearest(word: str, words: Iterable[str]) -> str:
    import difflib

    known = list(words)
    near = difflib.get_close_matches(word, known, 1)
    return f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(known[-8:])}"


# -------------------------------------------------------------------------------------------- driving a run


class _Driver:
    """One scheduler's work on one run: header, hosts, loop, outcome."""

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

    def header(self, parameters: Mapping[str, str], origin: str | None, git: dict[str, Any] | None) -> dict[str, Any]:
        """Who runs what, since when, with which code and settings: all that a reader or `continue` needs to know."""
        declaration, datastore = self.declaration, self.home.datastore
        elsewhere = any(not self.home.executor_class(s.executor).uses_hosts for s in self.steps.values())
        files = archive.code_elsewhere if elsewhere else lambda file: archive.code_here(file, declaration.modules)
        user = user_name()
        return {
            "flow": declaration.flow,
            "run": "",
            "token": records.new_token(),
            "user": user,
            "started_s": time.time(),
            "file": declaration.file,
            "code": archive.put(datastore, archive.pack(files(declaration.file))),
            "graph": declaration.graph.data(),
            "parameters": dict(parameters),
            "tags": list(self.wishes.tags),
            "system_tags": [f"user:{user}", f"python:{sys.version_info.major}.{sys.version_info.minor}"],
            "origin": origin,
            "settings": self.home.settings.data(),
            "executor_for": {step: list(chosen) for step, chosen in self.wishes.executor_for.items()},
            "on_failure": self.wishes.on_failure,
            "max_workers": self.wishes.max_workers,
            "git": git,
            "python": ".".join(map(str, sys.version_info[:3])),
            "packages": declaration.packages,
            "host": os.uname().nodename,
            "pid": os.getpid(),
            "argv": sys.argv,
        }

    def announce(self, header: Mapping[str, Any]) -> None:
        """Tags, the catalogue's row of the run, and the first line that the user reads."""
        flow, run = header["flow"], header["run"]
        tags.add_tags(self.home.datastore, flow, run, header["tags"])
        raw = records.encode("run", header)
        rows: list[Any] = [RunRow(flow=flow, run=run, started_s=header["started_s"], header=raw)]
        rows += [TagRow(flow=flow, run=run, tag=tag) for tag in header["tags"]]
        rows += [TagRow(flow=flow, run=run, tag=tag, system=True) for tag in header["system_tags"]]
        self.home.metadata.write(rows)
        self.console.started(Pathspec(flow, run), self.home.settings.executor, self.home.datastore.label)

    def drive(
        self,
        own: Lease,
        header: Mapping[str, Any],
        host: HostProcess,
        *,
        known: Mapping[tuple[str, str], str],
        past: Mapping[tuple[str, str], plan.Past],
        adopt: bool = False,
    ) -> RunResult:
        """From the lease to the outcome."""
        began = time.monotonic()
        flow, run = header["flow"], header["run"]
        opened = self._opened(header)
        names = {step.executor for step in self.steps.values()}
        hosts = self._hosts(names, host, opened, own)
        info = RunInfo(flow=flow, run=run, user=header["user"], hosts=hosts)
        executors = {name: self.home.executor(name, info, self.home.settings.options("executor", name)) for name in names}
        scheduler = Scheduler(
            graph=self.declaration.graph,
            run=run,
            datastore=self.home.datastore,
            metadata=self.home.metadata,
            executors=executors,
            steps=self.steps,
            lease=own,
            console=self.console,
            max_workers=self.wishes.max_workers or max(executor.max_workers for executor in executors.values()),
            on_failure=self.wishes.on_failure,
            max_num_splits=self.wishes.max_num_splits,
            given=header["parameters"],
            known=known,
            past=past,
            command=self._command(executors, opened),
            on_parameters=lambda: self._write_run_id(run),
            adopt=adopt,
        )
        self._hosts_by_name = scheduler.names
        try:
            with self._heed_signals(scheduler):
                outcome = scheduler.loop()
        finally:
            for executor in executors.values():
                executor.close()
            hosts.close()
        return self._end(header, scheduler, outcome, own, time.monotonic() - began)

    def _opened(self, header: Mapping[str, Any]) -> dict[str, Any]:
        """What a host must know beside an attempt's own message."""
        datastore, logging = self.home.target("datastore"), self.home.target("logging")
        return {
            "datastore": {"target": datastore[0], "options": datastore[1]},
            "logging": {"target": logging[0], "options": logging[1]},
            "run": header["run"],
            "facts": {
                "username": header["user"],
                "namespace": f"user:{header['user']}",
                "origin_run_id": header["origin"],
                "tags": header["tags"],
            },
        }

    def _hosts(self, names: Iterable[str], host: HostProcess, opened: Mapping[str, Any], own: Lease) -> Any:
        if any(self.home.executor_class(name).in_process for name in names):
            flow_class = import_flow(self.declaration.file, self.declaration.flow)
            graph = graph_of(flow_class)
            return InlineHosts(flow_class=flow_class, graph=graph, datastore=self.home.datastore, opened=opened)
        return HostPool(host, self.declaration, opened, own.lock_fd, self._show, self.console.note)

    def _show(self, name: str, stream: str, data: bytes) -> None:
        at = self._hosts_by_name(name)
        if at is not None:
            self.console.output(*at, stream, data)

    def _command(
        self, executors: Mapping[str, Executor], opened: Mapping[str, Any]
    ) -> Callable[[str], tuple[str, ...]] | None:
        """How a job elsewhere is started, where there is one."""
        if all(executor.uses_hosts for executor in executors.values()):
            return None
        datastore = self.home.datastore
        packages = {*datastore.packages(), opened["logging"]["target"].partition(".")[0]}
        launch = {
            "runtime": archive.put(datastore, archive.pack(archive.runtime(packages))),
            "code": archive.put(datastore, archive.pack(archive.code_elsewhere(self.declaration.file))),
            "file": os.path.basename(self.declaration.file),
            "flow": self.declaration.flow,
            "opened": dict(opened),
        }
        name = archive.put_launch(datastore, launch)
        return lambda message: archive.command(datastore, name, message)

    def _write_run_id(self, run: str) -> None:
        """Before the first task, so that whoever waits for the file can follow the run."""
        if self.wishes.run_id_file:
            with open(self.wishes.run_id_file, "w", encoding="utf-8") as file:
                file.write(run)

    @contextlib.contextmanager
    def _heed_signals(self, scheduler: Scheduler) -> Iterator[None]:
        """The first SIGINT or SIGTERM stops the run in good order, a second one ends this process at once."""

        def heed(number: int, _frame: object) -> None:
            if self._signals:
                os._exit(128 + number)
            self._signals.append(number)
            scheduler.please_stop()
            if any(executor.in_process for executor in scheduler.executors.values()):
                raise KeyboardInterrupt  # the step that runs is this very call's caller

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
        outcome, ended_s = claim_outcome(home.datastore, flow, run, outcome, own.token, reason)
        raw = records.encode("run", header)
        home.metadata.write(
            [RunRow(flow=flow, run=run, started_s=header["started_s"], ended_s=ended_s, outcome=outcome, header=raw)]
        )
        if home.datastore.reach is Reach.ANYWHERE:
            from penstock.catalogue import write_index

            write_index(home.datastore, flow, run)
        code = 128 + self._signals[0] if self._signals else EXIT_CODES.get(outcome, 1)
        result = RunResult(
            flow=flow, run=run, outcome=outcome, failed=scheduler.failed, counts=scheduler.counts,
            reused=scheduler.reused, wall_s=wall_s, file=self.declaration.file, exit_code=code,
        )  # fmt: skip
        self.console.run_ended(result)
        return result


def claim_outcome(
    datastore: Datastore, flow: str, run: str, outcome: str, token: str, reason: str
) -> tuple[str, float]:
    """Say how the run ended; whoever said it first is right. Returns outcome and Unix time that stand."""
    data = {"outcome": outcome, "token": token, "ended_s": time.time(), "reason": reason}
    _, standing = records.claim(datastore, keys.run_outcome(flow, run), "outcome", data)
    return standing.get("outcome", outcome), standing.get("ended_s", data["ended_s"])


def user_name() -> str:
    """Who runs: METAFLOW_USER or PENSTOCK_USER, else the login name."""
    for name in ("PENSTOCK_USER", "METAFLOW_USER", "USER", "LOGNAME", "USERNAME"):
        if os.environ.get(name):
            return os.environ[name]
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


# ---------------------------------------------------------------------------------------- continue, cancel


def read_header(datastore: Datastore, flow: str, run: str) -> dict[str, Any]:
    """The header of a run. Raises NotFound."""
    header = records.read(datastore, keys.run_header(flow, run))
    if header is None:
        raise NotFound(f"{flow}/{run} has no readable header in {datastore.label}", hint=f"flow runs {flow}")
    return header


def continue_run(
    home: Home, flow: str, run: str, console: Console, *, takeover: bool = False, max_workers: int | None = None
) -> RunResult:
    """Go on with a run whose scheduler died, with its archived code and its settings.

    Raises UsageError when it has ended, RunDriven when somebody drives it.
    """
    datastore = home.datastore
    header = read_header(datastore, flow, run)
    ended = records.read(datastore, keys.run_outcome(flow, run))
    if ended is not None:
        raise UsageError(
            f"{flow}/{run} has ended: {ended['outcome']}", hint=f"flow resume {header['file']} --origin-run-id={run}"
        )
    own = Lease(datastore, flow, run, user_name())
    own.take(takeover=takeover)
    try:
        folder = archive.private_folder(archive.get(datastore, header["code"]), "penstock-continue-")
        file = os.path.join(folder, os.path.basename(header["file"]))
        if _differs(file, header["file"]):
            console.note(f"{header['file']} has changed since; the run goes on with the code that it began with")
        wishes = Wishes(
            tags=header["tags"],
            max_workers=max_workers or header["max_workers"],
            on_failure=header["on_failure"],
            executor_for={step: (name, options) for step, (name, options) in header["executor_for"].items()},
        )
        with declare(file, flow=flow) as opened:
            steps = step_plans(opened.declaration.graph, home, wishes.executor_for)
            driver = _Driver(home, opened.declaration, steps, wishes, console)
            known, past = known_of(records_of(datastore, flow, run))
            _fence_halves(home, flow, run, opened.declaration.graph, known, past)
            console.started(Pathspec(flow, run), home.settings.executor, datastore.label)
            return driver.drive(own, header, opened._host, known=known, past=past, adopt=True)
    finally:
        own.release()


def _differs(archived: str, file: str) -> bool:
    try:
        with open(archived, "rb") as one, open(file, "rb") as other:
            return one.read() != other.read()
    except OSError:
        return True


def _fence_halves(
    home: Home,
    flow: str,
    run: str,
    graph: Graph,
    known: Mapping[tuple[str, str], str],
    past: dict[tuple[str, str], plan.Past],
) -> None:
    """Attempts that left a log but no record are given up: their number can't be used again for other output."""
    del graph
    prefix = f"{keys.run_prefix(flow, run)}logs/"
    found = {tuple(one.key[len(prefix) :].split("/")[:2]) for one in home.datastore.list(prefix)}
    for quoted_step, quoted_place in found:
        task = (keys.name(quoted_step), keys.name(quoted_place))
        number = past[task].total if task in past else 0
        if task in known:
            continue
        lost = Record(
            flow=flow, run=run, step=task[0], place=task[1], attempt=number, outcome="lost", token=records.new_token(),
            writer="driver", reason="its scheduler died", started_s=time.time(), ended_s=time.time(),
        )  # fmt: skip
        _, standing = records.claim_record(home.datastore, lost)
        past.setdefault(task, plan.Past()).add(standing)


def cancel_run(home: Home, flow: str, run: str, console: Console) -> str:
    """End a run from anywhere; returns the outcome that stands. Raises UsageError when it has ended."""
    datastore = home.datastore
    read_header(datastore, flow, run)
    ended = records.read(datastore, keys.run_outcome(flow, run))
    if ended is not None:
        raise UsageError(f"{flow}/{run} has ended: {ended['outcome']}", hint=f"flow runs {flow}")
    wish = {"token": records.new_token(), "user": user_name(), "since_s": time.time()}
    datastore.put(keys.cancel(flow, run), records.encode("cancel", wish))
    until = time.monotonic() + CANCEL_WAIT_S
    while (state := lease.state(datastore, flow, run)).alive and time.monotonic() < until:
        lease.wake_driver(datastore, flow, run, state)
        ended = records.read(datastore, keys.run_outcome(flow, run))
        if ended is not None:
            return str(ended["outcome"])
        time.sleep(0.1)
    ended = records.read(datastore, keys.run_outcome(flow, run))
    if ended is not None:
        return str(ended["outcome"])
    if state.alive:
        raise RunFailed(
            f"{flow}/{run} was asked to end; its driver ({state}) has not answered yet",
            hint=f"flow runs {flow}   # it obeys at its next beat",
        )
    return _cancel_orphaned(home, flow, run, console)


def _cancel_orphaned(home: Home, flow: str, run: str, console: Console) -> str:
    """Nobody drives it: take the lease, cancel the jobs that may still run elsewhere, say the outcome."""
    from penstock.graph import Graph
    from penstock.scheduler import job_name

    own = Lease(home.datastore, flow, run, user_name())
    own.take()
    try:
        header = read_header(home.datastore, flow, run)
        known, past = known_of(records_of(home.datastore, flow, run))
        wishes = {step: (name, options) for step, (name, options) in header["executor_for"].items()}
        steps = step_plans(Graph.of(header["graph"]), home, wishes)
        info = RunInfo(flow=flow, run=run, user=header["user"])
        for name in {step.executor for step in steps.values()}:
            if home.executor_class(name).starts_once:
                continue
            executor = home.executor(name, info, home.settings.options("executor", name))
            names = _frontier_names(home.datastore, flow, run, known, past, job_name)
            executor.cancel(list(executor.adopt(names).values()))
            executor.close()
        outcome, ended_s = claim_outcome(home.datastore, flow, run, CANCELLED, own.token, "cancelled from outside")
        raw = records.encode("run", header)
        home.metadata.write(
            [RunRow(flow=flow, run=run, started_s=header["started_s"], ended_s=ended_s, outcome=outcome, header=raw)]
        )
        return outcome
    finally:
        own.release()


def _frontier_names(
    datastore: Datastore,
    flow: str,
    run: str,
    known: Mapping[tuple[str, str], str],
    past: Mapping[tuple[str, str], plan.Past],
    job_name: Callable[[str, str, str, str, int], str],
) -> list[str]:
    """Names of the jobs that a dead driver may have left: attempts that somebody owns and that have no record."""
    names = []
    for found in datastore.list(keys.tasks_prefix(flow, run)):
        *_, step, place, file = found.key.split("/")
        number, _, kind = file.partition(".")
        task = (keys.name(step), keys.name(place))
        if kind == "owner" and task not in known and int(number) >= (past[task].total if task in past else 0):
            names.append(job_name(flow, run, *task, int(number)))
    return names


# --------------------------------------------------------------------------------------- scripts, notebooks


def main(flow_class: type[FlowSpec]) -> NoReturn:
    """`PetsFlow()` at the end of a script: the command line of this flow."""
    from penstock.cli import main_for_flow

    raise SystemExit(main_for_flow(flow_class))


def run_class(flow_class: type[FlowSpec], parameters: Mapping[str, Any]) -> Any:
    """`PetsFlow.run(alpha=3)` from Python. Returns the `Run`; raises RunFailed when it did not succeed."""
    from penstock.cli import run_from_python

    return run_from_python(flow_class, parameters)
