"""The pages about containers and their example are run, on images of the names that they show."""

from __future__ import annotations

import contextlib
import re
import shutil
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import docker
import docker.errors
import pytest

from penstock.client import Client
from penstock.testing.flow_suite import FLOWS
from penstock_docker.plugin import DockerOptions
from plugins.docker.tests.flow_shell import DockerShell
from tests.docs.blocks import ROOT, blocks
from tests.engine import engines, images, pythons

PAGE, README = ROOT / "docs" / "docker.md", ROOT / "plugins" / "docker" / "README.md"
SHOWN = "3.12"  # python:3.12-slim


@pytest.fixture
def slim_images(engine: docker.DockerClient) -> Iterator[None]:
    """`python:X.Y-slim` for each Python of this machine, where the engine has none of that name."""
    if SHOWN not in {one.name for one in pythons.supported()}:
        pytest.skip(f"other Python version: the pages show {SHOWN}, and this machine has none")
    with contextlib.ExitStack() as stack:
        for python in pythons.supported():
            name = f"python:{python.name}-slim"
            try:
                engine.images.get(name)
            except docker.errors.ImageNotFound:
                engine.images.get(images.python_image(engine, python)).tag(name)
                stack.callback(engine.images.remove, name, noprune=True)
        yield


@pytest.mark.usefixtures("slim_images")
@pytest.mark.parametrize("page", [PAGE, README], ids=["docs", "README"])
def test_the_blocks_of_a_page_run_one_after_another(page: Path, tmp_path: Path) -> None:
    folder = tmp_path / "reader"
    folder.mkdir()
    shutil.copy(FLOWS / "linear.py", folder / "petsflow.py")
    (folder / "penstock.toml").write_text('[docker]\nnetwork = "none"\n')  # this machine's engine may have no other
    for block in blocks(page):
        block.run(folder)


def test_the_table_of_options_is_that_of_the_class() -> None:
    section = README.read_text(encoding="utf-8").partition("## Options")[2].partition("##")[0]
    rows = [row.split("|")[1] for row in section.splitlines() if row.startswith("| `")]
    assert sorted(re.findall(r"`(\w+)`", " ".join(rows))) == sorted(one.name for one in fields(DockerOptions))


def test_the_example_has_a_python_for_each_step(
    tmp_path: Path, engine: docker.DockerClient, image: str, other_image: str
) -> None:
    shell = DockerShell(tmp_path / "reader", engine, engines.url(), image)
    shell.environment |= {"PENSTOCK_EXECUTOR": "local", "OLD_IMAGE": image, "NEW_IMAGE": other_image}
    done = shell.flow("run", str(ROOT / "examples" / "two_pythons_flow.py"))
    assert done.code == 0, done
    own, other = (".".join(map(str, one.version)) for one in pythons.supported()[:2])
    reader = Client("local", root=str(shell.store))
    with contextlib.closing(reader.stores):
        data = reader.run("TwoPythonsFlow/latest").data
        assert data.versions == {"old": own, "new": other, "here": own}
        assert data.totals == [499_500, 499_500]
    assert shell.containers() == []
