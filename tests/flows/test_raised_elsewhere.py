"""What a job elsewhere raises is told with the user's own files, not with the folder that it unpacked them into."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bad_input.shell import Shell, is_tidy

HELPER = "def divide(x):\n    return 1 / x\n"
FAR = '''
from penstock import FlowSpec, catch, environment, step
import helper

class FarFlow(FlowSpec):
    @catch(var="kept")
    @step
    def start(self):
        helper.divide(0)
        self.next(self.look)

    @step
    def look(self):
        print(self.kept.traceback, end="")
        self.next(self.fail)

    @environment(vars={"A": "b"})
    @step
    def fail(self):
        try:
            helper.divide(0)
        except ZeroDivisionError as error:
            raise ValueError(open(helper.__file__).readline().strip()) from error
        self.next(self.end)

    @step
    def end(self):
        pass
'''
ISOLATED = "--executor=isolated"


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    made = Shell(tmp_path / "work")
    made.write("sub folder/helper.py", HELPER)
    return made


def test_tracebacks_name_the_user_s_files(shell: Shell) -> None:
    file = shell.write("sub folder/far.py", FAR)
    answer = shell.flow("run", "sub folder/far.py", ISOLATED)
    is_tidy(answer)
    assert answer.code == 1, answer
    shown = shell.flow("show", "latest")
    logs = shell.flow("logs", "latest")
    for text in (answer.err, logs.err, shell.flow("show", "latest/fail/0").out, shown.out):
        assert "/code/" not in text, text
    caught = f'File "{file}", line 9, in start'
    assert caught in answer.err
    assert f"look  {caught}" in "\n".join(line.replace("look    ", "look  ") for line in answer.out.splitlines())
    assert f'File "{file.parent}/helper.py", line 2, in divide\n    return 1 / x\n' in logs.err
    assert "ValueError: def divide(x):" in answer.err, "the copy is what the job really reads"
    assert "fail/0 failed: sub folder/far.py:23" in shown.out
    assert "sub folder/far.py:23  ValueError" in answer.err


def test_a_flow_that_can_not_be_imported_there_fails_with_its_own_line(shell: Shell) -> None:
    file = shell.write("sub folder/far.py", FAR.replace("import helper\n", "import helper, pytest\n"))
    answer = shell.flow("run", "sub folder/far.py", ISOLATED, "--with", "retry:times=1,minutes_between_retries=0")
    is_tidy(answer)
    assert answer.code == 1, answer
    assert "Traceback" not in answer.err, answer
    assert f"start  {file}:3: FlowError: no module named 'pytest'" in answer.err
    assert "start    pip install pytest   # into what the job runs in" in answer.err
    assert "start  failed after 2 attempts" in answer.err
    assert "start/0 failed: sub folder/far.py:3" in shell.flow("show", "latest").out
    assert "no module named 'pytest'" in shell.flow("logs", "latest/start").err
