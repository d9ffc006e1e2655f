"""One step of a flow, run in this process for a unit test of the user's own.

    from penstock.testing import run_step
    from petsflow import PetsFlow

    def test_count():
        found = run_step(PetsFlow, "count", artifacts={"animals": ["cat", "dog"]}, parameters={"least": 1})
        assert found.total == 2
        assert found.transition.steps == ("join",)

    def test_join():
        found = run_step(PetsFlow, "join", inputs=[{"total": 2}, {"total": 3}])
        assert found.sum == 5

    def test_an_item():
        found = run_step(PetsFlow, "feed", foreach=[(["cat", "dog"], 1)])      # self.input == "dog", self.index == 1
        assert found.stdout == "feeding the dog\\n"

The step runs inside its decorators, but once: `@retry` is the scheduler's. Artifacts are pickled and loaded again, as
between two real steps, in a store that lives in memory and is gone with the result.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys

from penstock.authoring import decorators
from penstock.authoring.context import current
from penstock.authoring.flow import constants_of
from penstock.authoring.graph import FANS
from penstock.authoring.parameters import convert, parameters_of
from penstock.errors import UsageError
from penstock.host.declare import graph_of
from penstock.nearest import hint
from penstock.running import attempt
from penstock.running.message import Message
from penstock.running.world import World
from penstock.storage import bundle, keys, records
from penstock.storage.artifacts import Artifacts
from penstock.testing.memory_datastore import MemoryDatastore
from penstock.user_name import user_name
from penstock.values import FOREACH_ITEMS, PARAMETERS_STEP, SUCCEEDED, Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import Any, TextIO

    from penstock.authoring.flow import FlowSpec
    from penstock.authoring.graph import Graph, Step

    Artifact = Mapping[str, Any]  # name -> value
    Inputs = Sequence[Artifact] | Mapping[str, Artifact | Sequence[Artifact]]

RUN = "step-under-test"  # the run's id, as `current.run_id` has it


class StepTransition:
    """What `self.next` said.

    kind: `linear`, `split`, `switch`, `foreach`, `parallel` or `end`; steps: those that follow, of a switch the chosen
    one; items: of a foreach, as the tasks get them, else None; num_parallel: number of nodes, else None.
    """

    __slots__ = ("items", "kind", "num_parallel", "steps")

    def __init__(self, kind: str, steps: Iterable[str], items: list[Any] | None, num_parallel: int | None) -> None:
        self.kind, self.steps, self.items, self.num_parallel = kind, tuple(steps), items, num_parallel

    def __repr__(self) -> str:
        over = f" over {len(self.items)} items" if self.items is not None else ""
        return f"<{self.kind} to {', '.join(self.steps) or 'nothing'}{over}>"


class StepResult:
    """What a step left. Each artifact is an attribute too: `found.total` is `found.artifacts["total"]`.

    artifacts: all that the next step sees, those that this one only passed on included; stdout, stderr: what Python
    code printed.
    """

    def __init__(self, artifacts: dict[str, Any], transition: StepTransition, stdout: str, stderr: str) -> None:
        self.artifacts, self.transition, self.stdout, self.stderr = artifacts, transition, stdout, stderr

    def __getattr__(self, name: str) -> Any:
        artifacts = self.__dict__.get("artifacts", {})
        if name in artifacts:
            return artifacts[name]
        known = hint(name, sorted(artifacts))
        raise AttributeError(f"the step left no artifact {name!r}" + (f"; {known}" if known else ""))

    def __repr__(self) -> str:
        return f"<StepResult {self.transition!r}: {', '.join(sorted(self.artifacts)) or 'no artifacts'}>"


def run_step(
    flow: type[FlowSpec],
    step: Any,
    *,
    artifacts: Artifact | None = None,
    inputs: Inputs | None = None,
    parameters: Mapping[str, Any] | None = None,
    foreach: Sequence[tuple[Sequence[Any], int]] = (),
    retry_count: int = 0,
) -> StepResult:
    """Run one step of a flow and return what it left; what its body raises is raised as it is.

    step: its name, or `PetsFlow.count`. artifacts: what the step before left. inputs: of a join, the artifacts of each
    parent in order, or by the parents' names; over no inputs at all `artifacts` are those of the split.
    parameters: by name; the others have their defaults. foreach: items and index for each foreach around the step, the
    outermost first. retry_count: as `current.retry_count`.
    Raises UsageError for names that the flow lacks, and FlowError for a graph that could not run either.
    """
    graph = graph_of(flow)
    found = _step_of(flow, graph, step)
    given = dict(artifacts or {})
    _check(flow, found, given, inputs)
    user = user_name()
    facts: dict[str, Any] = {"username": user, "namespace": f"user:{user}", "origin_run_id": None, "tags": []}
    world = World(flow_class=flow, graph=graph, datastore=MemoryDatastore(), opened={"run": RUN, "facts": facts})
    out, err = _Copy(sys.stdout), _Copy(sys.stderr)
    before = vars(current).copy()
    try:
        constants = _put_parameters(world, parameters or {})
        past = _Past(world, found, foreach)
        message = Message(
            step=found.name, place=past.place, attempt=retry_count, token=records.new_token(), constants=constants,
            **past.of_join(inputs, given) if found.is_join else past.of_step(given),
        )  # fmt: skip
        variables = decorators.environment_of(found.decorators)
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), _variables(variables):
            record = attempt.run(message, world, lambda: (None, None), raises=True)
    finally:
        vars(current).update(before)
    return _result(world, record, out.getvalue(), err.getvalue())


# ------------------------------------------------------------------------------------------- what was asked


def _step_of(flow: type[FlowSpec], graph: Graph, step: Any) -> Step:
    name = step if isinstance(step, str) else getattr(step, "__name__", None)
    if name not in graph.steps:
        raise UsageError(f"{flow.__name__} has no step {name or step!r}", hint=hint(str(name), graph.steps))
    return graph.steps[name]


def _check(flow: type[FlowSpec], step: Step, artifacts: Artifact, inputs: Inputs | None) -> None:
    call = f"run_step({flow.__name__}, {step.name!r}"
    if step.is_join and inputs is None:
        raise UsageError(f"{step.name} is a join: it reads inputs", hint=call + ", inputs=[{...}, {...}])")
    if not step.is_join and inputs is not None:
        raise UsageError(f"{step.name} is no join: it has no inputs", hint=call + ", artifacts={...})")
    if artifacts and inputs:
        raise UsageError(f"{step.name} is a join: it sees its inputs alone", hint=call + ", inputs=[{...}, {...}])")
    if artifacts and not step.is_join and not step.parents:
        raise UsageError(f"{step.name} is the first step: no step before it left artifacts", hint=call + ")")
    fixed = {**parameters_of(flow), **constants_of(flow)}
    for name in artifacts:
        if name in fixed:
            raise UsageError(
                f"{name} is a parameter or a constant of {flow.__name__}, no artifact",
                hint=f"{call}, parameters={{{name!r}: ...}})",
            )


def _put_parameters(world: World, given: Mapping[str, Any]) -> str:
    """Key of the record of `_parameters`, which this makes as a run would."""
    flow = world.flow_class.__name__
    known = {parameter.name: parameter.data() for parameter in parameters_of(world.flow_class).values()}
    texts = {}
    for name, value in given.items():
        if name not in known:
            raise UsageError(f"{flow} has no parameter {name!r}", hint=hint(name, known))
        texts[name] = _as_text(known[name], value)
        convert(known[name], texts[name])
    missing = [name for name, one in known.items() if one["required"] and name not in texts]
    if missing:
        raise UsageError(f"{flow} needs the parameter {missing[0]}", hint=f"parameters={{{missing[0]!r}: ...}}")
    message = Message(step=PARAMETERS_STEP, place="0", attempt=0, token=records.new_token(), given=texts)
    return records.key_of(attempt.run(message, world, lambda: (None, None), raises=True))


def _as_text(declared: Mapping[str, Any], value: Any) -> str:
    """A value of Python's as one would type it."""
    if isinstance(value, str):
        return value
    if declared["separator"] is not None:
        return str(declared["separator"]).join(map(str, value))
    try:
        return json.dumps(value)
    except TypeError as error:
        raise UsageError(
            f"parameter {declared['name']} can't be {value!r}: {error}", hint="a text, a number, a list or a dict"
        ) from error


