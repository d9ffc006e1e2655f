"""What users get: distributions built from this checkout, installed into empty environments elsewhere."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import venv
from pathlib import Path

import pytest

pytest.importorskip("build")

ROOT = Path(__file__).parents[2]
DISTRIBUTIONS = [ROOT, *sorted(path.parent for path in ROOT.glob("plugins/*/pyproject.toml"))]
LIMIT_S = 600


def shell(command: str | list[str], folder: Path, *, bin: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command (a text: a line of sh) in `folder`, with the commands of `bin` first and none of our variables."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("PENSTOCK_", "PYTHON", "VIRTUAL_ENV"))
    }
    if bin is not None:
        environment["PATH"] = f"{bin}{os.pathsep}{environment['PATH']}"
    return subprocess.run(
        command, shell=isinstance(command, str), cwd=folder, env=environment, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=LIMIT_S,
    )  # fmt: skip


def passed(done: subprocess.CompletedProcess[str]) -> str:
    """What a command printed. Fails with all of it when the command did."""
    assert done.returncode == 0, f"{done.args}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="session")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an sdist of every distribution, and a wheel that was built from it."""
    folder = tmp_path_factory.mktemp("dist")
    for source in DISTRIBUTIONS:
        passed(shell([sys.executable, "-m", "build", "--outdir", str(folder), str(source)], folder))
    return folder


@pytest.fixture
def bin(tmp_path: Path) -> Path:
    """The commands of a new, empty environment."""
    venv.create(tmp_path / "environment", with_pip=True)
    return tmp_path / "environment" / "bin"


@pytest.fixture
def unpacked(dist: Path, tmp_path: Path) -> Path:
    """The sdist of the root, unpacked: what somebody has who got the sources."""
    (archive,) = dist.glob("penstock-[0-9]*.tar.gz")
    with tarfile.open(archive) as file:
        file.extractall(tmp_path / "unpacked", filter="data")
    (folder,) = (tmp_path / "unpacked").iterdir()
    return folder
