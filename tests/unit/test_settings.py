"""Settings: layers and origins, and what is said to mistakes in them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import PluginError, SettingsError, UsageError
from penstock.plugin import Backend, option
from penstock.setting_files import project_file, user_file
from penstock.settings import Settings


@dataclass(frozen=True)
class CloudOptions:
    image: str = option("slim", help="Image of the tasks.")
    cpus: float | None = option(None, help="Cores.")
    retries: int = option(2, help="Tries.")
    fast: bool = option(False, help="Haste.")
    folder: Path | None = option(None, help="Where.")
    names: tuple[str, ...] = option((), help="Which.")
    password: str = option("", help="Secret.", secret=True)


@dataclass(frozen=True)
class StoreOptions:
    url: str = option("", help="Where.")
    root: Path = option(".data", help="Folder.", nearest_folder=True)


class Shop:
    """What settings ask of a registry."""

    def __init__(self) -> None:
        self.known = [
            Backend(kind="executor", name="here", contract=1, summary="", target="a:b", default=True),
            Backend(kind="executor", name="cloud", contract=1, summary="", target="a:b", options=CloudOptions),
            Backend(kind="datastore", name="files", contract=1, summary="", target="a:b", options=StoreOptions,
                    default=True, companions={"metadata": "table", "logging": "text"}),
            Backend(kind="datastore", name="bucket", contract=1, summary="", target="a:b", options=StoreOptions),
            Backend(kind="metadata", name="any", contract=1, summary="", target="a:b", default=True),
            Backend(kind="metadata", name="table", contract=1, summary="", target="a:b"),
            Backend(kind="logging", name="any", contract=1, summary="", target="a:b", default=True),
            Backend(kind="logging", name="text", contract=1, summary="", target="a:b"),
        ]  # fmt: skip

    def choose(self, kind: str, name: str) -> Backend:
        for one in self.known:
            if (one.kind, one.name) == (kind, name):
                return one
        raise PluginError(f"there is no {kind} {name!r}")

    def default(self, kind: str, *, debug: bool = False) -> Backend:
        return next(one for one in self.known if one.kind == kind and (one.debug if debug else one.default))

    def backends(self, kind: str | None = None) -> list[Backend]:
        return [one for one in self.known if kind in (None, one.kind)]


def settings(folder: Path, flags: dict[str, str | None] | None = None, **more: Any) -> Settings:
    environ = {"HOME": str(folder / "nobody"), **more.pop("environ", {})}
    return Settings.resolve(flags or {}, Shop(), environ=environ, folder=str(folder), **more)


def chosen(found: Settings) -> tuple[str, str, str, str]:
    return found.executor, found.datastore, found.metadata, found.logging


@pytest.mark.parametrize(
    ("flags", "names"),
    [
        ({}, ("here", "files", "table", "text")),
        ({"executor": "cloud"}, ("cloud", "files", "table", "text")),
        ({"datastore": "bucket"}, ("here", "bucket", "any", "any")),
        ({"datastore": "bucket://b/p"}, ("here", "bucket", "any", "any")),
        ({"datastore": "bucket", "metadata": "table"}, ("here", "bucket", "table", "any")),
        ({"executor": None}, ("here", "files", "table", "text")),
    ],
)
def test_metadata_and_logging_follow_the_datastore(
    tmp_path: Path, flags: dict[str, str | None], names: tuple[str, str, str, str]
) -> None:
    assert chosen(settings(tmp_path, flags)) == names


def test_a_url_becomes_an_option_of_the_store_it_names(tmp_path: Path) -> None:
    found = settings(tmp_path, {"datastore": "bucket://b/p"})
    assert found.options("datastore", "bucket")["url"] == "bucket://b/p"
    with pytest.raises(UsageError, match="takes no URL"):
        settings(tmp_path, {"executor": "cloud://x"}).options("executor", "cloud")


LAYERS = ["flag", "recorded", "variable", "profile", "project", "user", "default"]


@given(said=st.sets(st.sampled_from(LAYERS[:-1])))
def test_the_strongest_layer_that_says_something_wins(tmp_path_factory: pytest.TempPathFactory, said: set[str]) -> None:
    folder = tmp_path_factory.mktemp("layers")
    (folder / "work").mkdir()
    flags: dict[str, str | None] = {"executor": "cloud"}
    environ = {"HOME": str(folder), "XDG_CONFIG_HOME": str(folder / "xdg")}
    table = ""
    if "flag" in said:
        flags["cloud.image"] = "flag"
    if "variable" in said:
        environ["PENSTOCK_CLOUD_IMAGE"] = "variable"
    if "project" in said:
        table += '[cloud]\nimage = "project"\n'
    if "profile" in said:
        table += '[profiles.p.cloud]\nimage = "profile"\n'
    else:
        table += "[profiles.p]\n"
    (folder / "penstock.toml").write_text(table)
    if "user" in said:
        (folder / "xdg" / "penstock").mkdir(parents=True)
        (folder / "xdg" / "penstock" / "penstock.toml").write_text('[cloud]\nimage = "user"\n')
    recorded = {"executor": "cloud", "options": {"executor": {"image": "recorded"}}} if "recorded" in said else None
    found = Settings.resolve(
        flags, Shop(), environ=environ, folder=str(folder / "work"), profile="p", recorded=recorded
    )
    expected = next((layer for layer in LAYERS if layer in said), "slim")
    assert found.options("executor", "cloud")["image"] == expected
    origin = found.origin_of("cloud.image")
    assert {
        "flag": origin == "--cloud-image",
        "recorded": origin == "the run itself",
        "variable": origin == "PENSTOCK_CLOUD_IMAGE",
        "profile": origin.endswith("penstock.toml, profile p"),
        "project": origin == str(folder / "penstock.toml"),
        "user": origin.endswith("xdg/penstock/penstock.toml"),
        "slim": origin == "default",
    }[expected]


def test_an_empty_variable_says_nothing_and_an_empty_flag_does(tmp_path: Path) -> None:
    found = settings(tmp_path, {"executor": "cloud"}, environ={"PENSTOCK_CLOUD_IMAGE": ""})
    assert found.options("executor", "cloud")["image"] == "slim"
    found = settings(tmp_path, {"executor": "cloud", "cloud.image": ""})
    assert found.options("executor", "cloud")["image"] == ""


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("cpus", "1.5", 1.5),
        ("retries", "7", 7),
        ("fast", "yes", True),
        ("fast", "OFF", False),
        ("names", "a, b,", ("a", "b")),
        ("image", "a:b", "a:b"),
    ],
)
def test_texts_are_converted_by_type(tmp_path: Path, key: str, text: str, value: object) -> None:
    found = settings(tmp_path, {"executor": "cloud", f"cloud.{key}": text})
    assert found.options("executor", "cloud")[key] == value


@pytest.mark.parametrize(
    ("key", "text"), [("cpus", "x"), ("retries", "1.5"), ("retries", ""), ("fast", "perhaps"), ("folder", "")]
)
def test_a_wrong_text_names_flag_or_variable(tmp_path: Path, key: str, text: str) -> None:
    with pytest.raises(UsageError, match=f"--cloud-{key}: '{text}' is not"):
        settings(tmp_path, {"executor": "cloud", f"cloud.{key}": text}).options("executor", "cloud")
    if text:
        environ = {f"PENSTOCK_CLOUD_{key.upper()}": text}
        with pytest.raises(SettingsError, match=f"PENSTOCK_CLOUD_{key.upper()}: '{text}' is not"):
            settings(tmp_path, {"executor": "cloud"}, environ=environ).options("executor", "cloud")


def test_relative_paths_start_where_they_were_said(tmp_path: Path) -> None:
    (tmp_path / "penstock.toml").write_text('[cloud]\nfolder = "data"\n')
    work = tmp_path / "a" / "b"
    work.mkdir(parents=True)
    found = settings(work, {"executor": "cloud"})
    assert found.options("executor", "cloud")["folder"] == str(tmp_path / "data")
    found = settings(work, {"executor": "cloud", "cloud.folder": "data"})
    assert found.options("executor", "cloud")["folder"] == str(work / "data")


def test_the_nearest_project_file_counts(tmp_path: Path) -> None:
    (tmp_path / "penstock.toml").write_text('executor = "cloud"\n')
    inner = tmp_path / "inner"
    inner.mkdir()
    (inner / "pyproject.toml").write_text("[tool.other]\nx = 1\n")
    found = project_file(str(inner))
    assert found is not None
    assert found[0] == str(tmp_path / "penstock.toml")
    (inner / "pyproject.toml").write_text('[tool.penstock]\nexecutor = "here"\n')
    assert settings(inner).executor == "here"
    assert settings(tmp_path).executor == "cloud"


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ('excutor = "cloud"', "no setting 'excutor'", "executor"),
        ('[cloud]\nimagge = "x"', r"no setting 'cloud\.imagge'", "image"),
        ("[clud]\nimage = 1", "no backend 'clud'", "cloud"),
        ("[profiles.p.cloud]\nimagge = 1", r"no setting 'cloud\.imagge'", "image"),
    ],
)
def test_mistakes_in_a_project_file_name_it_and_the_nearest_word(
    tmp_path: Path, text: str, message: str, hint: str
) -> None:
    (tmp_path / "penstock.toml").write_text(text)
    profile = "p" if "profiles" in text else None
    with pytest.raises(SettingsError, match=message) as found:
        settings(tmp_path, profile=profile)
    assert found.value.where == str(tmp_path / "penstock.toml")
    assert hint in found.value.hint


@pytest.mark.parametrize(
    ("text", "line", "hint"),
    [
        (b"executor = ", 1, "name = \"text\"   # or name = 4, in place of 'executor ='"),
        (b"executor = local", 1, 'executor = "local"'),
        (b'\nexecutor: local  # here\n', 2, 'executor = "local"'),
        (b"[local]\nmax-workers : 4\n", 2, "max-workers = 4"),
        (b"[local\n", 1, "in place of '[local'"),
        (b'executor = "local"\nexecutor = "inline"\n', 2, ""),
        (b"# fine\nexecutor = 'caf\xe9'\n", 2, "UTF-8"),
    ],
)
def test_a_file_that_is_no_toml_is_told_with_the_line_that_was_meant(
    tmp_path: Path, text: bytes, line: int, hint: str
) -> None:
    path = tmp_path / "penstock.toml"
    path.write_bytes(text)
    with pytest.raises(SettingsError, match=r"is no (TOML|UTF-8)") as found:
        settings(tmp_path)
    assert found.value.where == f"{path}:{line}"
    assert hint in found.value.hint


def test_a_table_of_a_backend_that_a_colleague_has_is_no_mistake(tmp_path: Path) -> None:
    (tmp_path / "penstock.toml").write_text('[kubernetes]\nimage = "x"\n')
    assert settings(tmp_path).executor == "here"


def test_an_unknown_profile_is_answered_with_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "penstock.toml").write_text('[profiles.prod]\nexecutor = "cloud"\n')
    assert settings(tmp_path, profile="prod").executor == "cloud"
    assert settings(tmp_path, environ={"PENSTOCK_PROFILE": "prod"}).executor == "cloud"
    with pytest.raises(SettingsError, match="no profile 'pord'") as found:
        settings(tmp_path, profile="pord")
    assert "--profile=prod" in found.value.hint


def test_what_a_run_records_holds_no_secret(tmp_path: Path) -> None:
    found = settings(tmp_path, {"executor": "cloud", "cloud.password": "hush"})
    assert found.options("executor", "cloud")["password"] == "hush"
    data = found.data()
    assert data["executor"] == "cloud"
    assert "hush" not in str(data)
    again = settings(tmp_path, {"executor": "cloud"}, recorded=data)
    assert again.options("executor", "cloud")["image"] == "slim"


@pytest.mark.parametrize(("text", "message"), [("0", "at least one"), ("-1", "at least one"), ("x", "a whole number")])
def test_max_workers_must_be_a_number_from_one(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        settings(tmp_path, {"max_workers": text}).max_workers  # noqa: B018  the property raises


def test_options_beside_the_name_of_an_executor(tmp_path: Path) -> None:
    found = settings(tmp_path)
    assert found.given("executor", "cloud", {"retries": "3", "image": "x"}) == {"retries": 3, "image": "x"}
    with pytest.raises(UsageError, match="no option 'imag'"):
        found.given("executor", "cloud", {"imag": "x"})
    with pytest.raises(UsageError, match="'x' is not a whole number"):
        found.given("executor", "cloud", {"retries": "x"})


def test_where_the_users_own_file_lies() -> None:
    assert user_file({"XDG_CONFIG_HOME": "/c"}) == "/c/penstock/penstock.toml"
    assert user_file({"HOME": "/h"}).startswith(f"/h{os.sep}")
