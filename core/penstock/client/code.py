"""The code of a run: to look at, and to read values whose classes stand in it where they can't be imported."""

from __future__ import annotations

import atexit
import io
import os
import shutil
import sys
import tempfile
import zipfile

from penstock.client.default import loading
from penstock.errors import ChunkDamaged, KeyMissing, NotReadable
from penstock.storage import archive, keys, records

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from penstock.client.client import Client
    from penstock.values import Record

class RunCode:
    """The files that a run had. path: the archive's key in the store; script_name: of the flow file, in the archive."""

    def __init__(self, path: str, script_name: str, data: bytes) -> None:
        self.path, self.script_name, self._data = path, script_name, data

    @property
    def flowspec(self) -> str:
        """The text of the flow file."""
        with zipfile.ZipFile(io.BytesIO(self._data)) as files:
            return files.read(self.script_name).decode("utf-8", "replace")

    @property
    def files(self) -> list[str]:
        """Names of all files, relative to the flow's folder."""
        with zipfile.ZipFile(io.BytesIO(self._data)) as files:
            return files.namelist()

    def extract(self) -> tempfile.TemporaryDirectory[str]:
        """The files in a new folder, `.name`, which is gone with the object that is returned."""
        folder = tempfile.TemporaryDirectory(prefix="penstock-code-")
        archive.unpack(self._data, folder.name)
        return folder

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RunCode) and self.path == other.path

    def __hash__(self) -> int:
        return hash(self.path)

    def __repr__(self) -> str:
        return f"<RunCode {self.script_name}: {', '.join(self.files)}>"


def code_of(client: Client, header: Mapping[str, Any]) -> RunCode | None:
    """The code that a run's header names; None where it is missing or damaged."""
    sha256 = header.get("code")
    if not isinstance(sha256, str):
        return None
    try:
        data = archive.get(client.stores.datastore, sha256)
    except (KeyMissing, ChunkDamaged):
        return None
    return RunCode(keys.code(sha256), os.path.basename(str(header.get("file"))), data)


# ------------------------------------------------------------------------------- values whose class it has

_folders: dict[str, str] = {}  # sha256 of an archive -> where it is unpacked, while this process lives


def load(client: Client, record: Record | None, name: str, row: Mapping[str, Any]) -> Any:
    """The value of a row; a missing module is looked for in the code of the run that wrote it.

    Raises ChunkDamaged, NotReadable.
    """
    try:
        return _load(client, name, row)
    except NotReadable as error:
        missing = error.__cause__
        if not isinstance(missing, ModuleNotFoundError) or record is None:
            raise
        if not _make_importable(client, record, str(missing.name)):
            raise
    return _load(client, name, row)


def _load(client: Client, name: str, row: Mapping[str, Any]) -> Any:
    with loading(client):
        return client.artifacts.load(name, row)


def _make_importable(client: Client, record: Record, module: str) -> bool:
    """Put the run's code at the end of `sys.path`, if it has the module. What can be imported already stays first."""
    header = records.read(client.stores.datastore, keys.run_header(record.flow, record.run)) or {}
    found = None if header.get("code") in _folders else code_of(client, header)
    if found is None:
        return False
    folder = archive.private_folder(found._data, "penstock-code-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    _folders[header["code"]] = str(folder)
    sys.path.append(str(folder))
    top = module.partition(".")[0]
    return (folder / f"{top}.py").exists() or (folder / top).is_dir()
