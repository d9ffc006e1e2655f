"""A user at a prompt: the real command line in a process of its own, and what may be expected of any answer."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import penstock

OURS = str(Path(penstock.__file__).parent)
LIMIT_S = 60.0

FINE = """
from penstock import FlowSpec, Parameter, step

class FineFlow(FlowSpec):
    alpha = Parameter("alpha", default=1, help="how much")

    @step
    def start(self):
        self.x = self.alpha
        self.next(self.end)

    @step
    def end(self):
        print("x is", self.x)
"""


class Answer:
    """Exit code and both streams as text."""

    def __init__(self, code: int, out: bytes, err: bytes) -> None:
        self.code, self.raw_out, self.raw_err = code, out, err
        self.out, self.err = out.decode("utf-8", "replace"), err.decode("utf-8", "replace")

    def __repr__(self) -> str:
        return f"exit {self.code}\n--- stdout\n{self.out}\n--- stderr\n{self.err}"


class Shell:
    """A working directory and an environment with nothing of penstock in it. Warnings are errors, leaks too."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.environment = {
            "PATH": os.environ.get("PATH", ""), "HOME": str(folder.parent), "LANG": "C.UTF-8", "USER": "ann",
            "PYTHONPATH": os.environ.get("PYTHONPATH", ""), "PYTHONWARNINGS": "error",
        }  # fmt: skip

    @property
    def store(self) -> Path:
        return self.folder / ".penstock"

    def write(self, name: str, text: str | bytes) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    def start(
        self, *command: str, cwd: Path | None = None, env: dict[str, str] | None = None, **more: object
    ) -> subprocess.Popen[bytes]:
        """Begin a command; further keywords are those of Popen."""
        streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **more}
        return subprocess.Popen(
            command, cwd=cwd or self.folder, env={**self.environment, **(env or {})}, **streams
        )  # type: ignore[call-overload,no-any-return]

    def call(self, *command: str, **more: object) -> Answer:
        """Carry a command out; keywords are those of `start`."""
        with self.start(*command, **more) as process:  # type: ignore[arg-type]
            try:
                out, err = process.communicate(timeout=LIMIT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
        return Answer(process.returncode, out or b"", err or b"")

    def flow(self, *arguments: str, **more: object) -> Answer:
        """`flow ARGUMENTS`."""
        return self.call(sys.executable, "-m", "penstock", *arguments, **more)

    def script(self, file: str, *arguments: str, **more: object) -> Answer:
        """`python FILE ARGUMENTS`."""
        return self.call(sys.executable, file, *arguments, **more)

    def run_fine(self, *options: str) -> Answer:
        """A run of a flow in which nothing is wrong."""
        self.write("fine.py", FINE)
        answer = self.flow("run", "fine.py", *options)
        assert answer.code == 0, answer
        return answer

    def processes(self) -> list[int]:
        """Processes whose working directory or argv lies below the folder, this one excluded."""
        found = []
        for name in filter(str.isdigit, os.listdir("/proc")):
            try:
                where = os.readlink(f"/proc/{name}/cwd")
                said = Path(f"/proc/{name}/cmdline").read_bytes().decode("utf-8", "replace")
                state = Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()[0]
            except OSError:
                continue
            mine = where.startswith(str(self.folder)) or str(self.folder) in said
            if mine and int(name) != os.getpid() and state != "Z" and "pytest" not in said:
                found.append(int(name))
        return found


def is_tidy(answer: Answer) -> None:
    """Whatever happened: no frame of ours, no warning, no leak is shown."""
    assert OURS not in answer.err, answer
    assert "Warning" not in answer.err, answer
    assert "Exception ignored" not in answer.err, answer
    assert "fault of penstock" not in answer.err, answer


def is_refusal(answer: Answer, code: int, *texts: str, next_: str = "") -> None:
    """One error that says each of `texts`, with the documented exit code and a line to type next."""
    is_tidy(answer)
    assert answer.code == code, answer
    assert "Traceback" not in answer.err, answer
    lines = answer.err.splitlines()
    assert sum(line.startswith("error: ") for line in lines) == 1, answer
    assert sum(line.startswith("  next: ") for line in lines) == 1, answer
    for text in texts:
        assert text in answer.err, f"{text!r} is not in\n{answer}"
    told = answer.err.partition("  next: ")[2]
    assert next_ in told, f"{next_!r} is not in the next command of\n{answer}"
