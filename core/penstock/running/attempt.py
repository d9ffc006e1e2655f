"""One attempt at a task, in the process that runs the user's code: restore, run the body, store, claim the record.

The moments of an attempt:

    restore    the parents' records give the artifacts that the body sees, each loaded when first read
    body       the user's step, inside its decorators (`timeout`, `catch`)
    store      what the body left on `self` becomes chunks; what it only read, or never touched, keeps its row
    drain      the outlet says what was printed so far, so that short output can ride in the record
    claim      the record is put exclusively: this is the commit; nodes of a gang have one in common (`gang_commit.py`)

It runs the same in a fork of a host, in a fresh interpreter and in the scheduler's own process (`--executor=inline`).
"""

from __future__ import annotations

import os
import resource
import sys
import time
from collections.abc import Sequence, Sized

from penstock.authoring.context import Parallel, current
from penstock.authoring.decorators import decorators_of
from penstock.authoring.flow import Binding, FlowSpec, ForeachFrame, Input, Inputs, assigned, bind, constants_of
from penstock.authoring.parameters import ParameterContext, parameters_of
from penstock.errors import ArtifactError, FlowError, KeyMissing
from penstock.running import gang_commit
from penstock.running.raised import Interrupted, describe, print_error
from penstock.storage import keys, records
from penstock.storage.artifacts import Artifacts
from penstock.values import (
    CANCELLED,
    FACTS_VARIABLE,
    FAILED,
    FOREACH_ITEMS,
    MAIN_ADDRESS_VARIABLE,
    PARAMETERS_STEP,
    SUCCEEDED,
    Record,
    Transition,
    place_beside,
    place_index,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from typing import Any

    from penstock.authoring.graph import Step
    from penstock.running.message import Message
    from penstock.running.world import World

    Records = records.BundledRecords | list[Record]
    Output = Mapping[str, Any] | None  # of one stream, as `Record.stdout`
    Drain = Callable[[], tuple[Output, Output]]

GRAPH_INFO = "_graph_info"
_UNCHANGEABLE = (int, float, str, bytes, bool, complex, type(None))


class Task:
    """The attempt, as decorators of the step see it."""

    def __init__(self, world: World, message: Message, flow: FlowSpec) -> None:
        self.step, self.attempt, self.last_attempt = message.step, message.attempt, message.last
        self.handler = message.handler
        self.flow = flow
        self.caught = False


def run(message: Message, world: World, drain: Drain, *, raises: bool = False) -> Record:
    """Run one attempt to its end and return the record that stands. Never raises for a fault of the user's code.

    raises: let what the user's code raises pass, and claim nothing then (`penstock.testing.run_step`).
    """
    started_s = time.time()
    verify = world.opened.get("verify", False)
    artifacts = Artifacts(world.datastore, verify=verify, cache=world.cache, known=world.riding)
    record = Record(
        flow=world.flow, run=world.run, step=message.step, place=message.place, attempt=message.attempt,
        outcome=FAILED, token=message.token, started_s=started_s, parents=message.parents or _split_of(message),
        inputs=message.inputs, handler=message.handler is not None, host=_host_name(), pid=os.getpid(),
        facts=job_facts(),
    )  # fmt: skip
    try:
        if message.step == PARAMETERS_STEP:
            try:
                _run_parameters(message, world, artifacts, record)
            finally:
                artifacts.flush()
        else:
            _run_step(message, world, artifacts, record)
        record.outcome = SUCCEEDED
    except BaseException as error:  # the user's code may raise anything, SystemExit and KeyboardInterrupt included
        if raises:
            raise
        record.transition = None
        if isinstance(error, Interrupted):
            record.outcome, record.reason = CANCELLED, "it was interrupted"
        else:
            record.exception = describe(error)
            print_error(error, record.exception)
    record.ended_s = time.time()
    record.cpu_s, record.peak_bytes = _usage()
    record.stdout, record.stderr = drain()
    return gang_commit.claim(world.datastore, record, message.nodes)[1]


def _split_of(message: Message) -> tuple[str, ...]:
    return (message.split,) if message.split else ()


# ---------------------------------------------------------------------------------------------- restore


def _run_step(message: Message, world: World, artifacts: Artifacts, record: Record) -> None:
    step = world.graph.steps[message.step]
    binding = _restore(message, world, step, artifacts, record)
    flow = bind(world.flow_class, binding)
    _set_current(message, world, step, binding)
    task = Task(world, message, flow)
    error: BaseException | None = None
    try:
        _call(step, task, binding, world)
    except BaseException as caught:  # noqa: BLE001 - see above; what the body set is stored first
        error = caught
    record.caught = task.caught
    try:
        if error is None:
            limit = world.opened.get("max_num_splits", sys.maxsize)
            said = _transition(step, binding, artifacts, record, caught=task.caught, limit=limit)
            record.transition = said.data()
        record.artifacts = {**_stored(flow, binding, artifacts, lenient=error is not None), **record.artifacts}
        artifacts.flush()
    except ArtifactError as refusal:
        if error is None:
            refusal.where = refusal.where or f"{step.file}:{step.next_line}"  # no frame tells it
            raise
    if error is not None:
        raise error
    if any("python" in row for row in record.artifacts.values()):
        record.python = f"{sys.version_info.major}.{sys.version_info.minor}"


def _restore(message: Message, world: World, step: Step, artifacts: Artifacts, record: Record) -> Binding:
    constants = _constants_reader(message, world)
    inputs: Inputs | None = None
    rows: Mapping[str, Any] = {}
    parents: Iterable[Record] = ()
    if step.is_join:
        found, split = _join_records(message, world)
        made = _Made(found, lambda one: Input(one.step, _visible(one.artifacts), constants, artifacts.load))
        inputs = Inputs(made, None if split is None else _visible(split.artifacts))
        stack = (found[0] if split is None else split).stack[: step.depth]
        if isinstance(found, records.BundledRecords) and found.have_chunks:
            parents = found
    elif message.parents:
        parent = world.parent(message.parents[0])
        rows, stack = _visible(parent.artifacts), parent.stack
        if parent.transition is not None and parent.transition["kind"] in ("foreach", "parallel"):
            stack = (*stack, _frame(parent, place_index(message.place)))
    else:
        stack = ()
    record.stack = tuple(stack)
    for readable in (constants(), rows, *(one.artifacts for one in parents)):
        artifacts.check_readable(_visible(readable))  # before the body, which may run for hours until it reads one
    return Binding(
        step=step,
        graph=world.graph,
        rows=rows,
        constants=constants,
        load=artifacts.load,
        frozen=[*parameters_of(world.flow_class), *constants_of(world.flow_class)],
        frames=[_foreach_frame(frame, artifacts) for frame in stack],
        inputs=inputs,
    )


def _constants_reader(message: Message, world: World) -> Callable[[], Mapping[str, Any]]:
    key = message.constants
    return (lambda: world.constants(key).artifacts) if key else dict


def _join_records(message: Message, world: World) -> tuple[Records, Record | None]:
    if message.inputs is not None:
        return records.BundledRecords(world.datastore.get(message.inputs), message.inputs), None
    if message.split is None:
        raise KeyMissing(keys.inputs(world.flow, world.run, message.step, message.place))
    return [], records.read_record(world.datastore, message.split)


class _Made(Sequence[Input]):
    """Inputs of a join, each made when it is asked for, once."""

    def __init__(self, found: Records, make: Callable[[Record], Input]) -> None:
        self._found, self._make = found, make
        self._made: dict[int, Input] = {}

    def __len__(self) -> int:
        return len(self._found)

    def __getitem__(self, number: Any) -> Any:
        if isinstance(number, slice):
            return [self[one] for one in range(*number.indices(len(self)))]
        at = range(len(self))[number]
        if at not in self._made:
            self._made[at] = self._make(self._found[at])
        return self._made[at]


def _visible(rows: Mapping[str, Any]) -> Mapping[str, Any]:
    if FOREACH_ITEMS not in rows:
        return rows
    return {name: row for name, row in rows.items() if name != FOREACH_ITEMS}


def _frame(split: Record, index: int) -> dict[str, Any]:
    transition = Transition.of(split.transition or {})
    return {
        "step": split.step,
        "var": transition.var,
        "index": index,
        "width": transition.width,
        "items": split.artifacts[FOREACH_ITEMS],
    }


def _foreach_frame(frame: Mapping[str, Any], artifacts: Artifacts) -> ForeachFrame:
    return ForeachFrame(
        frame["step"],
        frame["var"],
        frame["index"],
        frame["width"],
        lambda: artifacts.load_item(frame["items"], frame["index"]),
    )


def _set_current(message: Message, world: World, step: Step, binding: Binding) -> None:
    nodes = {}
    if message.nodes or (step.parallel_step and binding.frames):
        width = message.nodes or binding.frames[-1].width
        main_ip = os.environ.get(MAIN_ADDRESS_VARIABLE, "127.0.0.1") if message.nodes else None
        lead = place_beside(message.place, 0)
        nodes["parallel"] = Parallel(width, place_index(message.place), lead, main_ip)
    current._set(
        (world.datastore, world.opened),
        flow_name=world.flow,
        run_id=world.run,
        step_name=message.step,
        task_id=message.place,
        retry_count=message.attempt,
        parameter_names=list(parameters_of(world.flow_class)),
        graph=world.graph,
        **nodes,
        **world.facts,
    )


# ------------------------------------------------------------------------------------------------- body


def _call(step: Step, task: Task, binding: Binding, world: World) -> None:
    function = getattr(world.flow_class, step.name)

    def body() -> None:
        if task.handler is not None:
            from penstock.authoring.decorators import FailureHandledByCatch

            raise FailureHandledByCatch(task.handler)
        if step.is_join:
            function(task.flow, binding.inputs)
        else:
            function(task.flow)

    call = body
    for decorator in decorators_of(world.flow_class, step.name):
        call = _around(decorator, task, call)
    call()


def _around(decorator: Any, task: Task, inner: Callable[[], None]) -> Callable[[], None]:
    return lambda: decorator.around(task, inner)


def _transition(
    step: Step, binding: Binding, artifacts: Artifacts, record: Record, *, caught: bool, limit: int
) -> Transition:
    following = binding.following
    if step.kind == "end":
        return Transition("end")
    if following is None:
        if caught and step.kind in ("linear", "split"):
            return Transition(step.kind, step.to)
        raise FlowError(
            f"step {step.name!r} ended without self.next",
            where=f"{step.file}:{step.line}",
            hint=f"end it with self.next(self.{step.to[0] if step.to else 'end'})",
        )
    if following.kind in ("foreach", "parallel"):
        items = _at_most(limit, binding.items or (), step)
        row, following.width = artifacts.store_items(items)
        record.artifacts[FOREACH_ITEMS] = row
    return following


def _at_most(limit: int, items: Iterable[Any], step: Step) -> Iterator[Any]:
    """The items of a foreach; too many are refused before they are all stored. Raises FlowError."""
    known = len(items) if isinstance(items, Sized) else None
    for number, item in enumerate(items):
        if number == limit or (known or 0) > limit:
            raise FlowError(
                f"its foreach has {known or f'over {limit}'} items, more than --max-num-splits={limit}",
                where=f"{step.file}:{step.next_line}",
                hint=f"flow run {os.path.basename(step.file)} --max-num-splits={known or 10 * limit}",
            )
        yield item


# ------------------------------------------------------------------------------------------------ store


def _stored(flow: FlowSpec, binding: Binding, artifacts: Artifacts, *, lenient: bool) -> dict[str, Any]:
    """Rows of everything that the next step sees. lenient: after an exception, what can't be stored is left out."""
    kept = {name: row for name, row in binding.rows.items() if name not in binding.deleted}
    kept.update(binding.adopted)
    consumed = binding.following.var if binding.following is not None and binding.items is not None else None
    for name, value in assigned(flow).items():
        before = binding.loaded.get(name)
        if before is not None and before[1] is value:
            row = before[0]
            if name not in kept:
                continue  # a parameter or constant that was read
            if not isinstance(value, _UNCHANGEABLE):
                row = artifacts.store_again(name, value, row)
            kept[name] = row
            continue
        if name == consumed and hasattr(value, "__next__"):
            kept.pop(name, None)  # a generator: its items are stored, itself it is used up
            continue
        try:
            kept[name] = artifacts.store(name, value)
        except ArtifactError:
            if not lenient:
                raise
            kept.pop(name, None)
    return kept


# ------------------------------------------------------------------------------------------- parameters


def _run_parameters(message: Message, world: World, artifacts: Artifacts, record: Record) -> None:
    given = message.given or {}
    current._set(
        (world.datastore, world.opened),
        flow_name=world.flow, run_id=world.run, step_name=message.step, task_id=message.place, **world.facts,
    )  # fmt: skip
    for attribute, value in constants_of(world.flow_class).items():
        try:
            record.artifacts[attribute] = artifacts.store(attribute, value)
        except ArtifactError:
            continue  # a module, a lock ...: readable from the class in every step, but nothing that can be kept
    record.artifacts[GRAPH_INFO] = artifacts.store(GRAPH_INFO, _graph_info(world))
    for attribute, parameter in parameters_of(world.flow_class).items():
        context = ParameterContext(
            flow_name=world.flow, user_name=world.facts.get("username", ""), parameter_name=parameter.name, configs={}
        )
        value = parameter.value(given.get(parameter.name), context)
        record.artifacts[attribute] = artifacts.store(attribute, value)
    record.transition = Transition("linear", [world.graph.start]).data()


def _graph_info(world: World) -> dict[str, Any]:
    """Where the flow begins and ends, as Metaflow's tools look for it; the whole graph stands in the run's header."""
    graph = world.graph
    return {
        "file": os.path.basename(graph.file), "start_step": graph.start, "end_step": graph.end,
        "parameters": list(parameters_of(world.flow_class)), "constants": list(constants_of(world.flow_class)),
    }  # fmt: skip


# ------------------------------------------------------------------------------------------------- facts


def _usage() -> tuple[float, int]:
    """CPU seconds and largest resident memory in bytes, of this process."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    unit = 1 if sys.platform == "darwin" else 1024  # getrusage(2): kilobytes on Linux, bytes on macOS
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss * unit


def job_facts() -> dict[str, str]:
    """What the executor of this process said of the place where it runs."""
    said = os.environ.get(FACTS_VARIABLE)
    if not said:
        return {}
    import json

    return {str(name): str(text) for name, text in json.loads(said).items()}


def _host_name() -> str:
    return os.uname().nodename
