"""Read a flow's graph from its source: the syntax tree alone, nothing is run.

The tree is asked of the file, or of `linecache` for cells of a notebook.
"""

from __future__ import annotations

import ast

from penstock.authoring.graph import END, FOREACH, LINEAR, PARALLEL, SPLIT, SWITCH, Graph, Step
from penstock.errors import FlowError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FunctionType
    from typing import Any

    from penstock.authoring.flow import FlowSpec

    Function = ast.FunctionDef | ast.AsyncFunctionDef

_LONGEST_SHOWN = 100  # characters of a line in a message


def graph_of_class(flow_class: type[FlowSpec]) -> Graph:
    """The graph of a class, inherited steps included. Raises FlowError where the source can't be had or read."""
    functions = _step_functions(flow_class)
    trees: dict[str, ast.Module] = {}
    steps = []
    marks: dict[str, set[str]] = {"start": set(), "end": set()}
    for name, function in functions.items():
        written = _unwrapped(function)
        code = written.__code__
        tree = trees.get(code.co_filename)
        if tree is None:
            tree = trees[code.co_filename] = _parsed(_source(code.co_filename, flow_class.__name__), code.co_filename)
        found = _function_at(tree, name, code.co_firstlineno)
        if found is None:
            raise FlowError(
                f"the source of step {name!r} can't be found",
                where=f"{code.co_filename}:{code.co_firstlineno}",
                hint="@functools.wraps(function)   # above what your own decorator returns",
            )
        steps.append(_step(found, name, code.co_filename, is_wrapped=written is not function))
        for mark, marked in marks.items():
            if getattr(function, "__penstock_step__", None) and mark in getattr(function, "__penstock_marks__", ()):
                marked.add(name)
    file, line = _place_of(flow_class, next((step.file for step in steps), ""), trees)
    members = [member for cls in flow_class.__mro__ for member in vars(cls).items()]
    unmarked = [name for name, value in members if callable(value) and name not in functions]
    doc = (flow_class.__doc__ or "").strip()
    return _graph(flow_class.__name__, steps, marks, file=file, line=line, doc=doc, unmarked=unmarked)


def graph_of_source(text: str, file: str, flow: str | None = None) -> Graph:
    """The graph of a class by syntax alone, for a file that can't be imported. Raises FlowError."""
    tree = _parsed(text, file)
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef) and _looks_like_a_flow(node)]
    chosen = next((node for node in classes if flow is None or node.name == flow), None)
    if chosen is None:
        raise FlowError(f"no flow {flow or ''} in {file}", where=file, hint="class MyFlow(FlowSpec): ...")
    steps = []
    marks: dict[str, set[str]] = {"start": set(), "end": set()}
    unmarked = []
    for node in chosen.body:
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        mark = next((one for one in node.decorator_list if _called_name(one) == "step"), None)
        if mark is None:
            unmarked.append(node.name)
            continue
        steps.append(_step(node, node.name, file))
        for keyword in getattr(mark, "keywords", ()):
            if keyword.arg in marks and getattr(keyword.value, "value", False):
                marks[keyword.arg].add(node.name)
    doc = ast.get_docstring(chosen) or ""
    return _graph(chosen.name, steps, marks, file=file, line=chosen.lineno, doc=doc, unmarked=unmarked)


def _graph(name: str, steps: list[Step], marks: dict[str, set[str]], **more: Any) -> Graph:
    for step in steps:
        if step.name in marks["end"] or (step.name == "end" and not marks["end"] and step.kind == ""):
            step.kind = END if step.kind == "" else step.kind
    if len(steps) == 1 and steps[0].kind in ("", END) and not marks["start"] and not marks["end"]:
        steps[0].kind = END
        return Graph(name, steps, start=steps[0].name, end=steps[0].name, **more)
    start, end = min(marks["start"], default="start"), min(marks["end"], default="end")
    return Graph(name, steps, start=start, end=end, **more)


# ---------------------------------------------------------------------------------------------- sources


