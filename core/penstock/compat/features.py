"""What a file written for Metaflow uses, and how penstock honours each: read from its text, nothing is imported."""

from __future__ import annotations

import ast

from penstock.compat.absent import ABSENT
from penstock.compat.passed_over import PASSED_OVER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

HONOURED, DIFFERENT, MISSING = "honoured", "different", "missing"

# What differs: how, and why where that is not plain.
_DIFFERENT = {
    "retry": "a delay that is written is kept here, too; without one the next attempt starts at once on this machine",
    "resources": "heeded on this machine, too: a step waits until there is room",
    "timeout": "a step that does not hear its time-out is ended 30 s later",
    "catch": "a caught error has `type`, `message`, `exception` and `traceback`",
    "del self.": "really removes the artifact",
    "foreach": "a list without items leads straight to the join, which gets no inputs",
    "DataArtifact": "`data` is loaded when it is asked for, and lists load nothing",
    "Run": "a run's id looks like 20261124-0229-7k3q, a task's is its place: 0, 17, 17.3",
    "metadata": "takes what `--metadata` takes; data and catalogue lie below .penstock",
}
_MISSING = {
    "current.card": "cards are not part of this version: show what you want to see from the artifacts",
    "current.trigger": "flows are not started by events in this version",
    "current.checkpoint": "it belongs to an extension of Metaflow's",
    "current.tempdir": "use tempfile in the step",
}


class Feature:
    """name: as a user knows it; line: where it is first used; status: HONOURED, DIFFERENT or MISSING; note: how it
    differs, or what to do instead."""

    __slots__ = ("line", "name", "note", "status")

    def __init__(self, name: str, line: int, status: str, note: str = "") -> None:
        self.name, self.line, self.status, self.note = name, line, status, note

    def data(self) -> dict[str, object]:
        """As JSON."""
        return {name: getattr(self, name) for name in ("name", "line", "status", "note")}


def features(source: str, package: str, public: frozenset[str]) -> list[Feature]:
    """Every feature that a source uses, by its first line; none for a file that does not import from `package`.

    public: the names that penstock gives. Raises SyntaxError.
    """
    tree = ast.parse(source)
    imported = list(_imported(tree, package))
    if not imported:
        return []
    found: dict[str, Feature] = {}
    for name, path, line in imported:
        found.setdefault(name, _of_name(name, path, line, public))
    for name, line in _used(tree, {one for one, _, _ in imported}):
        status = MISSING if name in _MISSING else DIFFERENT if name in _DIFFERENT else HONOURED
        found.setdefault(name, Feature(name, line, status, _MISSING.get(name) or _DIFFERENT.get(name, "")))
    return sorted(found.values(), key=lambda one: (one.line, one.name))


def _imported(tree: ast.AST, wanted: str) -> Iterator[tuple[str, str, int]]:
    """Name, path below the package, line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            package, _, path = node.module.partition(".")
            if package == wanted:
                for alias in node.names:
                    yield alias.name, path, node.lineno
        elif isinstance(node, ast.Import):
            for alias in node.names:
                package, _, path = alias.name.partition(".")
                if package == wanted:
                    yield alias.name, path, node.lineno


def _of_name(name: str, path: str, line: int, public: frozenset[str]) -> Feature:
    from penstock.compat.paths import PATHS

    if "." in name or name == "*":
        return Feature(name, line, HONOURED if not path or path in PATHS else MISSING)
    if name in _DIFFERENT:
        return Feature(name, line, DIFFERENT, _DIFFERENT[name])
    if name in public or (path in PATHS and name in PATHS[path]):
        return Feature(name, line, HONOURED)
    if name in PASSED_OVER:
        return Feature(name, line, DIFFERENT, f"passed over: {PASSED_OVER[name]}")
    if name in ABSENT:
        return Feature(name, line, MISSING, ABSENT[name])
    where = f"{path}." if path else ""
    return Feature(f"{where}{name}", line, MISSING, "penstock has no such name")


def _used(tree: ast.AST, imported: set[str]) -> Iterator[tuple[str, int]]:
    """What is used beside imported names: forms of `self.next`, facts of `current`, deletions."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "current":
            if "current" in imported:
                yield f"current.{node.attr}", node.lineno
        elif isinstance(node, ast.Delete):
            for target in node.targets:
                if isinstance(target, ast.Attribute) and _is_self(target.value):
                    yield "del self.", node.lineno
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and _is_self(node.func.value):
            if node.func.attr == "next":
                yield from ((word.arg, node.lineno) for word in node.keywords if word.arg)
            elif node.func.attr == "merge_artifacts":
                yield "merge_artifacts", node.lineno


def _is_self(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and node.id == "self"
