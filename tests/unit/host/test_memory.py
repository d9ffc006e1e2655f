"""What is read of a limit on memory, from files as the kernel writes them."""

from __future__ import annotations

from pathlib import Path

import pytest

from penstock.host import memory

SIZES = {"_LIMIT": "536870912\n", "_PEAK": "535822336\n"}
VERSION_2 = {"_KILLS": "low 0\nhigh 0\nmax 12\noom 2\noom_kill 2\noom_group_kill 0\n", **SIZES}
VERSION_1 = {"_KILLS": "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n", **SIZES}
FREE = {"_KILLS": "oom_kill 0\n", "_LIMIT": "max\n", "_PEAK": "1048576\n"}
FREE_1 = {"_KILLS": "oom_kill 0\n", "_LIMIT": "9223372036854771712\n", "_PEAK": ""}


@pytest.mark.parametrize(
    ("files", "kills", "said"),
    [
        (VERSION_2, 2, "out of memory: the limit is 512 MiB, the peak was 511 MiB"),
        (VERSION_1, 2, "out of memory: the limit is 512 MiB, the peak was 511 MiB"),
        (FREE, 0, "out of memory: the peak was 1 MiB"),
        (FREE_1, 0, "out of memory"),
        ({}, 0, "out of memory"),
    ],
    ids=["version 2", "version 1", "no limit", "no limit of version 1", "no files"],
)
def test_what_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files, kills, said) -> None:
    for name in ("_KILLS", "_LIMIT", "_PEAK"):
        path = tmp_path / name
        if name in files:
            path.write_text(files[name])
        monkeypatch.setattr(memory, name, (str(tmp_path / "not here"), str(path)))
    assert (memory.kills(), memory.exceeded()) == (kills, said)
