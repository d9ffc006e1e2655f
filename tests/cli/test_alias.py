"""A file that imports from Metaflow: checked, run, resumed, continued on other executors, and read, as it stands."""

from __future__ import annotations

import json

import pytest

from tests.bad_input.shell import Shell, is_tidy

FILE = """
from metaflow import FlowSpec, Parameter, current, step
from metaflow.exception import MetaflowException

class Own(MetaflowException):
    headline = "Own"

class TheirFlow(FlowSpec):
    alpha = Parameter("alpha", default=1)

    @step
    def start(self):
        import os
        import metaflow
        self.own = Own("kept")
        self.package = metaflow.__name__
        if self.alpha == 2 and not os.path.exists(FOLDER + "/mended"):
            raise Own("not yet")
        self.next(self.end)

    @step
    def end(self):
        print(self.package, type(self.own).__name__, self.own, current.flow_name)
"""
SAID = "penstock Own kept TheirFlow\n"


@pytest.fixture
def their(shell: Shell) -> Shell:
    """Beside it lies a package of that name that must never be imported."""
    shell.write("their.py", FILE.replace("FOLDER", repr(str(shell.folder))))
    shell.write("metaflow/__init__.py", "raise SystemExit('the real one')")
    return shell


@pytest.mark.parametrize("options", [[], ["--debug"], ["--executor=isolated"]], ids=str)
def test_run_and_resume(options: list[str], their: Shell) -> None:
    answer = their.flow("run", "--metaflow", "their.py", *options)
    is_tidy(answer)
    assert answer.code == 0, answer
    assert answer.out.endswith(SAID)
    assert their.flow("run", "their.py", "--alpha=2", "--metaflow", *options).code == 1
    their.write("mended", "")
    resumed = their.flow("--metaflow", "resume", "their.py", *options)
    assert resumed.code == 0, resumed
    assert their.flow("logs", "TheirFlow/latest/end").out == SAID


def test_check(their: Shell) -> None:
    answer = their.flow("check", "their.py")
    assert (answer.code, answer.err) == (0, "")
    assert "MetaflowException  honoured" in answer.out
    assert answer.out.endswith("TheirFlow: 2 steps, no problems\n  next: flow run --metaflow their.py\n")
    found = json.loads(their.flow("check", "their.py", "--json").out)
    assert [one["name"] for one in found["features"]][:2] == ["FlowSpec", "Parameter"]
    their.write("their.py", FILE.replace("current, step", "current, step, secrets"))
    missing = their.flow("check", "their.py")
    assert missing.code == 3
    assert "penstock has no secrets" in missing.out


@pytest.mark.parametrize("options", [["--debug"], ["--executor=isolated"]], ids=str)
def test_decorators_that_only_mean_something_to_metaflow_are_passed_over(options: list[str], their: Shell) -> None:
    above = "@pypi_base(packages={'pandas': '2'})\n@schedule\nclass TheirFlow"
    text = FILE.replace("current, step", "card, conda, current, pypi_base, schedule, step")
    text = text.replace("class TheirFlow", above)
    text = text.replace("@step\n    def end", "@card\n    @conda(libraries={})\n    @step\n    def end")
    their.write("their.py", text.replace("FOLDER", repr(str(their.folder))))
    answer = their.flow("run", "--metaflow", "their.py", *options)
    assert answer.code == 0, answer
    assert answer.out.endswith(SAID)
    for name in ("card", "conda", "pypi_base", "schedule"):
        assert answer.err.count(f"@{name} is passed over: ") == 1


def test_without_the_flag_it_is_an_ordinary_import(their: Shell) -> None:
    assert "sys.exit('the real one')" in their.flow("run", "their.py").err