def _step_functions(flow_class: type[FlowSpec]) -> dict[str, FunctionType]:
    """Steps by name in the order of their definition; what a subclass overrides wins."""
    found: dict[str, Any] = {}
    for cls in reversed(flow_class.__mro__):
        for name, value in vars(cls).items():
            if getattr(value, "__penstock_step__", False):
                found[name] = value
            elif name in found:
                del found[name]
    return found


def _unwrapped(function: Any) -> Any:
    """The function that the user wrote, below decorators that say by `functools.wraps` what they wrap."""
    while hasattr(function, "__wrapped__"):
        function = function.__wrapped__
    return function


def _place_of(flow_class: type[FlowSpec], file: str, trees: dict[str, ast.Module]) -> tuple[str, int]:
    """File and line of the class; 1 where its line can't be had."""
    import sys

    file = getattr(sys.modules.get(flow_class.__module__), "__file__", None) or file
    tree = trees.get(file)
    try:
        tree = tree or _parsed(_source(file, flow_class.__name__), file)
    except FlowError:
        return file, 1
    name = flow_class.__name__
    lines = [node.lineno for node in ast.walk(tree) if isinstance(node, ast.ClassDef) and node.name == name]
    return file, lines[-1] if lines else 1


def _source(file: str, flow: str) -> str:
    import linecache

    lines = linecache.getlines(file)
    if not lines:
        raise FlowError(
            f"the source of {flow} can't be read from {file}",
            where=file,
            hint="put the flow into a file or a notebook cell",
        )
    return "".join(lines)


def _parsed(text: str, file: str) -> ast.Module:
    try:
        return ast.parse(text, file)
    except (SyntaxError, ValueError) as error:
        raise syntax_error(error, file) from error


def syntax_error(error: Exception, file: str) -> FlowError:
    """What Python's parser said, with the line of the file that it means."""
    import shlex

    hint = f"flow check {shlex.quote(file)}   # when it is mended"
    line = getattr(error, "lineno", None)
    if not line:  # null bytes, a broken encoding
        return FlowError(f"{file} is no Python source: {error}", where=file, hint=hint)
    file = getattr(error, "filename", None) or file
    text = (getattr(error, "text", None) or "").strip()[:_LONGEST_SHOWN]
    shown = f"\n    {line} |  {text}" if text else ""
    return FlowError(f"syntax error: {getattr(error, 'msg', error)}{shown}", where=f"{file}:{line}", hint=hint)


