"""What can be wrong with a graph, each with the line to look at and what to write there."""

from __future__ import annotations

from penstock.authoring.graph import END, FANS, OPENERS, PARALLEL, SWITCH
from penstock.errors import FlowError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from penstock.authoring.graph import Graph, Step

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
    """Raise FlowError where the graph can't be run."""
    refuse(problems(graph))


def refuse(found: list[Problem]) -> None:
    """Raise FlowError for the first problem, listing all."""
    if not found:
        return
    first, *others = found
    more = "".join(f"\n  {other.file}:{other.line}: {other.message}" for other in others)
    raise FlowError(first.message + (f"\nand {len(others)} more:{more}" if others else ""),
                    where=f"{first.file}:{first.line}", hint=first.hint)  # fmt: skip


def problems(graph: Graph) -> list[Problem]:
    """Every fault that makes the graph unfit to run, the simplest first; later checks need the earlier ones kept."""
    for checks in ((_ends,), (_names, _targets, _decorators), (_reachable,), (_cycles,), (_nesting,)):
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
        yield Problem(f"{graph.name} has no steps", graph.file, graph.line, "mark methods with @step")
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
            wrong = _target(graph, step, target)
            if wrong is not None:
                yield _at(step, *wrong, at_next=True)
        if step.kind == SWITCH and step.to == (step.name,):
            yield _at(step, "switches to itself only: it never ends", "add a case that leaves", at_next=True)


def _target(graph: Graph, step: Step, target: str) -> tuple[str, str] | None:
    """What is wrong with one step that `self.next` names, and what to write."""
    if target in graph.unmarked:
        return f"goes to {target!r}, which is no step: it lacks @step", f"write @step above def {target}(self)"
    if target not in graph.steps:
        return f"goes to {target!r}, which is no step", _nearest(target, graph.steps)
    if target == step.name and step.kind != SWITCH:
        way_out = f'self.next({{"again": self.{step.name}, "done": self...}}, condition="attribute")'
        return "goes to itself", f"a loop needs a way out: {way_out}"
    if target == graph.start and target != step.name:
        return f"goes back to the first step {target!r}", "a loop is a step that switches to itself"
    if step.kind in OPENERS and graph.steps[target].is_join:
        return f"splits straight into the join {target!r}", "put a step between them"
    return None


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


def _decorators(graph: Graph) -> Iterator[Problem]:
    """What a decorator can't stand on. From syntax alone no decorators are known."""
    fed = {target for step in graph if step.kind == PARALLEL for target in step.to}
    for step in graph:
        names = {decorator["name"] for decorator in step.decorators}
        if "catch" in names and step.kind in (SWITCH, *FANS):
            what = "a switch" if step.kind == SWITCH else "a foreach"
            yield _at(step, f"has @catch, but without the rest of its body nobody knows where {what} goes",
                      "put @catch on the steps after it")  # fmt: skip
        if "parallel" in names and step.name not in fed:
            yield _at(step, "has @parallel, but no step leads to it by num_parallel",
                      f"self.next(self.{step.name}, num_parallel=2)")  # fmt: skip


Open = tuple[tuple[str, str], ...]  # (split, branch) pairs that are open, outermost first


def _nesting(graph: Graph) -> Iterator[Problem]:
    """Follow every way in topological order with the splits that are open on it: each join closes exactly one."""
    closed: dict[str, str] = {}  # split -> its join
    arrivals: dict[str, list[tuple[Open, Step | None]]] = {name: [] for name in graph.steps}
    arrivals[graph.start].append(((), None))
    for step in graph:
        ways = arrivals[step.name]
        problem = _meeting(step, ways) or (_closing(graph, step, ways, closed) if step.is_join else None)
        now_open = ways[0][0][:-1] if step.is_join else ways[0][0]
        if problem is None and step.kind == END and now_open:
            problem = _at(step, f"is reached while the split of {now_open[-1][0]!r} is still open",
                          "join first: a step with `inputs`, def join(self, inputs)")  # fmt: skip
        if problem is not None:
            yield problem
            return
        for target in step.to:
            if target != step.name:
                opened = (*now_open, (step.name, target)) if step.kind in OPENERS else now_open
                arrivals[target].append((opened, step))


def _closing(graph: Graph, join: Step, ways: list[tuple[Open, Step | None]], closed: dict[str, str]) -> Problem | None:
    """What is wrong with the split that a join closes."""
    if not ways[0][0]:
        return _at(join, "takes `inputs`, but no split or foreach is open there",
                   f"def {join.name}(self): for a step that is no join")  # fmt: skip
    split = ways[0][0][-1][0]
    if closed.setdefault(split, join.name) != join.name:
        kind = "foreach" if graph.steps[split].kind in FANS else "split"
        return _at(graph.steps[split], f"opens a {kind} that two joins close: {closed[split]!r} and {join.name!r}",
                   "let all its branches meet in one join", at_next=True)  # fmt: skip
    return None


def _meeting(step: Step, ways: list[tuple[Open, Step | None]]) -> Problem | None:
    """What is wrong with the ways that meet in a step."""
    first, _ = ways[0]
    for other, came_from in ways[1:]:
        if len(other) != len(first):
            return _at(
                came_from or step,
                f"goes to {step.name!r}, which is also reached with another number of open splits",
                "joins must close what is open: nest them like brackets",
                at_next=True,
            )
        one, two = (first[:-1], other[:-1]) if step.is_join else (first, other)
        if step.is_join and first and first[-1][0] != other[-1][0]:
            return _at(step, f"would close two splits at once: {first[-1][0]!r} and {other[-1][0]!r}",
                       "each split needs a join of its own")  # fmt: skip
        if one != two:
            split = next(a[0] for a, b in zip(one, two, strict=True) if a != b)
            return _at(
                step,
                f"is reached by two branches of {split!r} but does not join them (it has no `inputs`)",
                f"def {step.name}(self, inputs):",
            )
    return None
