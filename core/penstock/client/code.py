"""Read a value whose class stands in the flow's own code: where it can't be imported, the run's archive has it."""

from __future__ import annotations

import atexit
import shutil
import sys

from penstock.errors import ChunkDamaged, KeyMissing, NotReadable
from penstock.storage import archive, keys, records

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from penstock.client.client import Client
    from penstock.values import Record

_folders: dict[str, str] = {}  # sha256 of an archive -> where it is unpacked, while this process lives


def load(client: Client, record: Record | None, name: str, row: Mapping[str, Any]) -> Any:
    """The value of a row; a missing module is looked for in the code of the run that wrote it.

    Raises ChunkDamaged, NotReadable.
    """
    try:
        return client.artifacts.load(name, row)
    except NotReadable as error:
        missing = error.__cause__
        if not isinstance(missing, ModuleNotFoundError) or record is None:
            raise
        if not _make_importable(client, record, str(missing.name)):
            raise
    return client.artifacts.load(name, row)


def _make_importable(client: Client, record: Record, module: str) -> bool:
    """Put the run's code at the end of `sys.path`, if it has the module. What can be imported already stays first."""
    datastore = client.stores.datastore
    header = records.read(datastore, keys.run_header(record.flow, record.run)) or {}
    sha256 = header.get("code")
    if not isinstance(sha256, str) or sha256 in _folders:
        return False
    try:
        data = archive.get(datastore, sha256)
    except (KeyMissing, ChunkDamaged):
        return False
    folder = archive.private_folder(data, "penstock-code-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    _folders[sha256] = str(folder)
    sys.path.append(str(folder))
    top = module.partition(".")[0]
    return (folder / f"{top}.py").exists() or (folder / top).is_dir()
