"""FlowSpec: what a user subclasses. Artifacts are attributes, `self.next` says what follows.

A flow object means something only inside an attempt: `attempt.py` makes one, gives it a `Binding`, runs a step's body
on it and looks at what the body left. Everything that the user's code may touch is in this file.
"""

from __future__ import annotations

from penstock.errors import ArtifactError, FlowError
from penstock.values import Transition

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import Any

    from penstock.authoring.decorators import StepDecorator
    from penstock.authoring.graph import Graph, Step
    from penstock.authoring.projects import project

    Row = Mapping[str, Any]  # of an artifact, as `artifacts.py` makes it


class UnhandledInMergeArtifactsException(ArtifactError):
    """Inputs of a join have different values of an artifact, and nobody says which to take."""


class MissingInMergeArtifactsException(ArtifactError):
    """An artifact that `include` names is in no input."""


# ------------------------------------------------------------------------------------ what a body sees


class ForeachFrame:
    """One foreach around a task. index: this task's item; width: number of items;
    value: the item, loaded when asked."""

    __slots__ = ("_load", "_value", "index", "step", "var", "width")

    def __init__(self, step: str, var: str, index: int, width: int, load: Callable[[], Any]) -> None:
        self.step, self.var, self.index, self.width = step, var, index, width
        self._load: Callable[[], Any] | None = load
        self._value: Any = None

    @property
    def value(self) -> Any:
        """The item."""
        if self._load is not None:
            self._value, self._load = self._load(), None
        return self._value


class Input:
    """One parent of a join: its artifacts as attributes, each loaded when first read."""

    def __init__(
        self,
        step: str,
        rows: Mapping[str, Row],
        constants: Callable[[], Mapping[str, Row]],
        load: Callable[[str, Row], Any],
    ) -> None:
        self.__dict__.update(_step=step, _rows=rows, _constants=constants, _load=load)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        row = self._rows.get(name) or self._constants().get(name)
        if row is None:
            raise AttributeError(_no_artifact(f"the input from step {self._step!r}", name, self._rows))
        value = self._load(name, row)
        self.__dict__[name] = value
        return value

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"inputs can't be changed; assign self.{name} in the join instead")

    def __dir__(self) -> list[str]:
        return sorted(self._rows)

    def __reduce__(self) -> Any:
        raise TypeError("an input of a join can't be kept: assign what is needed of it")

    def __repr__(self) -> str:
        return f"<Input from {self._step}: {', '.join(sorted(self._rows)) or 'no artifacts'}>"


class Inputs:
    """The parents of a join: by number in the order of the list or of the branches, by name for static branches."""

    def __init__(self, inputs: Sequence[Input], split_rows: Mapping[str, Row] | None = None) -> None:
        self._inputs = inputs
        self._split_rows = split_rows  # of the split itself, where a foreach over nothing left no inputs

    def __iter__(self) -> Iterator[Input]:
        return iter(self._inputs)

    def __len__(self) -> int:
        return len(self._inputs)

    def __getitem__(self, number: Any) -> Any:
        return self._inputs[number]

    def __getattr__(self, name: str) -> Input:
        inputs: Sequence[Input] = self.__dict__.get("_inputs", ())
        found = [one for one in inputs if one._step == name]
        if len(found) == 1:
            return found[0]
        if found:
            raise AttributeError(f"{len(found)} inputs come from step {name!r}; take them by number: inputs[0]")
        steps = sorted({one._step for one in inputs})
        raise AttributeError(f"no input comes from a step {name!r}; there are: {', '.join(steps) or 'none'}")


