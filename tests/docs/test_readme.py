"""Every command and block of the pages is run; what pages say of commands and files is so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from penstock.cli.group import COMMANDS
from tests.docs.blocks import OF_PLUGINS, PAGES, ROOT, blocks

README = (ROOT / "README.md").read_text(encoding="utf-8")

# Blocks that install something or run all tests, and who runs them. CONTRIBUTING.md: tests/package/test_contributing.py
ELSEWHERE = {
    "pip install . && flow run examples/petsflow.py\n": "tests/package/test_sdist.py",
    "pip install tox && tox\n": ".ci/run",
}


@pytest.mark.parametrize("page", [page for page in PAGES if page.name not in OF_PLUGINS], ids=lambda page: page.name)
def test_the_blocks_of_a_page_run_one_after_another(page: Path, tmp_path: Path) -> None:
    for block in blocks(page):
        if block.text not in ELSEWHERE:
            block.run(tmp_path)


@pytest.mark.parametrize(("block", "who"), ELSEWHERE.items(), ids=ELSEWHERE.values())
def test_what_is_not_run_here_is_run_elsewhere(block: str, who: str) -> None:
    assert any(found.text == block for found in blocks(ROOT / "README.md")), f"README.md does not say {block}"
    assert block.strip() in (ROOT / who).read_text(encoding="utf-8")


def test_the_table_of_commands_is_that_of_the_help() -> None:
    table = re.findall(r"^\| `flow (\w+)", README, re.MULTILINE)
    assert table == list(COMMANDS)


@pytest.mark.parametrize("page", sorted({*PAGES, *ROOT.glob("*.md")}), ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", text):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_the_flow_of_the_readme_has_about_twenty_lines() -> None:
    (flow,) = [block for block in blocks(ROOT / "README.md") if block.file == "primes.py"]
    assert len([line for line in flow.text.splitlines() if line.strip()]) <= 22
