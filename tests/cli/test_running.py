"""Commands that run, resume, go on with and end runs: exit codes, files that they write, both spellings."""

from __future__ import annotations

import json
import re
import sys
from typing import Any

import pytest

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
            r"count\[1\]  failed after 2 attempts \(.*\)  pets.py:25  ValueError: no dogs\n"
        ),
        answer.err,
    )


MANY = """
import sys
from penstock import FlowSpec, retry, step

class ManyFlow(FlowSpec):
    @step
    def start(self):
        self.xs = range(40)
        self.next(self.each, foreach="xs")

    @retry(times=1)
    @step
    def each(self):
        from penstock import current
        if current.retry_count < RETRIES:
            raise ValueError("größe\\n  of " + str(self.input % KINDS))
        self.next(self.join)

    @step
    def join(self, inputs):
        self.next(self.end)

    @step
    def end(self):
        pass
"""


@pytest.mark.parametrize("kinds", [1, 2, 40])
def test_of_tasks_that_fail_alike_one_traceback_is_shown(kinds: int, shell: Shell) -> None:
    shell.write("many.py", MANY.replace("RETRIES", "9").replace("KINDS", str(kinds)))
    answer = shell.flow("run", "many.py", "--max-workers=1", "--on-failure=continue")
    is_tidy(answer)
    assert (answer.code, answer.out) == (1, "")
    assert answer.err.count("Traceback (most recent call last)") == kinds
    assert answer.err.count("is tried again") == 40
    line = re.compile(r"^each\[\d+\]  failed after 2 attempts \(.*\)  many.py:16  ValueError: größe$", re.MULTILINE)
    told = line.findall(answer.err)
    assert len(told) == min(40, 10 * kinds)
    assert answer.err.count("failed like the 10 before") == (kinds < 40) * kinds
    assert answer.err.count("the same error in ") == (kinds < 40) * kinds
    assert shell.flow("logs", "ManyFlow/latest/each/39").err.count("Traceback") == 1, "the store has each of them"


def test_tasks_that_fail_differently_are_not_the_same_error(shell: Shell) -> None:
    shell.write("many.py", MANY.replace(
        'raise ValueError("größe\\n  of " + str(self.input % KINDS))', "import os; os._exit(3 + self.input % 2)"
    ).replace("RETRIES", "9").replace("range(40)", "range(4)").replace("@retry(times=1)", ""))
    answer = shell.flow("run", "many.py", "--max-workers=1", "--on-failure=continue")
    assert [line for line in answer.err.splitlines() if line.startswith("the same error in ")] == [
        "the same error in 2 tasks: each[0], each[2]", "the same error in 2 tasks: each[1], each[3]"
    ], answer
    assert answer.err.count("failed (") == 4
    shown = shell.flow("show", "latest/each").out
    assert shown.count("its process ended without a result, with exit code 3") == 2, shown


def test_a_retry_that_succeeds_says_once_why_it_was_needed(shell: Shell) -> None:
    shell.write("many.py", MANY.replace("RETRIES", "1").replace("KINDS", "1").replace("range(40)", "range(2)"))
    answer = shell.flow("run", "many.py", "--max-workers=1")
    assert answer.code == 0, answer
    assert answer.err.count("Traceback (most recent call last)") == 1
    lines = [line for line in answer.err.splitlines() if line.startswith("each[1]")]
    assert [re.sub(r"[\d.]+s", "_", line) for line in lines] == [
        "each[1]  failed in _, is tried again: ValueError: größe", "each[1]  done in _"
    ]


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


def test_only_a_job_that_outlives_this_machine_can_drive_a_run(shell: Shell) -> None:
    answer = shell.flow("run", "pets.py", "--detach")
    is_refusal(answer, 4, "no job of local can drive a run", "--detach")
    assert runs(shell) == []
