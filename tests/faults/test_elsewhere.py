"""Jobs elsewhere outlive their scheduler: they are adopted, awaited or ended, and never run twice for nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ISOLATED = "--executor=isolated"
LIMIT_S = 60.0
FLOW = '''
import os, time
from penstock import FlowSpec, Parameter, step

class PatientFlow(FlowSpec):
    folder = Parameter("folder")

    def ran(self, name):
        fd = os.open(os.path.join(self.folder, "ran"), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.write(fd, name.encode() + b"\\n")
        os.close(fd)

    @step
    def start(self):
        self.ran("start")
        self.next(self.wait)

    @step
    def wait(self):
        self.ran("wait")
        while not os.path.exists(os.path.join(self.folder, "go")):
            time.sleep(0.01)
        self.answer = 42
        self.next(self.end)

    @step
    def end(self):
        self.ran("end")
        print("the answer is", self.answer)
'''


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "patient.py").write_text(FLOW)
    (tmp_path / ".penstock").mkdir()
    return tmp_path


def command(folder: Path, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "penstock", *arguments]


def options(folder: Path) -> list[str]:
    return [ISOLATED, f"--isolated-folder={folder}/jobs"]


def text(path: Path) -> str:
    return path.read_text() if path.exists() else ""


@pytest.fixture
def orphaned(folder: Path) -> str:
    """A run whose scheduler was killed while its job `wait` runs on; its id."""
    process = subprocess.Popen(
        command(folder, "run", "patient.py", f"--folder={folder}", "--run-id-file=id", *options(folder)),
        cwd=folder, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    until = time.monotonic() + LIMIT_S
    while "wait" not in text(folder / "ran"):
        assert process.poll() is None and time.monotonic() < until
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    return text(folder / "id")


def bodies(folder: Path) -> list[str]:
    return text(folder / "ran").split()


def answer(folder: Path, run: str) -> str:
    done = subprocess.run(
        command(folder, "logs", f"PatientFlow/{run}/end"), cwd=folder, capture_output=True, text=True, check=True
    )
    return done.stdout


@pytest.mark.parametrize("go_first", [True, False], ids=["ended before", "still running"])
def test_continue_adopts(folder: Path, orphaned: str, go_first: bool) -> None:
    if go_first:
        (folder / "go").touch()
        _until_record(folder, orphaned)
    process = subprocess.Popen(command(folder, "continue", f"PatientFlow/{orphaned}"), cwd=folder)
    (folder / "go").touch()
    assert process.wait(LIMIT_S) == 0
    assert bodies(folder) == ["start", "wait", "end"]
    assert answer(folder, orphaned) == "the answer is 42\n"


def test_resume_awaits_the_job_of_the_dead_run_and_takes_what_it_made(folder: Path, orphaned: str) -> None:
    process = subprocess.Popen(
        command(
            folder, "resume", "patient.py", "--run-id-file=resumed", f"--origin-run-id={orphaned}", *options(folder)
        ),
        cwd=folder,
    )
    until = time.monotonic() + LIMIT_S
    while not text(folder / "resumed") and time.monotonic() < until:
        time.sleep(0.01)
    (folder / "go").touch()
    assert process.wait(LIMIT_S) == 0
    assert bodies(folder) == ["start", "wait", "end"]
    assert answer(folder, text(folder / "resumed")) == "the answer is 42\n"


def test_a_resumed_run_that_is_continued_still_awaits_it(folder: Path, orphaned: str) -> None:
    resumed = subprocess.Popen(
        command(
            folder, "resume", "patient.py", "--run-id-file=resumed", f"--origin-run-id={orphaned}", *options(folder)
        ),
        cwd=folder,
    )
    until = time.monotonic() + LIMIT_S
    while not text(folder / "resumed"):
        assert resumed.poll() is None and time.monotonic() < until
        time.sleep(0.01)
    resumed.kill()
    resumed.wait()
    run = text(folder / "resumed")
    continued = subprocess.Popen(command(folder, "continue", f"PatientFlow/{run}"), cwd=folder, stderr=subprocess.PIPE)
    assert continued.stderr is not None
    assert run.encode() in continued.stderr.readline()  # it drives
    (folder / "go").touch()
    continued.communicate(timeout=LIMIT_S)
    assert continued.returncode == 0
    assert bodies(folder) == ["start", "wait", "end"]
    assert answer(folder, run) == "the answer is 42\n"


def test_cancel_ends_the_job_of_a_dead_run(folder: Path, orphaned: str) -> None:
    done = subprocess.run(command(folder, "cancel", f"PatientFlow/{orphaned}"), cwd=folder, check=False)
    assert done.returncode == 0
    shown = subprocess.run(
        command(folder, "runs", "PatientFlow", "--json"), cwd=folder, capture_output=True, text=True, check=True
    )
    assert json.loads(shown.stdout)["runs"][0]["status"] == "cancelled"
    assert not _jobs_alive(folder)


def test_ctrl_c_ends_jobs_and_run(folder: Path) -> None:
    process = subprocess.Popen(
        command(folder, "run", "patient.py", f"--folder={folder}", *options(folder)), cwd=folder, start_new_session=True
    )
    until = time.monotonic() + LIMIT_S
    while "wait" not in text(folder / "ran") and time.monotonic() < until:
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(LIMIT_S) == 130
    assert not _jobs_alive(folder)


def _until_record(folder: Path, run: str) -> None:
    record = folder / ".penstock" / "runs" / "PatientFlow" / run / "tasks" / "wait" / "0" / "0.record"
    until = time.monotonic() + LIMIT_S
    while not record.exists():
        assert time.monotonic() < until
        time.sleep(0.01)


def _jobs_alive(folder: Path) -> list[str]:
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            line = Path(f"/proc/{name}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            state = Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        if f"{folder}/jobs" in line and state != "Z":
            found.append(line)
    return found
