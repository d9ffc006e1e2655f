"""A module of the archive is found under its path, whatever stands there now; all others as before."""

from __future__ import annotations

import importlib
import inspect
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest

from penstock.host.archived_code import ArchivedCode
from penstock.storage import archive
from tests.unit.dict_datastore import DictDatastore

NAMES = ("archived_one", "archived_package", "archived_spaces", "only_on_disk")


@pytest.fixture
def installed(tmp_path: Path) -> Iterator[ArchivedCode]:
    sources = {
        "archived_one.py": "def fail():\n    raise ValueError  # as archived\n",
        "archived_package/__init__.py": "WHICH = 'archived'\n",
        "archived_package/inner.py": "from . import WHICH\n",
        "archived_spaces/part.py": "WHICH = 'archived'\n",
    }
    for inside, text in sources.items():
        (tmp_path / inside).parent.mkdir(exist_ok=True)
        (tmp_path / inside).write_text(text)
    store = DictDatastore()
    name = archive.put(store, archive.pack({inside: str(tmp_path / inside) for inside in sources}))
    for inside in sources:
        (tmp_path / inside).write_text("WHICH = 'edited'\n")
    (tmp_path / "archived_spaces" / "part.py").unlink()
    (tmp_path / "only_on_disk.py").write_text("WHICH = 'on disk'\n")
    (tmp_path / "archived_package" / "data.txt").write_text("data")
    sys.path.insert(0, str(tmp_path))
    code = ArchivedCode.of(store, name, str(tmp_path / "flow.py")).install()
    yield code
    if code._finder in sys.path_hooks:
        code.uninstall()
    sys.path.remove(str(tmp_path))
    _forget()


def _forget() -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] in NAMES]:
        del sys.modules[name]


@pytest.mark.parametrize(
    ("name", "which"),
    [
        ("archived_package", "archived"),
        ("archived_package.inner", "archived"),
        ("archived_spaces.part", "archived"),
        ("only_on_disk", "on disk"),
    ],
)
def test_where_a_module_comes_from(installed: ArchivedCode, tmp_path: Path, name: str, which: str) -> None:
    module = importlib.import_module(name)
    assert which == module.WHICH
    assert (module.__file__ or "").startswith(str(tmp_path))


def test_its_lines_are_shown_and_data_beside_it_is_read(installed: ArchivedCode) -> None:
    module = importlib.import_module("archived_one")
    with pytest.raises(ValueError) as told:
        module.fail()
    assert "raise ValueError  # as archived" in "".join(traceback.format_exception(told.value))
    assert "as archived" in inspect.getsource(module.fail)
    package = importlib.import_module("archived_package")
    assert package.__spec__.loader.get_data(str(Path(package.__file__).parent / "data.txt")) == b"data"


def test_afterwards_the_disk_counts_again(installed: ArchivedCode) -> None:
    assert importlib.import_module("archived_one")
    installed.uninstall()
    _forget()
    assert importlib.import_module("archived_one").WHICH == "edited"
