"""Runner: a flow file from Python, in a process of its own, with options and parameters as keywords."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from penstock import Runner
from penstock.errors import NotFound, UsageError

FLOW = """
import os
from penstock import FlowSpec, JSONType, Parameter, current, project, step

@project(name="shop")
class SmallFlow(FlowSpec):
    alpha = Parameter("alpha", default=1)
    words = Parameter("words", default="a", separator=",")
    table = Parameter("the-table", type=JSONType, default=None)
    sure = Parameter("sure", default=False)

    @step
    def start(self):
        print("alpha is", self.alpha)
        self.branch = current.branch_name
        self.env = os.environ.get("COLOUR")
        self.next(self.end)

    @step
    def end(self):
        if self.sure and not os.path.exists("mended"):
            raise ValueError("not yet")
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working directory, and the flow in another folder beside it."""
    (tmp_path / "flows").mkdir()
    (tmp_path / "flows" / "small.py").write_text(FLOW)
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.delenv("PENSTOCK_LOCAL_ROOT", raising=False)
    yield tmp_path


def test_a_run_with_every_kind_of_keyword(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options: dict[str, Any] = {
        "metadata": "local", "datastore": "local", "environment": "local", "event_logger": "nullSidecarLogger",
        "pylint": False, "quiet": True, "decospecs": ["retry:times=1"], "branch": "fix", "env": {"COLOUR": "red"},
    }  # fmt: skip
    with Runner("../flows/small.py", **options) as runner:
        done = runner.run(
            alpha=3, words=["x", "y"], the_table={"k": [1]}, sure=False, tags=["one", "two words"], max_workers=2,
            max_num_splits=50, run_id_file="id",
        )  # fmt: skip
        assert (done.returncode, done.status) == (0, "successful"), done.stderr
        assert done.stdout == "start  alpha is 3\n"
        assert done.stderr == ""
        run = done.run
        assert run is not None
        assert run.id == (folder / "work" / "id").read_text()
        assert run.user_tags == {"one", "two words"}
        found = [getattr(run.data, name) for name in ("alpha", "words", "table", "branch", "env")]
        assert found == [3, ["x", "y"], {"k": [1]}, "test.fix", "red"]
    assert capsys.readouterr().out == "start  alpha is 3\n"


def test_a_run_that_fails_raises_nothing_and_can_be_resumed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runner = Runner(str(folder / "flows" / "small.py"), show_output=False, cwd=str(folder / "work"))
    failed = runner.run(sure=True)
    assert (failed.returncode, failed.status) == (1, "failed")
    assert failed.run is not None
    assert failed.run.finished
    assert "ValueError: not yet" in failed.stderr
    (folder / "work" / "mended").touch()
    resumed = runner.resume(tags="again")
    assert resumed.status == "successful", resumed.stderr
    assert resumed.run is not None
    assert resumed.run.origin_pathspec == failed.run.pathspec
    again = runner.resume(step_to_rerun="start", origin_run_id=failed.run.id)
    assert again.stdout == "start  alpha is 1\n"
    runner.cleanup()
    assert capsys.readouterr() == ("", "")


def test_one_looks_at_a_run_while_it_goes_on(folder: Path) -> None:
    async def both() -> list[str]:
        async with Runner("../flows/small.py", show_output=False) as runner:
            runs = [await runner.async_run(alpha=number) for number in (4, 5)]
            states = {one.status for one in runs}
            assert states <= {"running", "successful"}
            for one in runs:
                await one.wait()
            return [one.stdout for one in runs]

    assert asyncio.run(both()) == ["start  alpha is 4\n", "start  alpha is 5\n"]


@pytest.mark.parametrize(
    ("made", "given", "message", "hint"),
    [
        ({"datastor": "local"}, {}, "unknown keyword 'datastor'", "did you mean 'datastore'?"),
        ({}, {"alhpa": 3}, "unknown keyword 'alhpa'", "did you mean 'alpha'?"),
        ({}, {"max_worker": 3}, "unknown keyword 'max_worker'", "did you mean 'max_workers'?"),
        ({}, {"alpha": "x"}, "--alpha takes a whole number, not 'x'", "--alpha=3"),
    ],
)
def test_what_is_wrong_is_told_before_anything_starts(
    made: dict[str, Any], given: dict[str, Any], message: str, hint: str, folder: Path
) -> None:
    with pytest.raises(UsageError, match=message) as told:
        Runner("../flows/small.py", **made).run(**given)
    assert hint in told.value.hint
    assert not (folder / "work" / ".penstock").exists()


def test_a_file_that_is_not_there(folder: Path) -> None:
    with pytest.raises(NotFound, match="no file"):
        Runner("nowhere.py").run()