class Binding:
    """What an attempt gives its flow object, and what it finds there after the body.

    rows: artifacts that the body inherits; constants: those of `_parameters`, fetched when first asked for;
    load: `(name, row) -> value`. `loaded`, `adopted`, `deleted` and `following` are filled by the body.
    """

    __slots__ = (
        "_constants", "adopted", "deleted", "following", "frames", "frozen", "get_constants", "graph", "inputs",
        "items", "load", "loaded", "rows", "step",
    )  # fmt: skip

    def __init__(
        self,
        *,
        step: Step,
        graph: Graph,
        rows: Mapping[str, Row],
        constants: Callable[[], Mapping[str, Row]],
        load: Callable[[str, Row], Any],
        frozen: Iterable[str] = (),
        frames: Sequence[ForeachFrame] = (),
        inputs: Inputs | None = None,
    ) -> None:
        self.step, self.graph, self.rows, self.load = step, graph, rows, load
        self.get_constants = constants
        self._constants: Mapping[str, Row] | None = None
        self.frozen, self.frames, self.inputs = frozenset(frozen), frames, inputs
        self.loaded: dict[str, tuple[Row, Any]] = {}  # read by the body, perhaps changed in place
        self.adopted: dict[str, Row] = {}  # taken over by merge_artifacts without loading
        self.deleted: set[str] = set()
        self.following: Transition | None = None
        self.items: Iterable[Any] | None = None  # of a foreach, as the user gave them

    @property
    def constants(self) -> Mapping[str, Row]:
        """Rows of parameters and class constants."""
        if self._constants is None:
            self._constants = self.get_constants()
        return self._constants

    def row(self, name: str) -> Row | None:
        """The row behind an attribute that the body has not assigned."""
        if name in self.deleted:
            return None
        return self.adopted.get(name) or self.rows.get(name) or self.constants.get(name)

    def fetch(self, flow: FlowSpec, name: str) -> Any:
        """Load an artifact into the flow object. Raises AttributeError when there is none of this name."""
        row = self.row(name)
        if row is None:
            known = [*self.rows, *self.adopted, *self.frozen]
            raise AttributeError(_no_artifact(f"step {self.step.name!r}", name, known))
        value = self.load(name, row)
        self.loaded[name] = (row, value)
        flow.__dict__[name] = value
        return value


def _no_artifact(owner: str, name: str, names: Iterable[str]) -> str:
    import difflib

    known = sorted(found for found in names if not found.startswith("_"))
    near = difflib.get_close_matches(name, known, 1)
    if near:
        return f"{owner} has no artifact {name!r}. Did you mean {near[0]!r}?"
    return f"{owner} has no artifact {name!r}; it has: {', '.join(known) or 'none'}"


# ----------------------------------------------------------------------------------- what a user writes


class _FlowName:
    """Name of the flow, unless a step assigned an artifact `name`: no data descriptor, so the artifact wins."""

    def __get__(self, flow: FlowSpec | None, flow_class: type[FlowSpec]) -> str:
        return flow_class.__name__


