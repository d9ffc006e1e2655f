"""The source by which a bare interpreter fetches one object: the modules that sign, find credentials and fetch, as one.

They are the same files that everybody else imports, without what only readers and type checkers need.
"""

from __future__ import annotations

import ast
import importlib.util
import re

_PARTS = ("signing", "ambient", "fetching")
_PACKAGE = __name__.rpartition(".")[0]


def source(base: str, prefix: str, region: str, more: dict[str, str]) -> str:
    """`fetch(key) -> bytes` for `base` + `/` + `prefix` + key. more: headers of each request."""
    said = f"BASE, PREFIX, REGION, MORE = {base!r}, {prefix!r}, {region!r}, {more!r}"
    bodies = [body for part in _PARTS for body in _bare(ast.parse(_text(part))).body]
    tree = _used(ast.Module([*bodies, *ast.parse(said).body], []))
    return re.sub("^ +", _narrow, ast.unparse(_Shorter().visit(tree)), flags=re.MULTILINE) + "\n"


def _narrow(indent: re.Match[str]) -> str:
    """A space for each level; no text of the parts goes over a line."""
    return " " * (len(indent[0]) // 4)


def _used(tree: ast.Module) -> ast.Module:
    """Without functions that are only other modules' to call."""
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)} | {"fetch"}
    tree.body = [node for node in tree.body if not isinstance(node, ast.FunctionDef) or node.name in names]
    return tree


def _text(part: str) -> str:
    spec = importlib.util.find_spec(f"{_PACKAGE}.{part}")
    text = spec.loader.get_source(spec.name) if spec is not None and spec.loader is not None else None  # type: ignore[attr-defined]
    if text is None:
        raise FileNotFoundError(f"the source of {_PACKAGE}.{part} is not installed")
    return str(text)


def _bare(tree: ast.Module) -> ast.Module:
    """Without imports of ours, and what stands for a type checker."""

    def stays(node: ast.stmt) -> bool:
        if isinstance(node, ast.ImportFrom):
            return not (node.module or "").startswith((_PACKAGE, "__future__"))
        if isinstance(node, ast.If):
            return not (isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING")
        return not (isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "TYPE_CHECKING")

    tree.body = [node for node in tree.body if stays(node)]
    return tree


class _Shorter(ast.NodeTransformer):
    """Takes away docstrings and annotations."""

    def visit_Expr(self, node: ast.Expr) -> ast.Expr | None:
        return None if isinstance(node.value, ast.Constant) else node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        if node.value is None:
            return ast.Pass()
        return ast.copy_location(ast.Assign([node.target], node.value, lineno=0), node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        for one in (*node.args.args, *node.args.kwonlyargs):
            one.annotation = None
        return self.generic_visit(node)
