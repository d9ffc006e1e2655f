"""Step decorators that executors bring: by the door of the public names, from real plugins in a folder of their own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

import penstock
from penstock.authoring import executor_decorators
from penstock.authoring.decorators import environment_of, executor_of, resources, resources_of, step
from penstock.authoring.executor_decorators import decorator_of
from penstock.errors import FlowError, NotInstalled
from penstock.plugin import Backend
from penstock.registry import Registry

PLUGIN = """
from dataclasses import dataclass
from penstock.plugin import Backend, hookimpl, option

@dataclass(frozen=True)
class Options:
    image: str | None = option(None, help="An image.")
    volumes: tuple[str, ...] = option((), help="Folders.")

@hookimpl
def penstock_backends():
    yield Backend(kind="executor", name="crane", contract=1, summary="By crane.", options=Options, decorator="lift",
                  target="penstock_local.inline_executor:InlineExecutor")
"""


@pytest.fixture
def crane(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on the path in which a plugin is installed."""
    folder = tmp_path / "site"
    info = folder / "penstock_crane-1.5.dist-info"
    info.mkdir(parents=True)
    (folder / "crane_plugin.py").write_text(PLUGIN)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: penstock-crane\nVersion: 1.5\n")
    (info / "entry_points.txt").write_text("[penstock]\ncrane = crane_plugin\n")
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setattr(executor_decorators, "_asked", {})
    monkeypatch.setattr(executor_decorators, "_inert", set())
    yield folder
    for name in ("lift", "hoist"):
        vars(penstock).pop(name, None)
    sys.modules.pop("crane_plugin", None)


def decorated(*decorators):
    def body(self):
        pass

    function = step(body)
    for one in decorators:
        function = one(function)
    return [one.data() for one in function.__penstock_decorators__]


@pytest.mark.parametrize(
    ("arguments", "options", "memory_mb"),
    [
        ({}, {}, None),
        ({"image": "x"}, {"image": "x"}, None),
        ({"image": "x", "memory": 4096, "cpu": 2}, {"image": "x"}, 4096),
        ({"volumes": ["/a:/b"], "memory": "100"}, {"volumes": ["/a:/b"]}, 100),
    ],
)
def test_its_arguments_are_the_options_and_the_needs(crane, arguments, options, memory_mb):
    from penstock import lift

    found = decorated(lift(**arguments))
    assert executor_of(found) == ("crane", options)
    assert resources_of(found).memory_mb == memory_mb
    assert environment_of(found) == {}
    assert executor_decorators.asked() == ["lift"]


def test_without_arguments_it_needs_no_brackets(crane):
    assert executor_of(decorated(penstock.lift)) == ("crane", {})


@pytest.mark.parametrize(("own", "beside", "larger"), [(100, 200, 200), (200, 100, 200), (None, 100, 100)])
def test_of_two_needs_the_larger_holds(crane, own, beside, larger):
    for order in ((0, 1), (1, 0)):
        pair = (penstock.lift(memory=own), resources(memory=beside))
        assert resources_of(decorated(*(pair[number] for number in order))).memory_mb == larger


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        ({"imgae": "x"}, "@lift has no argument 'imgae'", "image"),
        ({"memory": -1}, "@lift: memory must be a whole number", "memory"),
        ({"cpu": "many"}, "@lift: cpu must be a number", "cpu"),
    ],
)
def test_a_wrong_argument_is_told_with_its_line(crane, arguments, message, hint):
    with pytest.raises(FlowError, match=message) as told:
        penstock.lift(**arguments)
    assert hint in told.value.hint
    assert told.value.where.startswith(__file__)


def test_options_and_needs_of_one_name_are_options():
    backend = Backend(kind="executor", name="x", contract=1, summary="", target="a:b", decorator="lift")
    made = decorator_of(backend)
    made.options, made.defaults = ("gpu",), {**made.defaults, "gpu": "all"}
    assert executor_of(decorated(made(gpu="some"))) == ("x", {"gpu": "some"})


def test_in_a_worker_the_names_are_known_and_nothing_is_loaded(crane):
    executor_decorators.make_inert(["hoist"])
    found = decorated(penstock.hoist(anything=object(), at="all"))
    assert found[0]["name"] == "hoist"
    assert executor_of(decorated(penstock.hoist)) is None


def test_a_name_that_nobody_brings(crane):
    assert not hasattr(penstock, "lifft")
    assert executor_decorators.known() == ["lift"]


@pytest.mark.parametrize(
    ("file", "message", "hint"),
    [
        ("from penstock import FlowSpec, step, lifft", "cannot import name 'lifft'", "did you mean 'lift'?"),
        ("from penstock import hoist", "the executor 'hoist' is not installed", "pip install 'penstock[hoist]'"),
    ],
)
def test_what_a_flow_is_told(crane, tmp_path, monkeypatch, file, message, hint):
    (tmp_path / "a_flow.py").write_text(dedent(file))
    program = (
        "import sys; from penstock import entry_points; from penstock.cli import main\n"
        "entry_points._extras = lambda _: ('hoist',)\n"
        "from penstock.host.declare import import_flow\n"
        "from penstock.errors import PenstockError\n"
        "try: import_flow('a_flow.py')\n"
        "except PenstockError as error: print(error, '|', error.hint, '|', error.where)"
    )
    environment = {"PYTHONPATH": f"{crane}:{Path(penstock.__file__).parents[1]}"}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    said, told_hint, where = done.stdout.strip().rsplit(" | ", 2)
    assert message in said
    assert told_hint == hint
    assert where.endswith("a_flow.py:1")


def test_one_that_is_not_installed_is_a_failed_import_too(crane, monkeypatch):
    found = next(plugin for plugin in Registry().plugins() if plugin.entry.own)
    monkeypatch.setattr("penstock.entry_points._extras", lambda _: (*found.entry.extras, "hoist"))
    with pytest.raises(ImportError, match="the executor 'hoist' is not installed") as told:
        from penstock import hoist  # noqa: F401
    assert isinstance(told.value, NotInstalled)


@pytest.mark.parametrize(("kind", "name"), [("executor", "step"), ("executor", "no name"), ("datastore", "lift")])
def test_a_name_that_can_not_be_one_breaks_its_plugin(crane, kind, name):
    (crane / "crane_plugin.py").write_text(
        PLUGIN.replace('decorator="lift"', f"decorator={name!r}").replace('kind="executor"', f"kind={kind!r}")
    )
    found = next(one for one in Registry().plugins() if one.entry.name == "crane")
    assert "can't bring a step decorator" in found.reason
