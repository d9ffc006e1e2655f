"""Commands that run, resume, go on with and end runs: exit codes, files that they write, both spellings."""

from __future__ import annotations

import json
import re
import sys
from typing import Any

import pytest

from penstock.errors import (
    BackendError,
    BackendMisconfigured,
    FlowError,
    PenstockError,
    PluginError,
    RunCancelled,
    RunFailed,
    SettingsError,
    StoreVersion,
    UsageError,
)
from tests.bad_input.shell import Shell, is_refusal, is_tidy
from tests.cli.conftest import shell_id


def runs(shell: Shell) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(shell.flow("runs", "--json").out)["runs"]
    return found


@pytest.mark.parametrize("spelling", ["flow", "script"])
def test_a_run(spelling: str, shell: Shell) -> None:
    words = ["--run-id-file=id", "--tag=a", "--tag=b c", "--kinds=x,yy", "--max-workers=2", "--max-num-splits=5"]
    answer = shell.flow("run", "pets.py", *words) if spelling == "flow" else shell.script("pets.py", "run", *words)
    is_tidy(answer)
    assert answer.code == 0, answer
    assert sorted(answer.out.splitlines()) == [
        "count[0]  counting x", "count[1]  counting yy", "end  total 3", "start  begin"
    ]
    run = shell_id(shell, "id")
    assert re.fullmatch(r"\d{8}-\d{4}-[0-9a-z]{4}", run)
    first, *_, last = [line for line in answer.err.splitlines() if not line.startswith("penstock ")]
    assert first == f"PetsFlow/{run}  executor local  data .penstock"
    assert last.startswith(f"PetsFlow/{run} succeeded: ")
    (listed,) = runs(shell)
    assert (listed["run"], listed["tags"], listed["parameters"]) == (run, ["a", "b c"], {"kinds": "x,yy"})


def test_a_quiet_run_says_only_what_its_tasks_say(shell: Shell) -> None:
    answer = shell.script("pets.py", "--quiet", "run", "--kinds=x")
    assert answer.code == 0
    assert answer.out == "start  begin\ncount[0]  counting x\nend  total 1\n"
    assert answer.err == "count[0]  err of x\n"


@pytest.mark.parametrize("spelling", ["flow", "script"])
def test_a_run_that_fails_says_where_and_what_next(spelling: str, shell: Shell) -> None:
    words = ["run", "--break_it"]
    answer = shell.flow("run", "pets.py", "--break_it") if spelling == "flow" else shell.script("pets.py", *words)
    is_tidy(answer)
    assert answer.code == 1
    (listed,) = runs(shell)
    command = "flow resume pets.py" if spelling == "flow" else "python pets.py resume"
    assert answer.err.rstrip().splitlines()[-1] == f"  next: {command} --origin-run-id={listed['run']}"
    assert re.search(
        (
            r"count\[1\]  failed after 2 attempts \(.*\)  pets.py:25\n    25 \|  raise ValueError\(\"no dogs\"\)\n"
            r"  ValueError: no dogs"
        ),
        answer.err,
    )


@pytest.mark.parametrize("spelling", ["flow", "script"])
def test_resume_takes_over_what_was_done(spelling: str, shell: Shell) -> None:
    assert shell.flow("run", "pets.py", "--break_it", "--run-id-file=failed").code == 1
    shell.write("pets.py", (shell.folder / "pets.py").read_text().replace('raise ValueError("no dogs")', "pass"))
    words = ["--run-id-file=resumed", "--tag=again"]
    spelt = {"flow": shell.flow, "script": shell.script}[spelling]
    answer = spelt(*(["resume", "pets.py"] if spelling == "flow" else ["pets.py", "resume"]), *words)
    is_tidy(answer)
    assert answer.code == 0, answer
    assert sorted(answer.out.splitlines()) == ["count[1]  counting dog", "end  total 6"]
    newest, _ = runs(shell)
    assert (newest["run"], newest["origin"], newest["tags"]) == (
        shell_id(shell, "resumed"), shell_id(shell, "failed"), ["again"]
    )