class FlowSpec:
    """A flow: subclass it, mark methods with `@step`, end each with `self.next(...)`.

    `PetsFlow()` in a script is the command line of this flow; `PetsFlow(use_cli=False)` only makes the object.
    """

    _binding: Binding | None = None
    name = _FlowName()

    _being_imported = False  # set while a host imports the flow file
    _project: project | None = None  # set by the decorator of that name
    _added_decorators: tuple[StepDecorator, ...] = ()  # those of `--with`

    def __init__(self, use_cli: bool = True) -> None:
        if use_cli and FlowSpec._being_imported:
            call = f"{type(self).__name__}()"
            raise FlowError(
                f"the file calls {call} while it is imported", hint=f'if __name__ == "__main__": {call}'
            )
        if use_cli:
            from penstock.running.launch import main

            main(type(self))

    # -- attributes

    def __getattr__(self, name: str) -> Any:
        binding = self.__dict__.get("_binding")
        if binding is None or name.startswith("__"):
            raise AttributeError(f"{type(self).__name__!r} has no attribute {name!r}")
        return binding.fetch(self, name)

    def __setattr__(self, name: str, value: Any) -> None:
        binding = self.__dict__.get("_binding")
        if binding is not None:
            if name in binding.frozen:
                raise AttributeError(
                    f"self.{name} is a parameter or a constant of the class: it is the same in every step; "
                    f"use another name for the changed value"
                )
            if isinstance(getattr(type(self), name, None), property):
                raise AttributeError(f"self.{name} is a word of FlowSpec; use another name for the artifact")
            binding.deleted.discard(name)
        self.__dict__[name] = value

    def __delattr__(self, name: str) -> None:
        binding = self.__dict__.get("_binding")
        known = name in self.__dict__
        if binding is not None and not known:
            known = name not in binding.constants and binding.row(name) is not None
        if not known or (binding is not None and name in binding.frozen):
            raise AttributeError(f"self.{name} can't be deleted: no step assigned it")
        self.__dict__.pop(name, None)
        if binding is not None:
            binding.deleted.add(name)
            binding.adopted.pop(name, None)

    # -- what a step may ask

    @property
    def index(self) -> int | None:
        """Number of this task's item in the innermost foreach, None outside any."""
        frames = self._bound().frames
        return frames[-1].index if frames else None

    @property
    def input(self) -> Any:
        """This task's item of the innermost foreach, None outside any."""
        frames = self._bound().frames
        return frames[-1].value if frames else None

    def foreach_stack(self) -> list[tuple[int, int, Any]]:
        """`(index, number of items, item)` of each foreach around this task, outermost first."""
        return [(frame.index, frame.width, frame.value) for frame in self._bound().frames]

    @property
    def _foreach_stack(self) -> Sequence[ForeachFrame]:
        return self._bound().frames

    @property
    def _current_step(self) -> str:
        name: str = self._bound().step.name
        return name

    @property
    def _graph(self) -> Graph:
        binding = self.__dict__.get("_binding")
        if binding is not None:
            graph: Graph = binding.graph
            return graph
        from penstock.authoring.graph_source import graph_of_class

        return graph_of_class(type(self))

    def __iter__(self) -> Iterator[Step]:
        """Steps, in the order of the graph."""
        return iter(self._graph.steps.values())

    def __reduce__(self) -> Any:
        raise TypeError("a flow can't be kept: assign what is needed of it")

    def _bound(self) -> Binding:
        binding: Binding | None = self.__dict__.get("_binding")
        if binding is None:
            raise AttributeError("this is known only inside a running step")
        return binding

    # -- what a step states

    def next(
        self,
        *steps: Any,
        foreach: str | None = None,
        condition: str | None = None,
        num_parallel: int | None = None,
    ) -> None:
        """State what follows; the last line of every step but the last.

        steps: methods of the flow, or with `condition` one dict of the attribute's text -> step. foreach: name of the
        attribute whose items each get a task. num_parallel: number of nodes.
        Raises FlowError when called twice, or when the attribute can't be used so.
        """
        binding = self._bound()
        where = f"{binding.step.file}:{binding.step.line}"
        if binding.following is not None:
            raise FlowError(f"step {binding.step.name!r} calls self.next twice", where=where)
        if condition is not None:
            binding.following = Transition("switch", [self._chosen(steps, condition, where)])
        elif foreach is not None:
            items = self._attribute(foreach, where)
            if not hasattr(items, "__iter__"):
                raise FlowError(
                    f"foreach={foreach!r}: self.{foreach} is of type {type(items).__name__}, which has no items",
                    where=where,
                    hint=f"assign a list to self.{foreach} before self.next",
                )
            binding.items = items
            binding.following = Transition("foreach", [self._named(steps[0])], var=foreach)
        elif num_parallel is not None:
            if not isinstance(num_parallel, int) or num_parallel < 1:
                raise FlowError(f"num_parallel must be a whole number from 1, not {num_parallel!r}", where=where)
            binding.items = range(num_parallel)
            binding.following = Transition("parallel", [self._named(steps[0])], var="_parallel")
        else:
            names = [self._named(one) for one in steps]
            binding.following = Transition("linear" if len(names) == 1 else "split", names)

    def _named(self, step: Any) -> str:
        return _step_name(step, self._bound().graph, self.__dict__)

    def _attribute(self, name: str, where: str) -> Any:
        try:
            return getattr(self, name)
        except AttributeError as error:
            raise FlowError(
                f"self.next names the attribute {name!r}, but {error}", where=where, hint=f"assign self.{name} first"
            ) from None

    def _chosen(self, steps: tuple[Any, ...], condition: str, where: str) -> str:
        cases = {str(case): self._named(target) for case, target in dict(steps[0]).items()}
        value = str(self._attribute(condition, where))
        if value not in cases:
            raise FlowError(
                f"self.{condition} is {value!r}, and self.next has no case for it",
                where=where,
                hint=f"the cases are: {', '.join(map(repr, cases))}",
            )
        return cases[value]

    def merge_artifacts(
        self, inputs: Inputs, exclude: Sequence[str] | None = None, include: Sequence[str] | None = None
    ) -> None:
        """In a join: take over each artifact that is equal on all inputs that have it.

        A name that `self` has already is left alone. exclude: names to pass over; include: only these names.
        Nothing is set when an error is raised: ArtifactError for both lists at once or outside a join,
        UnhandledInMergeArtifactsException for values that differ, MissingInMergeArtifactsException for a name of
        `include` that no input has.
        """
        binding = self._bound()
        if binding.inputs is None:
            raise ArtifactError(f"merge_artifacts belongs in a join; step {binding.step.name!r} is none")
        if exclude and include:
            raise ArtifactError("merge_artifacts takes `include` or `exclude`, not both")
        found: dict[str, list[tuple[str, Row]]] = {}
        for one in inputs:
            for name, row in one._rows.items():
                found.setdefault(name, []).append((one._step, row))
        if not len(inputs) and binding.inputs._split_rows is not None:
            found = {name: [("the split", row)] for name, row in binding.inputs._split_rows.items()}
        wanted = set(include or found) - set(exclude or ()) - set(self.__dict__) - binding.frozen
        wanted = {name for name in wanted if include or not name.startswith("_")}
        missing = sorted(wanted - set(found)) if include else []
        if missing:
            raise MissingInMergeArtifactsException(
                f"no input has {', '.join(missing)}", hint=f"inputs have: {', '.join(sorted(found)) or 'none'}"
            )
        unequal = sorted(name for name in wanted if len({row["hash"] for _, row in found[name]}) > 1)
        if unequal:
            where = "; ".join(f"{name} (from {', '.join(sorted({s for s, _ in found[name]}))})" for name in unequal)
            raise UnhandledInMergeArtifactsException(
                f"these artifacts differ between the inputs: {where}",
                hint=f"assign self.{unequal[0]} before merge_artifacts, or pass exclude={unequal!r}",
            )
        for name in wanted:
            binding.adopted[name] = found[name][0][1]
            binding.deleted.discard(name)

    # -- notebook

    @classmethod
    def run(cls, **parameters: Any) -> Any:
        """Run this flow from Python with these parameters and return its `Run`. Raises RunFailed.

        Its class may stand in a file, or in the cells of a notebook.
        """
        from penstock.running.launch import run_class

        return run_class(cls, parameters)

    def __repr__(self) -> str:
        binding = self.__dict__.get("_binding")
        return f"<{type(self).__name__}{' in step ' + binding.step.name if binding else ''}>"


