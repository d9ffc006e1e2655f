"""What steps do to attributes that can't be right: `self.next` names one that nobody sets, or one is set that must not
change. Read from the source of the steps, so that it is told before anything runs.

Only what is certain is told. Where a step hands `self` on, or calls a method of the flow or a function that may do
anything, nobody knows what it sets, and nothing is said of a name that it may have set.
"""

from __future__ import annotations

import ast

from penstock.authoring.graph_checks import Problem
from penstock.nearest import nearest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from penstock.authoring.graph import Graph, Step

_FRAMES = frozenset({"_getframe", "currentframe"})  # `self` is a local of what they give
_UNKNOWABLE = frozenset({*_FRAMES, "eval", "exec", "globals", "locals", "super", "vars"})


class Attributes:
    """What one step sets on its `self`.

    names: line of the first assignment of each; certain: those that every way through the step comes to; opaque:
    whether it may set others, too.
    """

    __slots__ = ("certain", "names", "opaque")

    def __init__(self, step: Step, methods: Collection[str]) -> None:
        self.names: dict[str, int] = {}
        self.certain: dict[str, int] = {}
        function = step.tree
        self.opaque = function is None or step.is_wrapped or _decorated_by_others(step, function)
        if function is None:
            return
        given = function.args.posonlyargs + function.args.args
        reader = _Reader(given[0].arg if given else "self", {*methods, *_UNKNOWABLE})
        for statement in function.body:
            before = len(reader.found)
            reader.visit(statement)
            if isinstance(statement, ast.Assign | ast.AugAssign | ast.AnnAssign) and not reader.left:
                self.certain.update((name, line) for name, line in reader.found[before:] if name not in self.certain)
        for name, line in reader.found:
            self.names.setdefault(name, line)
        self.opaque = self.opaque or reader.opaque


def _decorated_by_others(step: Step, function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """A decorator that is not ours gets `self` before the step does."""
    ours = {"step", *(decorator["name"] for decorator in step.decorators)}
    return not all(_last_name(decorator) in ours for decorator in function.decorator_list)


def _last_name(node: ast.expr) -> str:
    if isinstance(node, ast.Call):
        return _last_name(node.func)
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


class _Reader(ast.NodeVisitor):
    """found: assignments `self.NAME`, with lines; left: whether the step may have been left before; opaque."""

    def __init__(self, own: str, unknowable: Collection[str]) -> None:
        self._own, self._unknowable = own, unknowable
        self._targets: set[ast.expr] = set()
        self.found: list[tuple[str, int]] = []
        self.left = self.opaque = False

    def visit_Attribute(self, node: ast.Attribute) -> None:
        """`self.NAME`, read or assigned."""
        if not (isinstance(node.value, ast.Name) and node.value.id == self._own):
            self.opaque = self.opaque or node.attr in _FRAMES
            self.generic_visit(node)
        elif isinstance(node.ctx, ast.Store):
            self.found.append((node.attr, node.lineno))
        elif node not in self._targets and (node.attr.startswith("__") or node.attr in self._unknowable):
            self.opaque = True

    def visit_Name(self, node: ast.Name) -> None:
        """`self` without a name behind it goes who knows where."""
        self.opaque = self.opaque or node.id == self._own or node.id in _UNKNOWABLE

    def visit_Call(self, node: ast.Call) -> None:
        """The steps that `self.next` names are not called there; what else is among its arguments is."""
        function = node.func
        owner = function.value if isinstance(function, ast.Attribute) and function.attr == "next" else None
        if isinstance(owner, ast.Name) and owner.id == self._own:
            for given in node.args:
                self._targets.update(given.values if isinstance(given, ast.Dict) else [given])
        self.generic_visit(node)

    def visit_Return(self, node: ast.Return) -> None:
        """What follows may not be reached."""
        self.left = True
        self.generic_visit(node)

    visit_Raise = visit_Return  # type: ignore[assignment]  # noqa: N815 - names of `ast.NodeVisitor`


def problems(
    graph: Graph, frozen: Collection[str], members: Collection[str], methods: Collection[str]
) -> list[Problem]:
    """Every fault of this kind, of a flow whose graph is in order.

    frozen: parameters and constants of the class; members: all that the class has; methods: those of them that code of
    the user's stands behind, and that are no steps.
    """
    if not frozen and not any(step.var or step.condition for step in graph):
        return []
    known = {step.name: Attributes(step, {*methods, *graph.steps}) for step in graph}
    return [*_changed(graph, known, frozen), *_never_set(graph, known, frozen, members)]


def _changed(graph: Graph, known: dict[str, Attributes], frozen: Collection[str]) -> Iterator[Problem]:
    for step in graph:
        for name, line in known[step.name].certain.items():
            if name in frozen:
                what = f"assigns self.{name}, a parameter or a constant of the class: it is the same in every step"
                hint = f"self.new_{name} = ...   # another name for the changed value"
                yield Problem(f"step {step.name!r} {what}", step.file, line, hint)


def _never_set(
    graph: Graph, known: dict[str, Attributes], frozen: Collection[str], members: Collection[str]
) -> Iterator[Problem]:
    for step in graph:
        name = step.var or step.condition
        if not name or name in frozen or name in members:
            continue
        before = [known[one] for one in _so_far(graph, step.name)]
        there = {one for attributes in before for one in attributes.names}
        there |= {value for one in graph for decorator in one.decorators for value in _texts(decorator)}
        if name not in there and not any(attributes.opaque for attributes in before):
            near = nearest(name, sorted({*there, *frozen}))
            word = "foreach" if step.var else "condition"
            what = f"{word}={name!r}, but neither it nor a step before it sets self.{name}"
            hint = f"did you mean {near!r}?" if near else f"self.{name} = ...   # before self.next"
            yield Problem(f"step {step.name!r}: {what}", step.file, step.next_line, hint)


def _so_far(graph: Graph, name: str) -> set[str]:
    """A step and all that may run before it."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        one = waiting.pop()
        if one not in found:
            found.add(one)
            waiting += graph[one].parents
    return found


def _texts(decorator: object) -> Iterator[str]:
    """Texts among the arguments of a decorator: `@catch(var=...)` sets what it names."""
    for value in decorator.values() if isinstance(decorator, dict) else ():
        if isinstance(value, str):
            yield value
        else:
            yield from _texts(value)
