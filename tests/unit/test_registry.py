"""Which backends there are: real plugins in folders of their own, as an installer lays them."""

from __future__ import annotations

import sys
from pathlib import Path
from textwrap import dedent

import pytest

from penstock.errors import PluginError
from penstock.registry import BLOCKED, BROKEN, READY, Registry

BACKEND = """
from penstock.plugin import Backend, hookimpl

@hookimpl
def penstock_backends():
    yield Backend(kind="{kind}", name="{name}", contract={contract}, summary="A test.", target="{target}")
"""


class Shelf:
    """A folder of plugins on `sys.path`, beside what is installed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def add(self, distribution: str, source: str, name: str | None = None) -> None:
        module = distribution.replace("-", "_") + "_plugin"
        (self.folder / f"{module}.py").write_text(dedent(source))
        info = self.folder / f"{distribution.replace('-', '_')}-1.5.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.5\n")
        (info / "entry_points.txt").write_text(f"[penstock]\n{name or distribution} = {module}\n")

    def add_backend(
        self, distribution: str, *, kind: str = "executor", name: str, target: str = "", contract: int = 1
    ) -> None:
        target = target or "penstock_local.inline_executor:InlineExecutor"
        self.add(distribution, BACKEND.format(kind=kind, name=name, target=target, contract=contract))

    def registry(self, **environ: str) -> Registry:
        return Registry(path=[*sys.path], environ=environ)


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shelf:
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield Shelf(tmp_path)
    for name in set(sys.modules) - before:
        if name.endswith("_plugin"):
            del sys.modules[name]


def test_the_defaults_come_from_cores_own_distribution() -> None:
    registry = Registry(environ={})
    assert [registry.default(kind).name for kind in ("executor", "datastore")] == ["local", "local"]
    assert [registry.default(kind).name for kind in ("metadata", "logging")] == ["datastore", "datastore"]
    assert registry.default("executor", debug=True).name == "inline"


def test_cores_own_backends_need_no_other_plugin(shelf: Shelf) -> None:
    shelf.add("noisy", "raise SystemExit('was imported')")
    assert shelf.registry().choose("executor", "local").name == "local"


def test_a_plugin_of_another_distribution_is_found_by_name(shelf: Shelf) -> None:
    shelf.add_backend("penstock-cloud", name="cloud")
    registry = shelf.registry()
    assert registry.choose("executor", "cloud").target == "penstock_local.inline_executor:InlineExecutor"
    assert registry.create_class(registry.choose("executor", "cloud")).__name__ == "InlineExecutor"


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import a_module_that_nobody_has", "ModuleNotFoundError: No module named 'a_module_that_nobody_has'"),
        ("raise RuntimeError('first line\\nsecond')", "RuntimeError: first line"),
        ("def broken(:", "SyntaxError"),
        (
            "from penstock.plugin import hookimpl\n@hookimpl\ndef penstock_backend(): return []",
            "unknown hook 'penstock_backend'",
        ),
        (
            "from penstock.plugin import hookimpl\n@hookimpl\ndef penstock_backends(registry): return []",
            "PluginValidationError",
        ),
        (
            "from penstock.plugin import hookimpl\n@hookimpl\ndef penstock_backends(): return ['docker']",
            "yields str objects, not Backend",
        ),
        (BACKEND.format(kind="turbine", name="x", contract=1, target="a:b"), "unknown kind 'turbine'"),
        (BACKEND.format(kind="executor", name="local", contract=1, target="a:b"), "'local' is the name of one of"),
    ],
)
def test_a_broken_plugin_breaks_only_itself(shelf: Shelf, source: str, reason: str) -> None:
    shelf.add("penstock-bad", source, name="bad")
    shelf.add_backend("penstock-good", name="good")
    registry = shelf.registry()
    assert registry.choose("executor", "good").name == "good"
    (bad,) = [one for one in registry.plugins() if one.entry.name == "bad"]
    assert bad.state == BROKEN
    assert reason in bad.reason
    assert bad.backends == []
    assert {one.state for one in registry.plugins() if one.entry.own} == {READY}


def test_choosing_from_a_broken_plugin_says_why_and_what_to_install(shelf: Shelf) -> None:
    shelf.add("penstock-bad", "import a_module_that_nobody_has", name="bad")
    with pytest.raises(PluginError, match="a_module_that_nobody_has") as found:
        shelf.registry().choose("executor", "bad")
    assert "penstock-bad" in found.value.hint


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(PluginError, match="no executor 'lokal'") as found:
        Registry(environ={}).choose("executor", "lokal")
    assert "--executor=local" in found.value.hint


def test_two_plugins_with_one_name_are_refused(shelf: Shelf) -> None:
    shelf.add_backend("penstock-one", name="cloud")
    shelf.add_backend("penstock-two", name="cloud")
    one, two = r"penstock-one 1\.5", r"penstock-two 1\.5"
    with pytest.raises(PluginError, match=f"{one} and {two}|{two} and {one}"):
        shelf.registry().choose("executor", "cloud")


@pytest.mark.parametrize(("contract", "behind"), [(99, "penstock"), (0, "penstock-old")])
def test_another_contract_names_both_numbers_and_who_is_behind(shelf: Shelf, contract: int, behind: str) -> None:
    shelf.add_backend("penstock-old", name="old", contract=contract)
    with pytest.raises(PluginError, match=f"needs contract {contract}, core offers 1") as found:
        shelf.registry().choose("executor", "old")
    assert found.value.hint.endswith(behind)


@pytest.mark.parametrize(
    ("allowed", "state"), [("none", BLOCKED), ("other, cloud", READY), ("", READY), ("x", BLOCKED)]
)
def test_plugins_can_be_restricted(shelf: Shelf, allowed: str, state: str) -> None:
    shelf.add_backend("cloud", name="cloud")
    registry = shelf.registry(PENSTOCK_PLUGINS=allowed)
    assert {one.entry.name: one.state for one in registry.plugins()}["cloud"] == state
    assert registry.choose("executor", "local")


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("penstock_local.nowhere:X", "can't be imported"),
        ("penstock_local.inline_executor:Nothing", "can't be imported"),
        ("penstock_local.file_datastore:FileDatastore", "is no Executor"),
        ("penstock.contracts.executor:Executor", "lacks cancel, poll, submit"),
    ],
)
def test_a_target_must_be_a_whole_class_of_its_kind(shelf: Shelf, target: str, message: str) -> None:
    shelf.add_backend("cloud", name="cloud", target=target)
    registry = shelf.registry()
    with pytest.raises(PluginError, match=message):
        registry.create_class(registry.choose("executor", "cloud"))


def test_a_class_in_a_file_needs_no_plugin(tmp_path: Path) -> None:
    file = tmp_path / "mine_for_a_test.py"
    file.write_text(
        "from penstock_local.inline_executor import InlineExecutor\n"
        "class MyExecutor(InlineExecutor):\n"
        "    'Mine.'\n"
        "    def __init__(self, run, pace: 'float' = 1.0):\n"
        "        super().__init__(run)\n"
    )
    registry = Registry(environ={})
    backend = registry.choose("executor", f"{file}:MyExecutor")
    assert (backend.name, backend.summary) == ("my-executor", "Mine.")
    assert registry.create_class(backend).__name__ == "MyExecutor"
    assert registry.choose("executor", f"{file}:MyExecutor") is backend


def test_commands_of_plugins(shelf: Shelf) -> None:
    shelf.add(
        "penstock-extra",
        """
        from penstock.plugin import Command, hookimpl
        @hookimpl
        def penstock_commands():
            yield Command(name="hello", summary="Says it.", target="x:y")
        """,
    )
    shelf.add(
        "penstock-failing",
        """
        from penstock.plugin import hookimpl
        @hookimpl
        def penstock_commands():
            raise OSError("no such thing")
        """,
    )
    registry = shelf.registry()
    assert [(one.name, one.summary) for _, one in registry.commands()] == [("hello", "Says it.")]
    states = {one.entry.name: one.reason for one in registry.plugins()}
    assert states["penstock-failing"] == "OSError: no such thing"
