"""Tasks in the calling process."""

from __future__ import annotations

from pathlib import Path

from penstock.contracts.executor import RunInfo
from penstock.testing import ExecutorSuite
from penstock_local.inline_executor import InlineExecutor


class TestInlineExecutor(ExecutorSuite):
    def make(self, run: RunInfo, folder: Path) -> InlineExecutor:
        return InlineExecutor(run)
