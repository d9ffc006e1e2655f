"""Deep paths of Metaflow's are answered with penstock's own objects; `metaflow` itself where it is asked for."""

from __future__ import annotations

import importlib
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

import penstock
from penstock.compat.paths import PATHS

NAMES = [(path, name) for path, names in PATHS.items() for name in names]


@pytest.mark.parametrize(("path", "name"), NAMES)
def test_every_name_of_the_table_is_there(path: str, name: str) -> None:
    assert getattr(importlib.import_module(f"penstock.{path}"), name) is not None


def test_the_same_objects() -> None:
    from penstock import errors, exception, flowspec, metaflow_current  # type: ignore[attr-defined]

    assert metaflow_current.current is penstock.current
    assert exception.MetaflowException is errors.PenstockError
    assert flowspec.FlowSpec is penstock.FlowSpec


def test_a_name_or_path_that_nobody_has() -> None:
    with pytest.raises(ImportError, match="cannot import name 'Nothing'"):
        exec("from penstock.exception import Nothing")
    with pytest.raises(ModuleNotFoundError, match=r"penstock\.nowhere"):
        importlib.import_module("penstock.nowhere")
    with pytest.raises(ImportError, match="penstock has no card: "):
        exec("from penstock.exception import card")


def test_exceptions_as_flows_use_them() -> None:
    from penstock.exception import ExternalCommandFailed, MetaflowException  # type: ignore[import-not-found]

    class Odd(MetaflowException):  # type: ignore[misc]
        headline = "Odd data"

        def __init__(self) -> None:
            super().__init__("it is odd")

    assert str(Odd()) == "it is odd"
    assert Odd().headline == "Odd data"
    again = pickle.loads(pickle.dumps(ExternalCommandFailed("ls failed")))
    assert (str(again), type(again)) == ("ls failed", ExternalCommandFailed)


PROGRAM = """
import sys
from penstock.compat.finder import stand_in_for
stand_in_for("metaflow")
stand_in_for("metaflow")
import penstock, metaflow, metaflow.exception
from metaflow import FlowSpec, current
from metaflow.metaflow_version import get_version
from metaflow.client import Flow
assert metaflow is penstock and FlowSpec is penstock.FlowSpec and Flow is penstock.Flow
assert metaflow.exception is sys.modules["penstock.exception"]
assert get_version() == penstock.__version__ and REAL not in sys.modules
try:
    import metaflow.plugins.airflow
except ImportError as error:
    print(error)
"""


def test_metaflow_is_penstock_even_where_it_is_installed(tmp_path: Path) -> None:
    real = tmp_path / "metaflow"
    real.mkdir()
    (real / "__init__.py").write_text("raise SystemExit('the real one')")
    program = PROGRAM.replace("REAL", "'metaflow.nowhere'")
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.stderr, done.returncode) == ("", 0)
    assert "penstock has nothing in place of metaflow.plugins.airflow" in done.stdout
