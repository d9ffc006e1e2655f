"""What the header of a run must have, made by hand."""

from __future__ import annotations

from typing import Any

from penstock.storage import records


def header(**more: Any) -> dict[str, Any]:
    token = records.new_token()
    return {"flow": "F", "run": "", "token": token, "started_s": 1e9, "tags": [], "system_tags": [], **more}