class _Past:
    """Records of the steps before, as far as the step looks back."""

    def __init__(self, world: World, step: Step, foreach: Sequence[tuple[Sequence[Any], int]]) -> None:
        self._world, self._step, self._artifacts = world, step, Artifacts(world.datastore)
        openers = [world.graph.steps[name] for name in step.split_parents]
        self._openers = [opener for opener in openers if opener.kind in FANS]
        if len(foreach) > len(self._openers):
            raise UsageError(
                f"{step.name} is inside of {len(self._openers)} foreach, not {len(foreach)}",
                hint=f"run_step({world.flow_class.__name__}, {step.name!r}, foreach=[(ITEMS, INDEX)])",
            )
        self._frames = [self._frame(*pair) for pair in zip(self._openers, foreach, strict=False)]
        self.place = ".".join(str(frame["index"]) for frame in self._frames) or "0"

    def _frame(self, opener: Step, over: tuple[Sequence[Any], int]) -> dict[str, Any]:
        items, index = over
        row, width = self._artifacts.store_items(items)
        if not 0 <= index < width:
            raise UsageError(f"the foreach of {opener.name} has {width} items, none with the index {index}")
        return {"step": opener.name, "var": opener.var, "index": index, "width": width, "items": row}

    def of_step(self, artifacts: Artifact) -> dict[str, Any]:
        """What the message of an ordinary step says of the step before."""
        if not self._step.parents:
            return {}
        return {"parents": (self._put(self._step.parents[0], 0, artifacts),)}

    def of_join(self, inputs: Inputs | None, of_split: Artifact) -> dict[str, Any]:
        """What the message of a join says of its parents."""
        found = [self._put(name, number, one) for number, (name, one) in enumerate(self._named(inputs or ()))]
        if not found:
            return {"split": self._put(self._step.parents[0], 0, of_split)}
        key = keys.inputs(self._world.flow, RUN, self._step.name, self.place)
        datastore = self._world.datastore
        datastore.put(key, bundle.encode(raw or b"" for _, raw in datastore.get_many(found)))
        return {"inputs": key}

    def _named(self, inputs: Inputs) -> Iterator[tuple[str, Artifact]]:
        """Each input with the name of the step that it comes from."""
        parents = self._step.parents
        if not hasattr(inputs, "items"):
            for number, one in enumerate(inputs):
                yield parents[number if len(parents) > 1 and number < len(parents) else 0], one
            return
        for name, given in inputs.items():
            if name not in parents:
                raise UsageError(f"no input of {self._step.name} comes from a step {name!r}", hint=hint(name, parents))
            several: Any = [given] if hasattr(given, "items") else given
            for one in several:
                yield name, one

    def _put(self, step: str, number: int, artifacts: Artifact) -> str:
        """Put the record of an attempt that left these artifacts; returns its key."""
        record = Record(
            flow=self._world.flow, run=RUN, step=step, place=f"{number}", attempt=0, outcome=SUCCEEDED,
            token=records.new_token(), stack=self._frames,
            artifacts={name: self._artifacts.store(name, value) for name, value in artifacts.items()},
        )  # fmt: skip
        records.claim_record(self._world.datastore, record)
        return records.key_of(record)


# ----------------------------------------------------------------------------------------------- meanwhile


class _Copy(io.StringIO):
    """Keeps what is printed, and passes it on, so that pytest shows it beside a failure."""

    def __init__(self, onward: TextIO) -> None:
        super().__init__()
        self._onward = onward

    def write(self, text: str) -> int:
        self._onward.write(text)
        return super().write(text)

    def fileno(self) -> int:
        return self._onward.fileno()

    def flush(self) -> None:
        self._onward.flush()


@contextlib.contextmanager
def _variables(changes: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in changes}
    os.environ.update(changes)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _result(world: World, record: Record, stdout: str, stderr: str) -> StepResult:
    artifacts = Artifacts(world.datastore)
    said = record.transition or {}
    kind, width = said["kind"], said.get("width") or 0
    row = record.artifacts.get(FOREACH_ITEMS)
    transition = StepTransition(
        kind,
        said.get("to") or (),
        [artifacts.load_item(row, index) for index in range(width)] if kind == "foreach" and row is not None else None,
        width if kind == "parallel" else None,
    )
    left = {name: artifacts.load(name, row) for name, row in record.artifacts.items() if name != FOREACH_ITEMS}
    return StepResult(left, transition, stdout, stderr)
