"""Who announces a plugin."""

from __future__ import annotations

import json
import shlex
import zipfile
from pathlib import Path

import pytest

from penstock.entry_points import normal, parse, scan, source_of
from penstock.errors import NotInstalled
from penstock.registry import Registry


def install(folder: Path, name: str, version: str, entry_points: str | None, metadata: str = "") -> None:
    info = folder / f"{name}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{metadata}\nAbout\n")
    if entry_points is not None:
        (info / "entry_points.txt").write_text(entry_points)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", []),
        ("[console_scripts]\nflow = a:b\n", []),
        ("[penstock]\ndocker = penstock_docker.plugin\n", [("docker", "penstock_docker.plugin")]),
        ("[penstock]\r\n a=b.c \r\n[other]\r\nx = y\r\n", [("a", "b.c")]),
        ("[penstock]\n# a = b\n; c = d\n\na = b:obj [extra]\n", [("a", "b")]),
        ("[a]\nx = y\n[penstock]\na = b\nc = d\n", [("a", "b"), ("c", "d")]),
    ],
)
def test_sections_are_read_as_installers_write_them(text: str, found: list[tuple[str, str]]) -> None:
    assert list(parse(text)) == found


def test_scan_finds_each_distribution_once_and_the_first_counts(tmp_path: Path) -> None:
    install(tmp_path / "one", "penstock_docker", "1.0", "[penstock]\ndocker = new\n")
    install(tmp_path / "two", "penstock-docker", "0.9", "[penstock]\ndocker = old\n")
    install(tmp_path / "two", "other", "1.0", None)
    found = scan([str(tmp_path / "one"), str(tmp_path / "two"), str(tmp_path / "missing")])
    assert [(one.name, one.module, one.distribution, one.version) for one in found] == [
        ("docker", "new", "penstock-docker", "1.0")
    ]
    assert not found[0].own


@pytest.mark.parametrize(
    ("folder", "distribution", "version"),
    [
        ("penstock_docker-0.9.dist-info", "penstock-docker", "0.9"),
        ("penstock-docker-0.9.dist-info", "penstock-docker", "0.9"),
        ("Penstock.Docker-1.0rc1+local.dist-info", "penstock-docker", "1.0rc1+local"),
        ("penstock_docker-1.0-py3.11.egg-info", "penstock-docker", "1.0"),
        ("penstock_docker.egg-info", "penstock-docker", ""),
        ("penstock-docker.egg-info", "penstock-docker", ""),
        ("lib2-2-1!3.0.dist-info", "lib2-2", "1!3.0"),
    ],
)
def test_a_metadata_folder_is_named_by_project_and_version(
    folder: str, distribution: str, version: str, tmp_path: Path
) -> None:
    (tmp_path / folder).mkdir()
    (tmp_path / folder / "entry_points.txt").write_text("[penstock]\nx = y\n")
    (found,) = scan([str(tmp_path)])
    assert (found.distribution, found.version, found.own) == (distribution, version, False)


def test_cores_own_distribution_and_its_extras(tmp_path: Path) -> None:
    install(tmp_path, "penstock", "2.0", "[penstock]\nlocal = x\n", "Provides-Extra: docker\nProvides-Extra: s3\n")
    install(tmp_path, "stranger", "1.0", "[penstock]\nstranger = y\n")
    (own,) = scan([str(tmp_path)], own_only=True)
    assert own.own
    assert own.extras == ("docker", "s3")
    assert {one.name for one in scan([str(tmp_path)])} == {"local", "stranger"}


def test_a_zip_file_on_the_path_is_read_too(tmp_path: Path) -> None:
    packed = tmp_path / "packed.zip"
    with zipfile.ZipFile(packed, "w") as file:
        file.writestr("inside-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: inside\nVersion: 1.0\n")
        file.writestr("inside-1.0.dist-info/entry_points.txt", "[penstock]\ninside = inside.plugin\n")
    (found,) = scan([str(packed)])
    assert (found.name, found.distribution, found.version) == ("inside", "inside", "1.0")


@pytest.mark.parametrize("name", ["Penstock_Docker", "penstock.docker", "PENSTOCK--docker"])
def test_names_of_distributions_are_compared_as_indexes_do(name: str) -> None:
    assert normal(name) == "penstock-docker"


@pytest.mark.parametrize(
    ("told", "folder"),
    [
        ('{"url": "file:///home/a%20b/penstock", "dir_info": {"editable": true}}', "/home/a b/penstock"),
        ('{"url": "file:///home/penstock", "dir_info": {}}', "/home/penstock"),
        ('{"url": "file:///dist/penstock-1.whl", "archive_info": {}}', ""),
        ('{"url": "https://x/penstock", "vcs_info": {}}', ""),
        ("{}", ""), ("[]", ""), ("{", ""), (None, ""),
    ],
)  # fmt: skip
def test_where_a_distribution_was_installed_from(told: str | None, folder: str, tmp_path: Path) -> None:
    install(tmp_path, "penstock", "1.0", "[penstock]\ncore = a\n", "Provides-Extra: docker")
    if told is not None:
        (tmp_path / "penstock-1.0.dist-info" / "direct_url.json").write_text(told)
    (found,) = scan([str(tmp_path)])
    assert source_of(found) == folder


@pytest.mark.parametrize("at", ["", "checkout", "check out/below"])
def test_what_is_to_be_installed_comes_from_the_checkout_that_core_came_from(
    at: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkout = tmp_path / (at or "nowhere")
    if at:
        (checkout / "plugins" / "steam_engine").mkdir(parents=True)
        (checkout / "plugins" / "steam_engine" / "pyproject.toml").touch()
    extras = "Provides-Extra: steam\nRequires-Dist: penstock-steam-engine; extra == 'steam'\nRequires-Dist: click>=8"
    install(tmp_path, "penstock", "1.0", "[penstock]\ncore = penstock.builtin\n", extras)
    told = {"url": checkout.as_uri(), "dir_info": {}}
    (tmp_path / "penstock-1.0.dist-info" / "direct_url.json").write_text(json.dumps(told))
    (tmp_path / "elsewhere").mkdir()
    for folder in filter(Path.is_dir, (tmp_path, tmp_path / "elsewhere", checkout)):
        monkeypatch.chdir(folder)
        with pytest.raises(NotInstalled, match="the executor 'steam' is not installed") as error:
            Registry(path=[str(tmp_path)], environ={}).choose("executor", "steam")
        pip, install_, what = shlex.split(error.value.hint)
        assert (pip, install_) == ("pip", "install")
        if at:
            assert Path(what).resolve() == checkout / "plugins" / "steam_engine"
            assert what.startswith("./") == checkout.is_relative_to(folder)
        else:
            assert what == "penstock[steam]"
