"""Two branches and a join."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from penstock.client import Client
from tests.examples.conftest import EXAMPLES, Flow


def test_six_pets(flow: Flow, client: Client) -> None:
    done = flow("run", EXAMPLES / "petsflow.py")
    assert done.returncode == 0, done.stderr
    assert "6 pets: cat, dog, goat, goldfish, hen, pony" in done.stdout
    run = client.run("PetsFlow/latest")
    assert run.successful
    assert run.data.count == 6
    assert [step.id for step in run] == ["end", "join", "outdoors", "indoors", "start"]


def test_its_graph_is_shown_without_a_run(flow: Flow, client: Client) -> None:
    done = flow("show", EXAMPLES / "petsflow.py")
    assert done.returncode == 0
    assert "indoors" in done.stdout
    assert client.flow_names() == []


def test_the_file_is_a_script_too(client: Client, tmp_path: Path) -> None:
    script = [sys.executable, EXAMPLES / "petsflow.py", "--quiet", "run"]
    done = subprocess.run(script, cwd=tmp_path, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert client.run("PetsFlow/latest").data.count == 6
