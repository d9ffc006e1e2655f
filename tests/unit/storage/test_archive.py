"""Code archives: named by their content, whole or refused, with what belongs in them and nothing else."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import BackendMisconfigured, ChunkDamaged, FlowError, KeyMissing, PluginError
from penstock.storage import archive
from tests.unit.dict_datastore import DictDatastore


def write(folder: Path, *names: str, text: str = "x = 1\n") -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def names_of(data: bytes) -> list[str]:
    return zipfile.ZipFile(io.BytesIO(data)).namelist()


# --------------------------------------------------------------------------------------------- as one object


def test_equal_files_give_equal_archives_whatever_their_order_and_age(tmp_path: Path) -> None:
    write(tmp_path, "a.py", "b/c.py")
    files = {"a.py": str(tmp_path / "a.py"), "b/c.py": str(tmp_path / "b" / "c.py")}
    first = archive.pack(files)
    os.utime(tmp_path / "a.py", (1, 1))
    assert archive.pack(dict(reversed(files.items()))) == first
    assert names_of(first) == ["a.py", "b/c.py"]
    write(tmp_path, "a.py", text="y = 1\n")
    assert archive.pack(files) != first


def test_an_archive_is_stored_once_under_its_hash() -> None:
    store = DictDatastore()
    name = archive.put(store, b"data")
    assert name == archive.put(store, b"data") == hashlib.sha256(b"data").hexdigest()
    assert list(store.objects) == [f"code/{name}"]
    assert archive.get(store, name) == b"data"


def test_an_archive_that_is_damaged_or_missing() -> None:
    store = DictDatastore()
    name = archive.put(store, b"data")
    store.objects[f"code/{name}"] = b"dato"
    with pytest.raises(ChunkDamaged, match="is damaged") as told:
        archive.get(store, name)
    assert told.value.hint.startswith("flow resume")
    with pytest.raises(KeyMissing):
        archive.get(store, "0" * 64)


@given(
    st.dictionaries(
        st.from_regex(r"[a-z]{1,8}(/[a-z]{1,8}){0,2}\.py", fullmatch=True), st.binary(max_size=200), max_size=5
    )
)
def test_what_is_packed_is_unpacked(tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes]) -> None:
    folder, out = tmp_path_factory.mktemp("in"), tmp_path_factory.mktemp("out")
    for number, data in enumerate(files.values()):
        (folder / str(number)).write_bytes(data)
    archive.unpack(archive.pack({name: str(folder / str(number)) for number, name in enumerate(files)}), str(out))
    assert {str(path.relative_to(out)): path.read_bytes() for path in out.rglob("*") if path.is_file()} == files


@pytest.mark.parametrize("name", ["../x", "/x", "a/../../x", "a//x", "a\\..\\x", "..", "a/.."])
def test_a_name_that_leads_outside_is_refused(name: str, tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as made:
        made.writestr(zipfile.ZipInfo(name), b"evil")
    inside = tmp_path / "inside"
    inside.mkdir()
    with pytest.raises(ChunkDamaged, match="odd name"):
        archive.unpack(buffer.getvalue(), str(inside))
    assert [path.name for path in tmp_path.rglob("*")] == ["inside"]


def test_a_private_folder_is_the_user_s_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    write(tmp_path, "a.py")
    folder = archive.private_folder(archive.pack({"a.py": str(tmp_path / "a.py")}), "p-")
    assert folder.stat().st_mode & 0o077 == 0
    assert (folder / "a.py").read_text() == "x = 1\n"


# ------------------------------------------------------------------------------------------- what goes into it


def test_here_the_flow_file_and_what_it_imported(tmp_path: Path) -> None:
    flow, other = str(tmp_path / "flow.py"), str(tmp_path / "sub" / "other.py")
    assert archive.code_here(flow, [other, flow]) == {"flow.py": flow, "sub/other.py": other}


SKIPPED = [
    ".env", ".env.local", ".netrc", "server.pem", "id.key", ".git/config.py", ".hidden/x.py", "__pycache__/x.py",
    "venv/lib/x.py", "env/x.py", "node_modules/x.py", "data.csv", "notes.txt", "deep/.ssh/id.py",
    "mine/pyvenv.cfg", "mine/lib/x.py",
]  # fmt: skip


def test_elsewhere_everything_with_a_suffix_below_the_folder_but_secrets_and_environments(tmp_path: Path) -> None:
    write(tmp_path, "flow.py", "a.py", "deep/down/b.py", "model.R", "data.RDS", "with space.py", "größe.py", *SKIPPED)
    found = archive.code_elsewhere(str(tmp_path / "flow.py"))
    assert set(found) == {"flow.py", "a.py", "deep/down/b.py", "model.R", "data.RDS", "with space.py", "größe.py"}


def test_further_suffixes_and_the_flow_file_whatever_its_name(tmp_path: Path) -> None:
    write(tmp_path, "flow", "a.json", "b.py")
    assert set(archive.code_elsewhere(str(tmp_path / "flow"), (".json",))) == {"flow", "a.json"}


@pytest.mark.parametrize(
    ("patterns", "left"),
    [
        ("b.py\n", {"flow.py", "sub/c.py", "sub/d.py"}), ("*.py\n", {"flow.py"}), ("sub/*\n", {"flow.py", "b.py"}),
        ("# b.py\n\n  \n", None), ("  d.py  \n", {"flow.py", "b.py", "sub/c.py"}), ("", None),
        ("sub/c.py", {"flow.py", "b.py", "sub/d.py"}),
    ],
)  # fmt: skip
def test_what_flowignore_names_is_left_out(patterns: str, left: set[str] | None, tmp_path: Path) -> None:
    write(tmp_path, "flow.py", "b.py", "sub/c.py", "sub/d.py")
    write(tmp_path, ".flowignore", text=patterns)
    assert set(archive.code_elsewhere(str(tmp_path / "flow.py"))) == (
        left or {"flow.py", "b.py", "sub/c.py", "sub/d.py"}
    )


def test_more_than_50_mb_names_the_largest_and_how_to_leave_them_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "LARGEST_BYTES", 5_000)
    write(tmp_path, "flow.py")
    for number in range(7):
        write(tmp_path, f"big{number}.py", text="#" * (1000 + number))
    with pytest.raises(FlowError, match="more than 50") as told:
        archive.code_elsewhere(str(tmp_path / "flow.py"))
    assert "big6.py" in told.value.message
    assert "big1.py" not in told.value.message
    assert told.value.hint == f"echo big6.py >> {tmp_path}/.flowignore"
    write(tmp_path, ".flowignore", text="big*.py\n")
    assert set(archive.code_elsewhere(str(tmp_path / "flow.py"))) == {"flow.py"}


@pytest.mark.skipif(sys.platform == "darwin", reason="other platform: file names are UTF-8")
@pytest.mark.parametrize(
    ("name", "pattern"), [(b"a\xff.py", "'a?.py'"), (b"s b/\xe9\xe9.py", "'s b/??.py'"), (b"d\xff/e/a.py", "'d?/e/*'")]
)
def test_a_name_that_is_not_utf_8_is_refused_with_how_to_leave_it_out(
    name: bytes, pattern: str, tmp_path: Path
) -> None:
    write(tmp_path, "flow.py", os.fsdecode(name))
    with pytest.raises(FlowError, match="is not UTF-8") as told:
        archive.code_elsewhere(str(tmp_path / "flow.py"))
    assert repr(os.fsdecode(name)) in told.value.message
    assert told.value.hint == f"echo {pattern} >> {tmp_path}/.flowignore"
    subprocess.run(told.value.hint, shell=True, check=True)
    assert set(archive.code_elsewhere(str(tmp_path / "flow.py"))) == {"flow.py"}
    write(tmp_path, os.fsdecode(b"f\xff.py"))
    with pytest.raises(FlowError, match="is not UTF-8") as told:  # nothing leaves out the flow file itself
        archive.code_elsewhere(str(tmp_path / os.fsdecode(b"f\xff.py")))
    assert told.value.hint == "a name in UTF-8 for the flow file"


def test_links_are_packed_as_what_they_lead_to_and_folders_are_not_followed(tmp_path: Path) -> None:
    write(tmp_path, "flow/flow.py", "outside/far.py", text="far = 1\n")
    (tmp_path / "flow" / "link.py").symlink_to(tmp_path / "outside" / "far.py")
    (tmp_path / "flow" / "folder").symlink_to(tmp_path / "outside")
    (tmp_path / "flow" / "loop").symlink_to(tmp_path / "flow")
    found = archive.code_elsewhere(str(tmp_path / "flow" / "flow.py"))
    assert set(found) == {"flow.py", "link.py"}
    archive.unpack(archive.pack(found), str(tmp_path / "out"))
    assert (tmp_path / "out" / "link.py").read_text() == "far = 1\n"
    assert not (tmp_path / "out" / "link.py").is_symlink()


def test_a_link_that_leads_nowhere_is_passed_over(tmp_path: Path) -> None:
    write(tmp_path, "flow.py")
    (tmp_path / "gone.py").symlink_to(tmp_path / "nowhere.py")
    assert set(archive.code_elsewhere(str(tmp_path / "flow.py"))) == {"flow.py"}


# -------------------------------------------------------------------------------------------------- runtime


def test_the_runtime_is_penstock_and_what_a_worker_needs_of_its_plugins() -> None:
    found = archive.runtime(["penstock_local"])
    assert {
        "penstock/__init__.py",
        "penstock/running/attempt.py",
        "cloudpickle/__init__.py",
        "penstock_local/file_datastore.py",
    } <= set(found)
    assert all(name.endswith(".py") and "__pycache__" not in name for name in found)


def test_a_package_that_is_not_installed() -> None:
    with pytest.raises(PluginError, match="the package nowhere_at_all is not installed") as told:
        archive.runtime(["nowhere_at_all"])
    assert told.value.hint == "pip install nowhere_at_all"


def test_a_store_that_no_bare_interpreter_can_open() -> None:
    with pytest.raises(BackendMisconfigured, match="has no bootstrap") as told:
        archive.command(DictDatastore(), "0" * 64, "{}")
    assert told.value.hint
