"""Imports run one way: who may import whom is read from ARCHITECTURE.md; imports inside functions count too."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CORE, PLUGINS = ROOT / "core" / "penstock", ROOT / "plugins"

def tables(text: str, heading: str) -> list[list[str]]:
    """The rows of the table below a heading, cells without the ticks; rows that only group others are left out."""
    below = re.split(r"^#+ ", text.partition(f"\n### {heading}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]
    lines = [line for line in below.splitlines() if line.startswith("|")]
    assert lines, f"ARCHITECTURE.md has no table below {heading!r}"
    cells = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in lines[2:]]
    return [[cell.replace("`", "") for cell in row] for row in cells if row[0].startswith("`")]


TEXT = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")

# Everybody may import these; they import one another only downwards.
GROUND = {name: may for name, _, may in tables(TEXT, "The ground")}

# Module or folder of core -> what it may import beside the ground; "*" is everything.
ARROWS = {name: "*" if may == "everything" else may for name, _, may in tables(TEXT, "The modules")}

# Calls upwards, always inside a function.
UPWARD = {(lower, upper) for lower, upper, _ in tables(TEXT, "Calls upwards")}

# Folders that only group modules: each module in them has a row of its own.
ROOMS = set(re.findall(r"^\| \*\*.*?`(\w+)/`", TEXT, re.MULTILINE))

# Third-party package -> the only modules that may import it.
ONLY_IN = {package: set(units.split()) for package, units in tables(TEXT, "Other people's packages")}

# What a plugin may import of core.
PLUGIN_DOORS = {"plugin", "contracts", "values", "errors"}


def sources(folder: Path) -> list[Path]:
    """Product code: neither flows as users write them, nor the tests of a plugin."""
    return sorted(path for path in folder.rglob("*.py") if not {"flows", "tests"} & {*path.relative_to(folder).parts})


def unit(module: str) -> str:
    """`penstock.cli.run` -> `cli`, `penstock.storage.keys` -> `keys`; `penstock` itself is `penstock`."""
    parts = module.split(".")[1:]
    while len(parts) > 1 and parts[0] in ROOMS:
        parts = parts[1:]
    return parts[0] if parts else "penstock"


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
                    if child.module.removeprefix("penstock.") in {"penstock", *ROOMS}
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
    if own in ROOMS:
        assert not imports(path)[1:], f"{path}: a folder that only groups imports nothing"
        return
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
    assert {path.parent.name for path in CORE.glob("*/__init__.py")} >= ROOMS
    for names in ARROWS.values():
        assert set(names.split()) - {*ARROWS, "*"} == set()


def test_a_module_is_in_one_table_once() -> None:
    rows = [row[0] for heading in ("The ground", "The modules") for row in tables(TEXT, heading)]
    assert sorted(rows) == sorted(set(rows))


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`([\w./]+\.(?:py|md))", TEXT))))
def test_every_file_that_the_text_names_is_there(name: str) -> None:
    places = [ROOT / name, CORE / name, *PLUGINS.glob(f"*/*/{name}")]
    assert any(place.exists() for place in places), f"ARCHITECTURE.md names {name}"


@pytest.mark.parametrize("path", sources(CORE), ids=module_of)
def test_third_party_packages_stay_where_they_belong(path: Path) -> None:
    own = unit(module_of(path))
    for name, _, line in imports(path):
        package = name.split(".")[0]
        if package in sys.stdlib_module_names or package == "penstock":
            continue
        assert own in ONLY_IN.get(package, ()), f"{path}:{line}: {own} imports {package}"


PLUGIN_SOURCES = [path for path in sources(PLUGINS) if "tests" not in path.relative_to(PLUGINS).parts]


@pytest.mark.parametrize("path", PLUGIN_SOURCES, ids=lambda path: str(path.relative_to(PLUGINS)))
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


@pytest.mark.parametrize(
    "path", [p for p in sources(CORE) if unit(module_of(p)) not in ("testing", "compat")], ids=module_of
)
def test_core_names_no_backend(path: Path) -> None:
    for word, line in words(path):
        assert not BACKEND_WORDS.search(word), f"{path}:{line}: {word!r}"


@pytest.mark.parametrize("path", [p for p in sources(CORE) if unit(module_of(p)) != "compat"], ids=module_of)
def test_metaflows_names_live_in_compat(path: Path) -> None:
    for word, line in words(path):
        assert not re.search(r"metaflow", word, re.IGNORECASE) or word in ("Metaflow", "Metaflow()"), (
            f"{path}:{line}: {word!r}"
        )