def _step_name(step: Any, graph: Graph, assigned_names: Iterable[str]) -> str:
    name = getattr(step, "__name__", None)
    if isinstance(name, str) and name in graph.steps:
        return name
    hiding = sorted(set(assigned_names) & graph.steps.keys())
    if hiding:
        raise FlowError(
            f"self.{hiding[0]} is a step, and the artifact of that name hides it",
            hint=f"give the artifact another name than {hiding[0]!r}",
        )
    raise FlowError(f"self.next takes steps of the flow, not {step!r}", hint="self.next(self.name_of_a_step)")


def bind(flow_class: type[FlowSpec], binding: Binding) -> FlowSpec:
    """A flow object for one attempt. The user's `__init__` is not called."""
    flow = flow_class.__new__(flow_class)
    flow.__dict__["_binding"] = binding
    return flow


def assigned(flow: FlowSpec) -> dict[str, Any]:
    """What is on the flow object now: assigned by the body, or loaded and perhaps changed in place."""
    return {name: value for name, value in flow.__dict__.items() if name != "_binding"}


def constants_of(flow_class: type[FlowSpec]) -> dict[str, Any]:
    """Class constants: public class attributes that are no steps, no methods, no parameters. Subclasses win."""
    found: dict[str, Any] = {}
    for cls in reversed(flow_class.__mro__):
        if cls is object or cls is FlowSpec:
            continue
        for name, value in vars(cls).items():
            if name.startswith("_"):
                continue
            if callable(value) or hasattr(type(value), "__get__"):
                found.pop(name, None)
            else:
                found[name] = value
    return found

