"""What `--json` prints: one document, whose first field is the version of its form. `docs/json.md` shows each."""

from __future__ import annotations

import json

import click

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def show(**content: Any) -> None:
    """Print a document. A list stands under the plural of what it lists; a field means the same in each document."""
    from penstock.view import VERSION

    click.echo(json.dumps({"version": VERSION, **content}, indent=2))
