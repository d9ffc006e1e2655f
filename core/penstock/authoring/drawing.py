"""A flow's graph as text, Mermaid or dot. Pure."""

from __future__ import annotations

from penstock.authoring.graph import FOREACH, PARALLEL, SPLIT, SWITCH

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from penstock.authoring.graph import Graph, Step


def text(graph: Graph) -> str:
    """One line a step; what lies between a split and its join is indented.

    start         split: cats, dogs
    |  cats       -> join
    |  dogs       -> join
    join          joins start -> end
    end
    """
    names = {step.name: "|  " * len(step.split_parents) + step.name for step in graph}
    width = max(map(len, names.values()), default=0) + 3
    lines = [f"{names[step.name]:<{width}}{_says(graph, step)}".rstrip() for step in graph]
    return "\n".join(lines) + "\n"


def _says(graph: Graph, step: Step) -> str:
    joined = [split.name for split in graph if split.join == step.name]
    parts = [f"joins {', '.join(joined)}"] if joined else []
    targets = ", ".join(step.to)
    if step.kind == SPLIT:
        parts.append(f"split: {targets}")
    elif step.kind == FOREACH:
        parts.append(f"foreach {step.var}: {targets}")
    elif step.kind == PARALLEL:
        parts.append(f"nodes of {targets}")
    elif step.kind == SWITCH:
        cases = ", ".join(f"{case} -> {target}" for case, target in step.cases.items())
        parts.append(f"switch {step.condition}: {cases}")
    elif step.to:
        parts.append(f"-> {targets}")
    parts += [f"@{one['name']}" for one in reversed(step.decorators)]
    return "  ".join(parts)


def mermaid(graph: Graph) -> str:
    """A Mermaid flowchart, as GitHub and notebooks draw it."""
    lines = ["flowchart TD"]
    lines += [f"    {_id(step)}([{step.name}])" for step in graph]
    lines += [f"    {_id(one)} --{f'>|{label}|' if label else '>'} {_id(other)}" for one, other, label in _edges(graph)]
    return "\n".join(lines) + "\n"


def dot(graph: Graph) -> str:
    """Graphviz' language."""
    lines = [f'digraph "{graph.name}" {{', "    node [shape=box, style=rounded];"]
    lines += [f'    "{step.name}";' for step in graph]
    for one, other, label in _edges(graph):
        attributes = f' [label="{label}"]' if label else ""
        lines.append(f'    "{one.name}" -> "{other.name}"{attributes};')
    return "\n".join([*lines, "}"]) + "\n"


def _edges(graph: Graph) -> Iterator[tuple[Step, Step, str]]:
    for step in graph:
        for target in step.to:
            if target in graph:
                yield step, graph[target], _label(step, target)


def _label(step: Step, target: str) -> str:
    if step.kind == FOREACH:
        return f"foreach {step.var}"
    if step.kind == SWITCH:
        return " or ".join(_quoted(case) for case, chosen in step.cases.items() if chosen == target)
    return "parallel" if step.kind == PARALLEL else ""


def _quoted(case: str) -> str:
    """Cases are the user's text: what has a meaning in Mermaid or dot is left out."""
    return "".join(one for one in case if one.isalnum() or one in " _-.")


def _id(step: Step) -> str:
    """`end` is a word of Mermaid's own."""
    return f"s_{step.name}"


FORMATS: dict[str, Callable[[Graph], str]] = {"text": text, "mermaid": mermaid, "dot": dot}