def _function_at(tree: ast.Module, name: str, line: int) -> Function | None:
    """The function whose code begins at `line`: the first decorator's line, or the `def`'s."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == name:
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            if first <= line <= node.lineno:
                return node
    return None


def _looks_like_a_flow(node: ast.ClassDef) -> bool:
    bases = {_called_name(base) for base in node.bases}
    return "FlowSpec" in bases or any(
        _called_name(decorator) == "step"
        for function in node.body
        if isinstance(function, ast.FunctionDef)
        for decorator in function.decorator_list
    )


def _called_name(node: ast.expr) -> str:
    """The last name of `a.b.name` or `name(...)`."""
    if isinstance(node, ast.Call):
        return _called_name(node.func)
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


# ------------------------------------------------------------------------------------------------ one step


def _step(function: Function, name: str, file: str, *, is_wrapped: bool = False) -> Step:
    arguments = function.args.posonlyargs + function.args.args
    calls = list(_next_calls(function))
    described: dict[str, Any] = {"kind": "", "to": ()}
    if calls:
        described = _transition(calls[-1], file, name)
        described["next_line"] = calls[-1].lineno
    if len(calls) > 1:
        _refuse_two(calls, file, name)
    return Step(
        name,
        is_join=len(arguments) > 1,
        is_wrapped=is_wrapped,
        file=file,
        line=function.lineno,
        doc=ast.get_docstring(function) or "",
        tree=function,
        **described,
    )


def _next_calls(function: Function) -> Iterator[ast.Call]:
    owner = (function.args.posonlyargs + function.args.args)[:1]
    own = owner[0].arg if owner else "self"
    for node in _walk_body(function):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr == "next"
            and isinstance(node.func.value, ast.Name)
            and node.func.value.id == own
        ):
            yield node


def _walk_body(function: Function) -> Iterator[ast.AST]:
    """Every node of the body in the order of the source; functions inside it have a `self` of their own."""
    waiting: list[ast.AST] = list(reversed(function.body))
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            waiting += reversed(list(ast.iter_child_nodes(node)))


def _refuse_two(calls: list[ast.Call], file: str, name: str) -> None:
    lines = ", ".join(str(call.lineno) for call in calls)
    raise FlowError(
        f"step {name!r} has {len(calls)} calls of self.next (lines {lines}); the graph must not depend on values",
        where=f"{file}:{calls[1].lineno}",
        hint='choose at run time by self.next({"a": self.a, "b": self.b}, condition="attribute")',
    )


def _transition(call: ast.Call, file: str, name: str) -> dict[str, Any]:
    """Kind, targets and names of one `self.next`. Raises FlowError for a form that it does not have."""

    def refuse(message: str, hint: str = "") -> FlowError:
        return FlowError(f"step {name!r}: {message}", where=f"{file}:{call.lineno}", hint=hint)

    given = _keywords(call, refuse)
    if "condition" in given:
        return _switch(call, given["condition"], refuse)
    targets = [_target(argument, refuse) for argument in call.args]
    if not targets:
        raise refuse("self.next names no step", "self.next(self.name_of_the_next_step)")
    if len(set(targets)) < len(targets):
        raise refuse("self.next names a step twice", "for many tasks of one step: self.next(self.a, foreach='items')")
    if ("foreach" in given or "num_parallel" in given) and len(targets) > 1:
        raise refuse("a foreach goes to one step", f"self.next(self.{targets[0]}, foreach=...)")
    if "foreach" in given:
        return {"kind": FOREACH, "to": targets, "var": _text(given["foreach"], "foreach", refuse)}
    if "num_parallel" in given:
        return {"kind": PARALLEL, "to": targets}
    return {"kind": LINEAR if len(targets) == 1 else SPLIT, "to": targets}


def _keywords(call: ast.Call, refuse: Callable[..., FlowError]) -> dict[str | None, ast.expr]:
    """The one keyword that `self.next` may have, or none."""
    given = {keyword.arg: keyword.value for keyword in call.keywords}
    for word in given:
        if word not in ("foreach", "condition", "num_parallel"):
            raise refuse(f"self.next has no argument {word!r}", "it has: foreach, condition, num_parallel")
    if len(given) > 1:
        words = ", ".join(map(str, given))
        raise refuse(f"self.next takes one of {words}, not several", "a step between them, for the other")
    return given


def _switch(call: ast.Call, condition: ast.expr, refuse: Callable[..., FlowError]) -> dict[str, Any]:
    if len(call.args) != 1 or not isinstance(call.args[0], ast.Dict) or not call.args[0].keys:
        example = 'self.next({"yes": self.a, "no": self.b}, condition="answer")'
        raise refuse("condition= goes with a dict of cases", example)
    cases = {}
    for key, value in zip(call.args[0].keys, call.args[0].values, strict=True):
        text = str(key.value) if isinstance(key, ast.Constant) else ast.unparse(key) if key is not None else "**"
        cases[text] = _target(value, refuse)
    return {
        "kind": SWITCH,
        "to": list(dict.fromkeys(cases.values())),
        "cases": cases,
        "condition": _text(condition, "condition", refuse),
    }


def _target(node: ast.expr, refuse: Callable[..., FlowError]) -> str:
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        return node.attr
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        raise refuse(f"self.next takes a step, not the text {node.value!r}", f"self.next(self.{node.value})")
    raise refuse(f"self.next takes steps of the flow, not {ast.unparse(node)}", "self.next(self.name_of_the_next_step)")


def _text(node: ast.expr, word: str, refuse: Callable[..., FlowError]) -> str:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    raise refuse(
        f"{word}= takes the name of an attribute as text, not {ast.unparse(node)}",
        f"{word}='items', after self.items = ...",
    )