def test_resume_from_a_step_of_a_run_that_is_named(shell: Shell) -> None:
    assert shell.flow("run", "pets.py", "--run-id-file=first").code == 0
    first = shell_id(shell, "first")
    for origin in (first, f"PetsFlow/{first}", first[:-1]):
        answer = shell.flow("resume", "pets.py", "end", f"--origin-run-id={origin}")
        assert (answer.code, answer.out) == (0, "end  total 6\n"), answer


def test_on_failure(shell: Shell) -> None:
    shell.write("pets.py", (shell.folder / "pets.py").read_text().replace("    @retry(times=1)\n", ""))
    wide = ["--break_it", "--kinds=dog,a,b,c,d,e,f,g,h", "--max-workers=1"]
    finish = shell.flow("run", "pets.py", *wide, "--on-failure=finish")
    go_on = shell.flow("run", "pets.py", *wide, "--on-failure=continue")
    assert (finish.code, go_on.code) == (1, 1)
    assert "counting h" in go_on.out
    assert "counting h" not in finish.out


def test_debugging_runs_in_this_very_process(shell: Shell) -> None:
    shell.write(
        "pets.py", (shell.folder / "pets.py").read_text().replace('print("begin")', "import os; print(os.getppid())")
    )
    seen = shell.call("sh", "-c", f"{sys.executable} -P -m penstock run pets.py --debug -q; echo $$")
    assert seen.code == 0, seen
    lines = seen.out.splitlines()
    assert lines[0] == lines[-1], "the parent of the step is the shell itself"


def test_continue_and_cancel_of_runs_that_have_ended(pets: Shell) -> None:
    for name, status in (("first", "succeeded"), ("failed", "failed")):
        run = "PetsFlow/" + shell_id(pets, name)
        is_refusal(pets.flow("continue", run), 2, f"has ended: {status}", next_="flow resume pets.py")
        is_refusal(pets.flow("cancel", run), 2, f"has ended: {status}", next_="flow runs PetsFlow")
        is_refusal(pets.script("pets.py", "cancel", shell_id(pets, name)), 2, f"has ended: {status}")


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["run", "pets.py"], 0), (["run", "pets.py", "--break_it"], 1), (["run", "pets.py", "--bad"], 2),
        (["run", "no.py"], 3), (["run", "pets.py", "--profile=x"], 4), (["run", "pets.py", "--executor=x"], 4),
        (["check", "pets.py"], 0), (["check", "no.py"], 3), (["--help"], 0), ([], 2), (["plugins"], 0),
        (["config", "x"], 2),
    ],
)  # fmt: skip
def test_exit_codes(words: list[str], code: int, shell: Shell) -> None:
    assert shell.flow(*words).code == code


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (PenstockError, 1), (RunFailed, 1), (UsageError, 2), (FlowError, 3), (SettingsError, 4), (PluginError, 4),
        (BackendMisconfigured, 4), (StoreVersion, 4), (BackendError, 5), (RunCancelled, 130),
    ],
)  # fmt: skip
def test_exit_codes_of_errors(error: type[PenstockError], code: int) -> None:
    assert error("m").exit_code == code


def test_a_backend_that_is_not_there_now(shell: Shell) -> None:
    shell.write("away.py", '''
from penstock.errors import BackendUnavailable
from penstock_local.file_datastore import FileDatastore

class Away(FileDatastore):
    """A store that does not answer."""
    def __init__(self, root: str = "x"):
        super().__init__(root)
    def get(self, key, start=0, length=None):
        raise BackendUnavailable("the store does not answer", hint="try again")
    put = get
''')  # fmt: skip
    is_refusal(
        shell.flow("run", "pets.py", "--datastore=away.py:Away"), 5, "the store does not answer", next_="try again"
    )


def test_only_a_job_that_outlives_this_machine_can_drive_a_run(shell: Shell) -> None:
    answer = shell.flow("run", "pets.py", "--detach")
    is_refusal(answer, 4, "no job of local can drive a run", "--detach")
    assert runs(shell) == []
