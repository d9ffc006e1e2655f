"""The datastore in a folder."""

from __future__ import annotations

import os
import resource
import signal
from pathlib import Path

import pytest

from penstock.errors import BackendMisconfigured
from penstock.testing import DatastoreSuite
from penstock.testing.children import fork, in_children
from penstock_local.file_datastore import FileDatastore


class TestFileDatastore(DatastoreSuite):
    def make(self, tmp_path: Path) -> FileDatastore:
        return FileDatastore(root=str(tmp_path / "a störe"))


class TestDurable(DatastoreSuite):
    def make(self, tmp_path: Path) -> FileDatastore:
        return FileDatastore(root=str(tmp_path / "store"), durable=True)


# ------------------------------------------------------------------------------------- what only files have


@pytest.fixture
def store(tmp_path: Path) -> FileDatastore:
    return FileDatastore(root=str(tmp_path / "store"))


def files(store: FileDatastore) -> set[str]:
    """Everything in the folder, by path."""
    root = Path(store.label)
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}


def test_the_constructor_makes_nothing(tmp_path: Path) -> None:
    store = FileDatastore(root=str(tmp_path / "store"))
    assert list(store.list("")) == list(store.list_folders("")) == []
    assert store.stat("a") is None
    store.delete(["a", "b/c"])
    assert list(tmp_path.iterdir()) == []


def test_the_folder_is_its_owners_alone_and_no_repository_takes_it(store: FileDatastore) -> None:
    store.put("a/b", b"x")
    root = Path(store.label)
    assert root.stat().st_mode & 0o777 == 0o700
    assert (root / ".gitignore").read_text() == "*\n"
    assert files(store) == {".gitignore", "a/b"}


@pytest.mark.parametrize("unnamed", [True, False])
@pytest.mark.parametrize("replace", [True, False])
@pytest.mark.parametrize("moment", ["write", "link", "replace"])
def test_a_crash_in_the_middle_of_put_leaves_nothing_to_see(
    store: FileDatastore, unnamed: bool, replace: bool, moment: str
) -> None:
    """SIGKILL after half of the bytes, and just before the object gets its name."""
    store.put("a/before", b"x")
    store._unnamed = unnamed
    pid = fork()
    if not pid:
        real = os.write

        def half(fd: int, data: bytes) -> int:
            real(fd, bytes(data)[: len(data) // 2])
            os.kill(os.getpid(), signal.SIGKILL)
            return 0

        def die(*_: object, **__: object) -> None:
            os.kill(os.getpid(), signal.SIGKILL)

        os.write = half if moment == "write" else real
        os.link, os.replace = (die if moment == "link" else os.link), (die if moment == "replace" else os.replace)
        store.put("a/new", b"y" * 1000, replace=replace)
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    if os.waitstatus_to_exitcode(status) == 0:  # this way of putting has no such moment
        assert moment != "write"
        assert store.get("a/new") == b"y" * 1000
        return
    assert [one.key for one in store.list("")] == ["a/before"]
    assert not store.exists("a/new")
    assert list(store.list_folders("a/")) == ["before"]
    assert store.put("a/new", b"whole") is True
    assert store.get("a/new") == b"whole"


def test_a_refused_put_leaves_no_file_behind(store: FileDatastore) -> None:
    store.put("a/b", b"x")
    for unnamed in (True, False):
        store._unnamed = unnamed
        assert store.put("a/b", b"y" * 1000) is False
        assert store.put("a/b", b"y" * 500_000) is False
    assert files(store) == {".gitignore", "a/b"}


@pytest.mark.parametrize(
    "key", ["../x", "a/../../x", "/etc/x", "a//b", "", ".", "..", "a/.", "./a", "a/", "a+b", "a/b/.."]
)
def test_a_key_that_would_lead_elsewhere_is_refused(store: FileDatastore, key: str, tmp_path: Path) -> None:
    for ask in (lambda: store.put(key, b"x"), lambda: store.put(key, b"x", replace=True), lambda: store.get(key),
                lambda: store.open(key), lambda: store.stat(key), lambda: store.touch(key),
                lambda: store.delete([key])):  # fmt: skip
        with pytest.raises(ValueError, match="is not a key"):
            ask()
    assert list(store.list("../")) == list(store.list_folders("../")) == []
    assert list(tmp_path.iterdir()) == []


def test_delete_leaves_no_empty_folders(store: FileDatastore) -> None:
    store.put("a/b/c/d", b"x")
    store.put("a/e", b"x")
    store.delete(["a/b/c/d"])
    assert sorted(path.name for path in (Path(store.label) / "a").iterdir()) == ["e"]
    store.delete(["a/e"])
    assert sorted(path.name for path in Path(store.label).iterdir()) == [".gitignore"]


def test_a_moved_store_is_the_same(store: FileDatastore, tmp_path: Path) -> None:
    store.put("runs/F/x", b"x")
    Path(store.label).rename(tmp_path / "moved")
    assert FileDatastore(root=str(tmp_path / "moved")).get("runs/F/x") == b"x"


def test_what_the_system_refuses_names_the_folder_and_a_flag(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    store = FileDatastore(root=str(tmp_path / "file" / "store"))
    with pytest.raises(BackendMisconfigured, match="a file stands where") as caught:
        store.put("a", b"x")
    assert "--local-root=FOLDER" in caught.value.hint


def test_a_full_disk_leaves_nothing_half_and_says_how_much_is_free(store: FileDatastore) -> None:
    store.put("a/before", b"x")

    def fill(_: int) -> str:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        said = []
        for replace in (False, True):
            with pytest.raises(BackendMisconfigured) as caught:
                store.put("a/large", b"y" * 200_000, replace=replace)
            said.append(str(caught.value))
        return " ".join(said)

    (said,) = in_children(1, fill)
    assert said.count("200,000 bytes needed") == 2
    assert "free" in said
    assert files(store) == {".gitignore", "a/before"}
