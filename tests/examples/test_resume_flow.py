"""Fail, mend, resume."""

from __future__ import annotations

from pathlib import Path

from penstock.client import Client
from tests.examples.conftest import EXAMPLES, Flow

FILE = EXAMPLES / "resume_flow.py"


def test_a_mended_flow_goes_on_where_it_failed(flow: Flow, client: Client, tmp_path: Path) -> None:
    failed = flow("run", FILE)
    assert failed.returncode == 1
    assert "no report of north" in failed.stderr
    assert "next: flow resume" in failed.stderr
    first = client.run("ResumeFlow/latest")
    assert not first.successful

    (tmp_path / "north.txt").write_text("8.5\n")
    resumed = flow("resume", FILE)
    assert resumed.returncode == 0, resumed.stderr
    assert "north: 8.5 degrees" in resumed.stdout
    assert "east" not in resumed.stdout
    second = client.run("ResumeFlow/latest")
    assert second.id != first.id
    assert second.data.mean == 12.0
    assert second["read"].task is not None


def test_without_the_report_it_fails_at_the_same_place_again(flow: Flow, client: Client) -> None:
    assert flow("run", FILE).returncode == 1
    again = flow("resume", FILE)
    assert again.returncode == 1
    assert "no report of north" in again.stderr
    assert client.run("ResumeFlow/latest").status == "failed"
