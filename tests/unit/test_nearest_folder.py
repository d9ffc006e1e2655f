"""Where a folder of data is looked for: never where another user or another disk may have laid one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from penstock.nearest_folder import nearest_folder


@pytest.mark.parametrize(
    ("existing", "start", "expected"),
    [
        ([], "home/a/b", "home/a/b"),
        (["home/a"], "home/a/b/c", "home/a"),
        (["home/a", "home/a/b"], "home/a/b/c", "home/a/b"),
        (["home"], "home/a", "home/a"),
        (["home"], "home", "home"),
        (["."], "home/a", "home/a"),
        (["elsewhere"], "elsewhere/x", "elsewhere"),
    ],
)
def test_the_folder_is_looked_for_where_nobody_else_may_write(
    tmp_path: Path, existing: list[str], start: str, expected: str
) -> None:
    for name in existing:
        (tmp_path / name / ".data").mkdir(parents=True)
    (tmp_path / start).mkdir(parents=True, exist_ok=True)
    found = nearest_folder(".data", str(tmp_path / start), str(tmp_path / "home"))
    assert found == str((tmp_path / expected / ".data").resolve())


@pytest.mark.parametrize(
    ("mode", "user", "group", "found"),
    [
        (0o755, "mine", "mine", "."), (0o777, "mine", "mine", "a"), (0o1777, "mine", "mine", "a"),
        (0o775, "mine", "mine", "."), (0o2775, "mine", "shared", "a"), (0o755, "mine", "shared", "."),
        (0o755, "another", "mine", "a"),
    ],
)  # fmt: skip
def test_a_folder_in_which_others_may_write_is_not_looked_into(
    tmp_path: Path, mode: int, user: str, group: str, found: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    me = tmp_path.stat().st_uid
    monkeypatch.setattr(os, "getuid", lambda: me if user == "mine" else me + 1)
    gid = tmp_path.stat().st_gid
    monkeypatch.setattr(os, "getgid", lambda: gid if group == "mine" else gid + 1)
    (tmp_path / ".data").mkdir()
    (tmp_path / "a").mkdir()
    tmp_path.chmod(mode)
    assert nearest_folder(".data", str(tmp_path / "a"), None) == str((tmp_path / found / ".data").resolve())
