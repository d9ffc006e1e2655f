"""What can be wrong with a graph, each with the line to look at and what to write there."""

from __future__ import annotations

from penstock.errors import FlowError
from penstock.graph import END, FANS, OPENERS, SWITCH

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from penstock.graph import Graph, Step

# Names that FlowSpec itself needs.
RESERVED = frozenset({"next", "input", "index", "foreach_stack", "merge_artifacts", "inputs", "name"})


class Problem:
    """One fault. file, line: where to look; hint: what to write there."""

    __slots__ = ("file", "hint", "line", "message")

    def __init__(self, message: str, file: str, line: int, hint: str = "") -> None:
        self.message, self.file, self.line, self.hint = message, file, line, hint

    def data(self) -> dict[str, object]:
        """As JSON."""
        return {"message": self.message, "file": self.file, "line": self.line, "hint": self.hint}

    def __repr__(self) -> str:
        return f"{self.file}:{self.line}: {self.message}"


def check(graph: Graph) -> None:
    """Raise FlowError for the first problem, listing all."""
    found = problems(graph)
    if not found:
        return
    first, *others = found
    more = "".join(f"\n  {other.file}:{other.line}: {other.message}" for other in others)
    raise FlowError(first.message + (f"\nand {len(others)} more:{more}" if others else ""),
                    where=f"{first.file}:{first.line}", hint=first.hint)  # fmt: skip


def problems(graph: Graph) -> list[Problem]:
    """Every fault that makes the graph unfit to run, the simplest first; later checks need the earlier ones kept."""
    for checks in ((_ends,), (_names, _targets), (_reachable,), (_cycles,), (_nesting,)):
        found = [problem for one in checks for problem in one(graph)]
        if found:
            return found
    return []


def _at(step: Step, message: str, hint: str = "", *, at_next: bool = False) -> Problem:
    return Problem(f"step {step.name!r} {message}", step.file, step.next_line if at_next else step.line, hint)


def _nearest(name: str, names: Iterable[str]) -> str:
    import difflib

    near = difflib.get_close_matches(name, list(names), 1)
    return f"did you mean self.{near[0]}?" if near else f"steps are: {', '.join(names)}"


def _ends(graph: Graph) -> Iterator[Problem]:
    if not graph.steps:
        yield Problem(f"{graph.name} has no steps", graph.file, 1, "mark methods with @step")
        return
    for role, name, hint in (
        ("begins", graph.start, "call the first step `start`, or mark it @step(start=True)"),
        ("ends", graph.end, "call the last step `end`, or mark it @step(end=True)"),
    ):
        if name not in graph.steps:
            first = next(iter(graph))
            yield Problem(f"{graph.name} has no step {name!r}, where a flow {role}", first.file, first.line, hint)


def _names(graph: Graph) -> Iterator[Problem]:
    for step in graph:
        if step.name in RESERVED or step.name.startswith("_"):
            yield _at(step, "has a name that penstock needs for itself", "give the step another name")


def _targets(graph: Graph) -> Iterator[Problem]:
    for step in graph:
        if step.kind == "" and step.name != graph.end:
            yield _at(step, "has no self.next", f"end it with self.next(self.{graph.end})")
        if step.name == graph.end and step.kind != END:
            yield _at(step, "is the last one and must not call self.next", "remove the call", at_next=True)
        for target in step.to:
            if target not in graph.steps:
                yield _at(step, f"goes to {target!r}, which is no step", _nearest(target, graph.steps), at_next=True)
            elif target == step.name and step.kind != SWITCH:
                way_out = f'self.next({{"again": self.{step.name}, "done": self...}}, condition="attribute")'
                yield _at(step, "goes to itself", f"a loop needs a way out: {way_out}", at_next=True)
            elif target == graph.start:
                yield _at(step, f"goes back to the first step {target!r}", "a loop is a step that switches to itself",
                          at_next=True)  # fmt: skip
            elif step.kind in OPENERS and graph.steps[target].is_join:
                yield _at(step, f"splits straight into the join {target!r}", "put a step between them", at_next=True)
        if step.kind == SWITCH and step.to == (step.name,):
            yield _at(step, "switches to itself only: it never ends", "add a case that leaves", at_next=True)


