"""A newcomer with the sources and an empty environment does what CONTRIBUTING.md says, line by line."""

from __future__ import annotations

from pathlib import Path

from tests.docs.blocks import ROOT, blocks
from tests.package.conftest import passed, shell


def test_every_command_for_contributors(unpacked: Path, bin: Path) -> None:
    commands = [block for block in blocks(ROOT / "CONTRIBUTING.md") if block.language == "sh"]
    assert len(commands) == 2
    said = "".join(passed(shell(f"set -e\n{block.text}", unpacked, bin=bin)) for block in commands)
    assert " passed" in said
    assert "Success: no issues found" in said
