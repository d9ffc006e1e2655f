"""The sdist is the repository."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.package.conftest import ROOT, passed, shell

README = (ROOT / "README.md").read_text(encoding="utf-8")
INSTALL_AND_RUN = "pip install . && flow run examples/petsflow.py"


def _tracked() -> set[str]:
    """Files that git knows; those of distributions of their own are not the root's."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    own = [f"{path.parent.relative_to(ROOT)}/" for path in ROOT.glob("plugins/*/pyproject.toml")]
    there = {name for name in listed.split("\0") if name and (ROOT / name).exists()}
    return {name for name in there if not name.startswith(tuple(own))}


@pytest.mark.skipif(not (ROOT / ".git").exists() or shutil.which("git") is None, reason="other platform: no checkout")
def test_everything_that_git_knows_is_in_it(unpacked: Path) -> None:
    packed = {str(path.relative_to(unpacked)) for path in unpacked.rglob("*") if path.is_file()}
    assert _tracked() - packed == set()
    assert not [name for name in packed if "__pycache__" in name or name.startswith((".tox", ".penstock"))]


def test_the_first_command_of_the_readme(unpacked: Path, bin: Path) -> None:
    assert INSTALL_AND_RUN in README
    done = shell(INSTALL_AND_RUN, unpacked, bin=bin)
    assert "6 pets" in passed(done)
    assert (unpacked / ".penstock").is_dir()
