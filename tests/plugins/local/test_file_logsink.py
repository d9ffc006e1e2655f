"""Output as files."""

from __future__ import annotations

from pathlib import Path

import pytest

from penstock.contracts.logsink import LogStream
from penstock.errors import BackendMisconfigured
from penstock.testing import LogSinkSuite, MemoryDatastore
from penstock_local.file_datastore import FileDatastore
from penstock_local.file_logsink import FileLogSink


class TestFileLogSink(LogSinkSuite):
    def make(self, tmp_path: Path) -> FileLogSink:
        return FileLogSink(FileDatastore(root=str(tmp_path / "a störe")))


class TestAFolderOfItsOwn(LogSinkSuite):
    def make(self, tmp_path: Path) -> FileLogSink:
        return FileLogSink(FileDatastore(root=str(tmp_path / "store")), root=str(tmp_path / "logs"))


def test_a_store_without_files_needs_a_folder_to_be_named() -> None:
    sink = FileLogSink(MemoryDatastore())
    with pytest.raises(BackendMisconfigured, match="needs a folder") as caught:
        sink.append(LogStream("F", "r", "s", "0", 0, "stdout"), 0, b"x")
    assert "--logging=datastore" in caught.value.hint


@pytest.mark.parametrize("name", ["..", ".", "../../x", "a/b", "/etc", "\x00", ".hidden", "ä" * 100])
def test_no_name_leads_outside_its_folder(tmp_path: Path, name: str) -> None:
    logs = tmp_path / "store" / "logs"
    sink = FileLogSink(FileDatastore(root=str(tmp_path / "store")))
    stream = LogStream(name, name, name, name, 0, "stdout")
    sink.append(stream, 0, b"kept")
    assert b"".join(sink.read(stream)) == b"kept"
    (file,) = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert file.relative_to(logs).parts[-1] == "0.stdout"
    assert len(file.relative_to(logs).parts) == 5
