"""Fenced blocks of the documentation, and the story that each page tells with them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md"))]
OF_PLUGINS = {"aws.md", "docker.md", "s3.md"}  # their blocks need a plugin: its own tests run them
LIMIT_S = 300
_FENCE = re.compile(r"^```(\w*) *(\S*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Block:
    """language: the word behind the fence, `sh`, `python`, `toml`, `text` ...; file: the second word, the file that the
    block is the content of; line: where it begins."""

    def __init__(self, page: Path, language: str, file: str, text: str, line: int) -> None:
        self.page, self.language, self.file, self.text, self.line = page, language, file, text, line

    def __str__(self) -> str:
        return f"{self.page.name}:{self.line}"

    def run(self, folder: Path) -> None:
        """Do what a reader would do with it in `folder`. Fails with what it printed."""
        if self.file:
            (folder / self.file).write_text(self.text, encoding="utf-8")
        elif self.language == "sh":
            self._passes(["sh", "-e", "-c", self.text], folder)
        elif self.language == "python":
            self._passes([sys.executable, "-c", self.text], folder)
        else:
            assert self.language in ("text", "toml"), f"{self}: what is a block of {self.language!r} for?"

    def _passes(self, command: list[str], folder: Path) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PENSTOCK_")}
        environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
        done = subprocess.run(
            command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=LIMIT_S,
        )  # fmt: skip
        assert done.returncode == 0, f"{self}\n{done.stdout}\n{done.stderr}"


def blocks(page: Path) -> list[Block]:
    """The blocks of a page, in order."""
    text = page.read_text(encoding="utf-8")
    return [Block(page, *found.groups(), text.count("\n", 0, found.start()) + 1) for found in _FENCE.finditer(text)]