def _reachable(graph: Graph) -> Iterator[Problem]:
    forward = _walk(graph.start, {step.name: step.to for step in graph})
    backward = _walk(graph.end, {step.name: step.parents for step in graph})
    for step in graph:
        if step.name not in forward:
            yield _at(step, "is never reached", "name it in the self.next of another step, or remove it")
        elif step.name not in backward:
            yield _at(step, f"never leads to {graph.end!r}", f"end it with self.next(self.{graph.end})", at_next=True)


def _walk(first: str, edges: dict[str, tuple[str, ...]]) -> set[str]:
    seen: set[str] = set()
    waiting = [first]
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting += edges.get(name, ())
    return seen


def _cycles(graph: Graph) -> Iterator[Problem]:
    done: set[str] = set()
    for root in graph.steps:
        path: list[str] = []
        stack = [(root, iter(graph.steps[root].to))] if root not in done else []
        while stack:
            name, targets = stack[-1]
            if len(path) < len(stack):
                path.append(name)
            target = next((one for one in targets if one != name and one not in done), None)
            if target is None:
                done.add(name)
                stack.pop()
                path.pop()
            elif target in path:
                around = " -> ".join([*path[path.index(target) :], target])
                yield _at(graph.steps[name], f"closes a cycle: {around}",
                          "only a step that switches to itself may repeat", at_next=True)  # fmt: skip
                return
            else:
                stack.append((target, iter(graph.steps[target].to)))


def _nesting(graph: Graph) -> Iterator[Problem]:
    """Walk every way from the start with the splits that are open on it: each join must close exactly one."""
    closed: dict[str, str] = {}  # split -> its join
    opened: dict[str, tuple[tuple[str, str], ...]] = {}  # step -> (split, branch) pairs open when it is entered
    waiting: list[tuple[str, tuple[tuple[str, str], ...], Step | None]] = [(graph.start, (), None)]
    while waiting:
        name, open_splits, came_from = waiting.pop()
        step = graph.steps[name]
        if step.is_join:
            if not open_splits:
                yield _at(step, "takes `inputs`, but no split or foreach is open there",
                          f"def {name}(self): for a step that is no join")  # fmt: skip
                return
            split = open_splits[-1][0]
            if closed.setdefault(split, name) != name:
                yield _two_joins(graph, split, closed[split], name)
                return
            open_splits = open_splits[:-1]
        if name in opened:
            if opened[name] != open_splits and came_from is not None:
                yield _mixed(graph, step, came_from, opened[name], open_splits)
                return
            continue
        opened[name] = open_splits
        if step.kind == END and open_splits:
            split = open_splits[-1][0]
            yield _at(step, f"is reached while the split of {split!r} is still open",
                      "join first: a step with `inputs`, def join(self, inputs)")  # fmt: skip
            return
        for target in step.to:
            if target != name:
                now_open = (*open_splits, (name, target)) if step.kind in OPENERS else open_splits
                waiting.append((target, now_open, step))


def _two_joins(graph: Graph, split: str, one: str, other: str) -> Problem:
    kind = "foreach" if graph.steps[split].kind in FANS else "split"
    return _at(
        graph.steps[split],
        f"opens a {kind} that two joins close: {one!r} and {other!r}",
        "let all its branches meet in one join",
        at_next=True,
    )


def _mixed(
    graph: Graph,
    step: Step,
    came_from: Step,
    one: tuple[tuple[str, str], ...],
    other: tuple[tuple[str, str], ...],
) -> Problem:
    del graph
    longer = max(one, other, key=len)
    split = longer[-1][0] if longer else ""
    if len(one) == len(other):
        return _at(
            step,
            f"is reached by two branches of {split!r} but does not join them (it has no `inputs`)",
            f"def {step.name}(self, inputs):",
        )
    return _at(
        came_from,
        f"goes to {step.name!r}, which is also reached with another number of open splits",
        "joins must close what is open: nest them like brackets",
        at_next=True,
    )
