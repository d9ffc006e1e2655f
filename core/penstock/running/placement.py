"""Where each step of a run goes, and what it grants: flags, decorators and settings, joined and checked."""

from __future__ import annotations

import contextlib

from penstock import nearest
from penstock.authoring import decorators
from penstock.contracts.executor import Gang, Job, Mount, RunInfo
from penstock.errors import BackendError, SettingsError, UsageError
from penstock.running.plan import Policy
from penstock.values import PARAMETERS_STEP, Resources

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any, TypeAlias

    from penstock.authoring.graph import Graph, Step
    from penstock.home import Home

    Chosen: TypeAlias = tuple[str, Mapping[str, Any]]  # an executor and its options
    ExecutorFor: TypeAlias = Mapping[str, Chosen]  # by step (or `*`), as `--executor-for` says


class StepPlan:
    """What the scheduler needs of a step: executor and its options, and what the decorators grant.

    own: names of the options that the step itself says.
    """

    __slots__ = ("environment", "executor", "options", "own", "policy", "resources", "timeout_s")

    def __init__(
        self,
        *,
        executor: str,
        options: Mapping[str, Any],
        policy: Policy,
        resources: Resources,
        environment: Mapping[str, str],
        timeout_s: float | None,
        own: Iterable[str] = (),
    ) -> None:
        self.executor, self.options, self.policy = executor, options, policy
        self.resources, self.environment, self.timeout_s = resources, environment, timeout_s
        self.own = tuple(own)


def step_plans(
    graph: Graph, home: Home, executor_for: ExecutorFor
) -> dict[str, StepPlan]:
    """Where each step runs and what it grants: `executor_for` > decorator > the run's executor.

    Raises UsageError for a step that the flow lacks.
    """
    for name in executor_for:
        if name != "*" and name not in graph.steps:
            raise UsageError(
                f"--executor-for names a step {name!r} that {graph.name} lacks", hint=nearest.hint(name, graph.steps)
            )
    plans = {}
    for name, step in graph.steps.items():
        told, own = executors_said(step, executor_for)
        executor, options = told or own or (home.settings.executor, {})
        options = _checked_options(home, executor, options, f"{step.file}:{step.line}")
        times, delay_s = decorators.retry_policy(step.decorators)
        plans[name] = StepPlan(
            executor=executor,
            options={**home.settings.options("executor", executor), **options},
            policy=Policy(times, delay_s, decorators.catches(step.decorators)),
            resources=decorators.resources_of(step.decorators),
            environment=decorators.environment_of(step.decorators),
            timeout_s=decorators.timeout_s(step.decorators),
            own=own[1] if own and not told else (),
        )
    here = home.settings.executor
    if not home.executor_class(here).uses_hosts:
        here = home.default_name("executor")  # defaults by function are evaluated where the run is started
    plans[PARAMETERS_STEP] = StepPlan(
        executor=here, options={}, policy=Policy(), resources=Resources(), environment={}, timeout_s=None
    )
    return plans


def executors_said(step: Step, executor_for: ExecutorFor) -> tuple[Chosen | None, Chosen | None]:
    """Executor and options as the command line says them for a step, and as the step itself does; the former win."""
    return executor_for.get(step.name) or executor_for.get("*"), decorators.executor_of(step.decorators)


def _checked_options(home: Home, executor: str, options: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Options beside one step: the executor must have them, and take them by job. Raises SettingsError."""
    found = home.check_options(executor, options, where)
    if options and home.executor_class(executor).uses_hosts:
        name, value = next(iter(options.items()))
        flag = f"--{executor}-{name}={value}".replace("_", "-")
        raise SettingsError(
            f"the executor {executor} takes {name!r} for a whole run, not for one step", where=where, hint=flag
        )
    return found


def check_jobs(home: Home, graph: Graph, steps: Mapping[str, StepPlan], user: str) -> None:
    """Let executors whose jobs are elsewhere refuse what they know to be impossible.

    Raises what `Executor.check` raises, with the line of a step that asks for something itself.
    """
    nodes = {target for step in graph.steps.values() if step.kind == "parallel" for target in step.to}
    for name in sorted({step.executor for step in steps.values()}):
        if home.executor_class(name).uses_hosts:
            continue
        run = RunInfo(flow=graph.name, run="", user=user)
        with contextlib.closing(home.executor(name, run, home.settings.options("executor", name))) as executor:
            for step, plan in steps.items():
                if plan.executor == name and step in graph.steps:
                    job = Job(
                        name=step, message="", environment=plan.environment, resources=plan.resources,
                        timeout_s=plan.timeout_s, options=plan.options,
                        mounts=tuple(Mount(path=path) for path in home.datastore.host_paths),
                        gang=Gang(lead=step, index=0, size=0) if executor.runs_gangs and step in nodes else None,
                    )  # fmt: skip
                    try:
                        executor.check(job)
                    except BackendError as error:
                        asks = plan.own or job.gang or plan.resources != Resources()
                        if asks:  # else it is no affair of this step alone
                            error.where = error.where or f"{graph[step].file}:{graph[step].line}"
                        error.hint = _as_said(error.hint, home, name, plan.own)
                        raise


def _as_said(hint: str, home: Home, executor: str, own: Iterable[str]) -> str:
    """What to type, in place of a flag the argument of a decorator, which is stronger where the step has it."""
    for option in own:
        flag = f"--{executor}-{option}=".replace("_", "-")
        if hint.startswith(flag):
            value, space, rest = hint.removeprefix(flag).partition(" ")
            named = home.registry.choose("executor", executor).decorator
            start = f"@{named}(" if named else f"@executor({executor!r}, "
            return f'{start}{option}="{value}"){space}{rest}'
    return hint


def check_meeting(home: Home, steps: Mapping[str, StepPlan]) -> None:
    """Every executor's jobs must reach the store. Raises SettingsError before anything is written."""
    for name in sorted({step.executor for step in steps.values()}):
        check_pair(home, name)
    inline = {name for name in {s.executor for s in steps.values()} if home.executor_class(name).in_process}
    if inline and len({s.executor for s in steps.values()} - inline):
        raise SettingsError(
            f"{', '.join(sorted(inline))} runs all steps in one process and can't be mixed with other executors",
            hint="--executor-for '*=inline'",
        )


def check_pair(home: Home, name: str) -> None:
    """Jobs of this executor must reach the store, and be of use with it. Raises SettingsError."""
    store, executor = home.datastore, home.executor_class(name)
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
    strangers = not executor.uses_hosts and not executor.own_identity
    if strangers and store.secrets() and not executor.keeps_secrets:
        raise SettingsError(
            f"jobs of {name} need the credentials of the {home.settings.datastore} store, which it would show",
            hint="use --executor=local with this store, or an executor that keeps secrets",
        )
