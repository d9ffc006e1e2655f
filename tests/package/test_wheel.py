"""The wheel, in an empty environment, in a folder that has nothing to do with the checkout."""

from __future__ import annotations

import tomllib
import zipfile
from pathlib import Path

import pytest

from tests.package.conftest import DISTRIBUTIONS, ROOT, passed, shell


def _wheel(dist: Path, name: str) -> Path:
    (found,) = dist.glob(f"{name.replace('-', '_')}-[0-9]*.whl")
    return found


@pytest.mark.parametrize("source", DISTRIBUTIONS, ids=lambda path: path.name if path != ROOT else "penstock")
def test_it_holds_the_packages_and_nothing_else(source: Path, dist: Path) -> None:
    project = tomllib.loads((source / "pyproject.toml").read_text(encoding="utf-8"))
    packages = [source / package for package in project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]]
    files = {
        path.relative_to(package.parent).as_posix()
        for package in packages
        for path in package.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    with zipfile.ZipFile(_wheel(dist, project["project"]["name"])) as wheel:
        names = set(wheel.namelist())
        (info,) = {name.partition("/")[0] for name in names if ".dist-info/" in name}
        metadata = wheel.read(f"{info}/METADATA").decode("utf-8")
        entry_points = wheel.read(f"{info}/entry_points.txt").decode("utf-8")
    assert {name for name in names if not name.startswith(f"{info}/")} == files
    assert all(f"{package.name}/py.typed" in names for package in packages)
    assert any(name.startswith(f"{info}/licenses/") for name in names)
    assert "Requires-Python: >=3.11" in metadata
    assert "[penstock]" in entry_points


def test_it_runs_a_flow_elsewhere(dist: Path, bin: Path, tmp_path: Path) -> None:
    passed(shell([str(bin / "pip"), "install", "--quiet", str(_wheel(dist, "penstock"))], tmp_path))
    passed(shell([str(bin / "pip"), "check"], tmp_path))
    away = tmp_path / "away"
    away.mkdir()
    (away / "petsflow.py").write_bytes((ROOT / "examples" / "petsflow.py").read_bytes())

    for command in ("flow --help", "penstock --help", "python -m penstock --help"):
        assert "resume" in passed(shell(command, away, bin=bin))
    assert "6 pets" in passed(shell("flow run petsflow.py", away, bin=bin))
    assert "6 pets" in passed(shell("python petsflow.py run", away, bin=bin))
    read = "from penstock import Flow, namespace; namespace(None); print(Flow('PetsFlow').latest_run.data.count)"
    assert passed(shell(["python", "-c", read], away, bin=bin)) == "6\n"
    assert "ready" in passed(shell("flow plugins", away, bin=bin))


def test_installing_brings_few_distributions(dist: Path, bin: Path, tmp_path: Path) -> None:
    before = passed(shell([str(bin / "pip"), "list", "--format=freeze"], tmp_path))
    passed(shell([str(bin / "pip"), "install", "--quiet", str(_wheel(dist, "penstock"))], tmp_path))
    after = passed(shell([str(bin / "pip"), "list", "--format=freeze"], tmp_path))
    added = {line.partition("==")[0].partition(" ")[0] for line in set(after.split("\n")) - set(before.split("\n"))}
    assert added <= {"penstock", "backports.zstd", "click", "cloudpickle", "pluggy"}
