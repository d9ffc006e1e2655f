"""Imports run one way. The table is the same as in ARCHITECTURE.md: who may import whom, inside functions included."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CORE, PLUGINS = ROOT / "core" / "penstock", ROOT / "plugins"

# Everybody may import these; they import one another only downwards.
GROUND = {
    "values": "",
    "errors": "",
    "nearest": "errors",
    "printable": "",
    "amounts": "",
    "keys": "values",
    "bundle": "errors",
}

# Module or folder of core -> what it may import beside the ground.
ARROWS = {
    "penstock": "",  # only lazy names, see UPWARD
    "compat": "",
    "user_name": "compat",
    "git_facts": "",
    "tag_text": "",
    "which_run": "",
    "contracts": "",
    # what a user writes
    "graph": "",
    "graph_source": "graph",
    "graph_checks": "graph",
    "drawing": "graph",
    "flow": "graph graph_source",
    "parameters": "",
    "decorators": "",
    "context": "",
    # what is stored
    "records": "contracts",
    "preview": "",
    "by_value": "",
    "unpicklable": "by_value preview",
    "compression": "",
    "mapping": "",
    "chunks": "compression mapping contracts",
    "artifacts": "chunks compression mapping by_value preview unpicklable contracts",
    "tags": "records contracts tag_text",
    "logs": "records contracts",
    "catalogue": "records contracts tags tag_text",
    "archive": "contracts",
    # running
    "attempt": "flow context artifacts parameters decorators records graph contracts",
    "host": "attempt archive logs plan flow context records graph graph_source graph_checks contracts",
    "plan": "graph records",
    "lease": "records contracts",
    "scheduler": "plan attempt records lease contracts graph",
    "placement": "plan decorators scheduler contracts home",
    "driver": "scheduler placement plan host lease archive tags tag_text catalogue records user_name contracts home",
    "launch": "driver placement plan host lease records git_facts which_run contracts home",
    "continuation": "launch driver placement scheduler plan archive lease records user_name contracts home",
    "cancellation": "continuation launch driver placement scheduler plan lease records graph user_name contracts home",
    # what is installed and chosen
    "plugin": "contracts",
    "builtin": "plugin",
    "entry_points": "",
    "registry": "plugin entry_points contracts",
    "settings": "",
    "observers": "registry",
    "home": "settings registry observers catalogue compat contracts",
    # faces
    "view": "records plan graph decorators",
    "client": "view artifacts archive logs catalogue tags tag_text which_run lease graph user_name records home contracts",
    "cli": "*",
    "__main__": "cli",
    "testing": "plugin builtin contracts compat flow graph plan attempt host launch driver home registry settings client "
    "records archive catalogue logs artifacts tags lease cli decorators parameters context",
}

# Calls upwards, always inside a function: `PetsFlow()` and `.run()`, `current.run`, and what `@catch` says of an error.
UPWARD = {("flow", "launch"), ("launch", "cli"), ("context", "client"), ("decorators", "attempt")}

# Third-party package -> the only modules that may import it.
ONLY_IN = {
    "click": {"cli"},
    "pluggy": {"plugin", "registry"},
    "cloudpickle": {"by_value"},
    "backports": {"compression"},
    "numpy": {"testing"},
    "pandas": {"testing"},
    "pytest": {"testing"},
    "hypothesis": {"testing"},
}

# What a plugin may import of core.
PLUGIN_DOORS = {"plugin", "contracts", "values", "errors"}


def sources(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*.py") if "flows" not in path.relative_to(folder).parts)


def unit(module: str) -> str:
    """`penstock.cli.run` -> `cli`; `penstock` itself is `penstock`."""
    return [*module.split("."), ""][1] or "penstock"


def imports(path: Path) -> list[tuple[str, bool, int]]:
    """Dotted names that a file imports, whether at module level, and the line; what type checkers see is left out."""
    found: list[tuple[str, bool, int]] = []

    def walk(node: ast.AST, top: bool) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
                continue
            if isinstance(child, ast.Import):
                found.extend((alias.name, top, child.lineno) for alias in child.names)
            elif isinstance(child, ast.ImportFrom) and child.level == 0 and child.module:
                names = (
                    [f"{child.module}.{alias.name}" for alias in child.names]
                    if child.module == "penstock"
                    else [child.module]
                )
                found.extend((name, top, child.lineno) for name in names)
            assert not (isinstance(child, ast.ImportFrom) and child.level), f"{path}:{child.lineno}: relative import"
            walk(child, top and not isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)))

    walk(ast.parse(path.read_text(encoding="utf-8")), True)
    return found


def module_of(path: Path) -> str:
    return ".".join(("penstock", *path.relative_to(CORE).with_suffix("").parts)).removesuffix(".__init__")


def allowed(name: str) -> set[str]:
    if name in GROUND:
        return set(GROUND[name].split())
    return {*ARROWS[name].split(), *GROUND}


UNITS = {module_of(path): unit(module_of(path)) for path in sources(CORE)}


def target(name: str) -> str:
    """The unit of an imported name; names such as `penstock.__version__` belong to the package itself."""
    found = unit(name)
    return found if found in {*ARROWS, *GROUND} else "penstock"


@pytest.mark.parametrize("path", sources(CORE), ids=module_of)
def test_core_imports_only_what_the_table_allows(path: Path) -> None:
    own = unit(module_of(path))
    assert own in {*ARROWS, *GROUND}, f"{own} is not in the table: say what it may import"
    for name, top, line in imports(path):
        if name.split(".")[0] != "penstock" or target(name) in (own, "penstock"):
            continue
        up = (own, target(name))
        fits = "*" in allowed(own) or target(name) in allowed(own) or (up in UPWARD and not top)
        assert fits, f"{path}:{line}: {own} imports {target(name)}"


def test_the_table_has_no_circle() -> None:
    arrows = {name: allowed(name) - {name, "*"} for name in {*ARROWS, *GROUND}}
    done: set[str] = set()
    while len(done) < len(arrows):
        free = {name for name in arrows if name not in done and arrows[name] <= done}
        assert free, f"a circle among {sorted(set(arrows) - done)}"
        done |= free


def test_the_table_names_nothing_that_is_gone() -> None:
    assert {*ARROWS, *GROUND} - {*UNITS.values(), "penstock"} == set()


@pytest.mark.parametrize("path", sources(CORE), ids=module_of)
def test_third_party_packages_stay_where_they_belong(path: Path) -> None:
    own = unit(module_of(path))
    for name, _, line in imports(path):
        package = name.split(".")[0]
        if package in sys.stdlib_module_names or package == "penstock":
            continue
        assert own in ONLY_IN.get(package, ()), f"{path}:{line}: {own} imports {package}"


@pytest.mark.parametrize("path", sources(PLUGINS), ids=lambda path: str(path.relative_to(PLUGINS)))
def test_plugins_come_in_by_the_public_door(path: Path) -> None:
    package = path.relative_to(PLUGINS).parts[1]
    for name, _, line in imports(path):
        if name.split(".")[0] == "penstock":
            assert unit(name) in PLUGIN_DOORS, f"{path}:{line}: imports {name}"
        elif name.startswith("penstock_"):
            assert name.split(".")[0] == package, f"{path}:{line}: imports another plugin, {name}"


# ------------------------------------------------------------------------------------------------ words

BACKEND_WORDS = re.compile(
    r"docker|boto|\bs3\b|\baws\b|kubernetes|\bgcs\b|azure|slurm|sqlite|penstock_local", re.IGNORECASE
)


def words(path: Path) -> list[tuple[str, int]]:
    """Names and texts of the code; docstrings may give examples."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    documents = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef))
        and node.body
        and isinstance(node.body[0], ast.Expr)
        and isinstance(node.body[0].value, ast.Constant)
    }
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documents:
            found.append((node.value, node.lineno))
        elif isinstance(node, ast.Name):
            found.append((node.id, node.lineno))
        elif isinstance(node, ast.Attribute):
            found.append((node.attr, node.lineno))
    return found


@pytest.mark.parametrize("path", [p for p in sources(CORE) if unit(module_of(p)) != "testing"], ids=module_of)
def test_core_names_no_backend(path: Path) -> None:
    for word, line in words(path):
        assert not BACKEND_WORDS.search(word), f"{path}:{line}: {word!r}"


@pytest.mark.parametrize("path", [p for p in sources(CORE) if unit(module_of(p)) != "compat"], ids=module_of)
def test_metaflows_names_live_in_compat(path: Path) -> None:
    for word, line in words(path):
        assert not re.search(r"metaflow", word, re.IGNORECASE) or word in ("Metaflow", "Metaflow()"), (
            f"{path}:{line}: {word!r}"
        )
