"""Files as private memory: laid in order, read when touched, never written back."""

from __future__ import annotations

import mmap
import os
from pathlib import Path

import pytest

from penstock.errors import ChunkDamaged
from penstock.storage import mapping

pytestmark = pytest.mark.skipif(not mapping.AVAILABLE, reason="files are mapped on Linux only")
PAGE = mmap.PAGESIZE


def file(folder: Path, name: str, data: bytes) -> tuple[str, int]:
    (folder / name).write_bytes(data)
    return str(folder / name), len(data)


def test_files_lie_behind_each_other(tmp_path: Path) -> None:
    first, last = file(tmp_path, "a", b"a" * 2 * PAGE), file(tmp_path, "b", b"b" * 10)
    assert (
        mapping.map_files(
            [
                first,
                last,
            ]
        )[:]
        == b"a" * 2 * PAGE + b"b" * 10
    )
    assert mapping.map_files([first, first])[:] == b"a" * 4 * PAGE


def test_a_change_stays_here(tmp_path: Path) -> None:
    one = file(tmp_path, "a", b"a" * PAGE)
    memory = mapping.map_files([one])
    memory[0:3] = b"new"
    assert memory[:4] == b"newa"
    assert mapping.map_files([one])[:4] == b"aaaa"
    assert (tmp_path / "a").read_bytes() == b"a" * PAGE


def test_a_gap_is_for_the_caller(tmp_path: Path) -> None:
    one = file(tmp_path, "a", b"a" * PAGE)
    memory = mapping.map_files([one, (None, PAGE), one])
    assert memory[PAGE : 2 * PAGE] == bytes(PAGE)
    memory[PAGE : PAGE + 3] = b"new"
    assert memory[PAGE - 1 : PAGE + 4] == b"anew\0"


def test_the_memory_lives_as_long_as_a_view_of_it(tmp_path: Path) -> None:
    one = file(tmp_path, "known-name", b"a" * PAGE)
    view = memoryview(mapping.map_files([one]))[5:7]
    assert bytes(view) == b"aa"
    assert "known-name" in Path("/proc/self/maps").read_text()
    del view
    assert "known-name" not in Path("/proc/self/maps").read_text()


def test_the_file_may_go_while_it_is_mapped(tmp_path: Path) -> None:
    one = file(tmp_path, "a", b"a" * PAGE)
    memory = mapping.map_files([one])
    os.unlink(one[0])
    assert memory[:] == b"a" * PAGE


@pytest.mark.parametrize("size", [0, PAGE - 1, PAGE + 1])
def test_a_file_of_another_size(tmp_path: Path, size: int) -> None:
    path, _ = file(tmp_path, "a", b"a" * size)
    with pytest.raises(ChunkDamaged, match=f"has {size} bytes instead of {PAGE}"):
        mapping.map_files([(path, PAGE)])


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ChunkDamaged, match="missing"):
        mapping.map_files([(str(tmp_path / "gone"), PAGE)])


def test_more_than_the_memory_of_the_machine(tmp_path: Path) -> None:
    if Path("/proc/sys/vm/overcommit_memory").read_text().strip() == "2":
        pytest.skip("this system promises no memory that it does not have")
    size = 2 * os.sysconf("SC_PHYS_PAGES") * PAGE
    path = tmp_path / "sparse"
    with path.open("wb") as sparse:
        sparse.truncate(size)
    memory = mapping.map_files([(str(path), size)])
    memory[size - 1] = 7
    assert memory[size - 1] == 7


@pytest.mark.parametrize("size", [1, 100, 3 * PAGE, (4 << 20) + 5])
def test_asking_for_huge_pages_changes_no_byte(size: int) -> None:
    memory = bytearray(b"x" * size)
    mapping.ask_for_huge_pages(memoryview(memory))
    assert memory == b"x" * size
