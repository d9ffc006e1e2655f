"""The graph of a flow: steps, what follows what, and how splits and joins nest.
Pure values; read from source elsewhere."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ast
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Any

LINEAR, SPLIT, SWITCH, FOREACH, PARALLEL, END = "linear", "split", "switch", "foreach", "parallel", "end"
FANS = (FOREACH, PARALLEL)  # each item or node gets a place of its own
OPENERS = (SPLIT, *FANS)  # what a join must close again


class Step:
    """One step as its source says it.

    kind: what its `self.next` does: `linear`, `split`, `switch`, `foreach`, `parallel` or `end`.
    to: the steps that may follow; cases: of a switch, text of `condition` -> step; var: attribute of a foreach.
    is_join: its function takes `inputs`; is_wrapped: another function is called, around its own.
    file, line: of its `def`; next_line: of its `self.next`, `line` without one.
    decorators: as data, outermost last, the way Python applies them.
    tree: of its function, where it was read from source.

    Computed by `Graph`: parents (steps that name this one); split_parents (splits that are open around it, outermost
    first) and split_branches (the branch taken in each); depth (how many of them are foreach or parallel);
    join (of a split: the step that closes it).
    """

    __slots__ = (
        "cases", "condition", "decorators", "depth", "doc", "file", "is_join", "is_wrapped", "join", "kind", "line",
        "name", "next_line", "parents", "split_branches", "split_parents", "to", "tree", "var",
    )  # fmt: skip

    def __init__(
        self,
        name: str,
        *,
        kind: str,
        to: Iterable[str] = (),
        is_join: bool = False,
        is_wrapped: bool = False,
        var: str | None = None,
        condition: str | None = None,
        cases: Mapping[str, str] | None = None,
        file: str = "",
        line: int = 0,
        next_line: int | None = None,
        doc: str = "",
        decorators: Iterable[Mapping[str, Any]] = (),
        tree: ast.FunctionDef | ast.AsyncFunctionDef | None = None,
    ) -> None:
        self.tree, self.is_wrapped = tree, is_wrapped
        self.name, self.kind, self.to, self.is_join = name, kind, tuple(to), is_join
        self.var, self.condition, self.cases = var, condition, dict(cases or {})
        self.file, self.line, self.doc = file, line, doc
        self.next_line = line if next_line is None else next_line
        self.decorators: tuple[Mapping[str, Any], ...] = tuple(decorators)
        self.parents: tuple[str, ...] = ()
        self.split_parents: tuple[str, ...] = ()
        self.split_branches: tuple[str, ...] = ()
        self.depth = 0
        self.join: str | None = None

    @property
    def type(self) -> str:
        """The kind under Metaflow's names: a join is `join`, a switch `split-switch`."""
        if self.kind == SWITCH:
            return "split-switch"
        return "join" if self.is_join and self.kind in (LINEAR, END) else self.kind

    @property
    def in_funcs(self) -> list[str]:
        """Names of the steps before, as Metaflow gives them."""
        return list(self.parents)

    @property
    def out_funcs(self) -> list[str]:
        """Names of the steps after, as Metaflow gives them."""
        return list(self.to)

    @property
    def parallel_step(self) -> bool:
        """Whether the step runs on several nodes at once."""
        return any(decorator.get("name") == "parallel" for decorator in self.decorators)

    def data(self) -> dict[str, Any]:
        """What the source says, as JSON; what is computed comes back by itself."""
        full = {
            "kind": self.kind, "to": list(self.to), "is_join": self.is_join, "var": self.var,
            "condition": self.condition, "cases": self.cases, "file": self.file, "line": self.line,
            "next_line": self.next_line, "doc": self.doc, "decorators": list(self.decorators),
        }  # fmt: skip
        return {"name": self.name, **{name: value for name, value in full.items() if value}}

    def __repr__(self) -> str:
        return f"<Step {self.name} {self.kind}{' join' if self.is_join else ''} -> {', '.join(self.to)}>"


class Graph:
    """A flow's steps in topological order, from `start` to `end`. file, line: of the class.

    A graph with faults can be made too: `graph_checks.problems` says what is wrong with it. Then `start` or `end` may
    name no step, and what is computed is incomplete.
    """

    def __init__(
        self,
        name: str,
        steps: Iterable[Step],
        *,
        start: str = "start",
        end: str = "end",
        file: str = "",
        line: int = 1,
        doc: str = "",
        unmarked: Iterable[str] = (),
    ) -> None:
        self.name, self.start, self.end, self.file, self.line, self.doc = name, start, end, file, line, doc
        self.unmarked = frozenset(unmarked)  # methods without @step: not part of the graph, but of a message about it
        given = {step.name: step for step in steps}
        self.steps: dict[str, Step] = {name: given[name] for name in _ordered(given, start)}
        self._find_parents()
        self._find_nesting()

    def _find_parents(self) -> None:
        parents: dict[str, list[str]] = {name: [] for name in self.steps}
        for step in self.steps.values():
            for target in step.to:
                if target in parents and step.name not in parents[target]:
                    parents[target].append(step.name)
        for name, found in parents.items():
            self.steps[name].parents = tuple(found)

    def _find_nesting(self) -> None:
        """Walk from the start; each split opens a level, each join closes the innermost one."""
        if self.start not in self.steps:
            return
        seen: set[str] = set()
        waiting: list[tuple[str, tuple[str, ...], tuple[str, ...]]] = [(self.start, (), ())]
        while waiting:
            name, splits, branches = waiting.pop()
            step = self.steps[name]
            if step.is_join and splits:
                self._close(splits[-1], name)
                splits, branches = splits[:-1], branches[:-1]
            if name in seen:
                continue
            seen.add(name)
            step.split_parents, step.split_branches = splits, branches
            step.depth = sum(self.steps[split].kind in FANS for split in splits)
            for target in step.to:
                if target in self.steps and target != name:
                    opened = step.kind in OPENERS
                    waiting.append(
                        (target, (*splits, name) if opened else splits, (*branches, target) if opened else branches)
                    )

    def _close(self, split: str, join: str) -> None:
        if self.steps[split].join is None:
            self.steps[split].join = join

    def __iter__(self) -> Iterator[Step]:
        return iter(self.steps.values())

    def __getitem__(self, name: str) -> Step:
        return self.steps[name]

    def __contains__(self, name: object) -> bool:
        return name in self.steps

    def data(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "name": self.name,
            "start": self.start,
            "end": self.end,
            "file": self.file,
            "line": self.line,
            "doc": self.doc,
            "steps": [step.data() for step in self.steps.values()],
        }

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Graph:
        """The inverse of `data`."""
        steps = [Step(**step) for step in data["steps"]]
        given = {name: data[name] for name in ("start", "end", "file", "line", "doc") if name in data}
        return cls(data["name"], steps, **given)


def _ordered(steps: Mapping[str, Step], start: str) -> list[str]:
    """Topological order (reversed post-order of a depth-first search from the start), then what it does not reach."""
    order: list[str] = []
    seen: set[str] = set()
    stack: list[tuple[str, Iterator[str]]] = []

    def enter(name: str) -> None:
        seen.add(name)
        stack.append((name, iter(reversed(steps[name].to))))

    if start in steps:
        enter(start)
    while stack:
        name, targets = stack[-1]
        target = next((one for one in targets if one in steps and one not in seen), None)
        if target is None:
            order.append(name)
            stack.pop()
        else:
            enter(target)
    order.reverse()
    return order + [name for name in steps if name not in seen]
