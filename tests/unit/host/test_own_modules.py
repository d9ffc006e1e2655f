"""Which files beside a flow are its code, also where a step imports them only when it runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from penstock.host import own_modules

PACKAGE = ["package/__init__.py", "package/deep/__init__.py", "package/deep/last.py"]
FILES = ("one.py", "two.py", "package/inner.py", *PACKAGE, "spaces/part.py", "outside.txt")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("import one", ["one.py"]),
        ("    import one, two as other", ["one.py", "two.py"]),
        ("\tfrom one import anything", ["one.py"]),
        ("import package.inner", ["package/__init__.py", "package/inner.py"]),
        ("  from package import inner, missing", ["package/__init__.py", "package/inner.py"]),
        ("from package.deep.last import x", PACKAGE),
        ("from . import two", ["two.py"]),
        ("from .package import deep", ["package/__init__.py", "package/deep/__init__.py"]),
        ("from spaces import part", ["spaces/part.py"]),
        ("from .. import above", []),
        ("import numpy, json", []),
        ("# import one", []),
        ("x = 'import one'", []),
    ],
)
def test_files_that_an_import_names(tmp_path: Path, text: str, found: list[str]) -> None:
    _write(tmp_path, text)
    assert own_modules.imported_later(str(tmp_path), [str(tmp_path / "flow.py")]) == [
        str(tmp_path / name) for name in sorted(found)
    ]


def test_what_they_import_in_their_turn_comes_too_and_known_ones_do_not(tmp_path: Path) -> None:
    _write(tmp_path, "import one, two")
    (tmp_path / "one.py").write_text("import package.inner\nimport flow")
    (tmp_path / "package" / "inner.py").write_text("from . import deep")
    found = own_modules.imported_later(str(tmp_path), [str(tmp_path / "flow.py"), str(tmp_path / "two.py")])
    names = [str(Path(path).relative_to(tmp_path)) for path in found]
    assert names == ["one.py", "package/__init__.py", "package/deep/__init__.py", "package/inner.py"]


def _write(folder: Path, text: str) -> None:
    (folder / "flow.py").write_text(text)
    for name in FILES:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("")
