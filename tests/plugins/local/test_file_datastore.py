"""The datastore in a folder."""

from __future__ import annotations

from pathlib import Path

from penstock.testing import DatastoreSuite
from penstock_local.file_datastore import FileDatastore


class TestFileDatastore(DatastoreSuite):
    def make(self, tmp_path: Path) -> FileDatastore:
        return FileDatastore(root=str(tmp_path / "a störe"))


class TestDurable(DatastoreSuite):
    def make(self, tmp_path: Path) -> FileDatastore:
        return FileDatastore(root=str(tmp_path / "store"), durable=True)
