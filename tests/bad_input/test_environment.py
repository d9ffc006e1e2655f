"""The surroundings: no home, no terminal, narrow, another locale, closed streams, few descriptors, `-I`, `-O`."""

from __future__ import annotations

import importlib
import json
import os
import pty
import resource
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.bad_input.shell import FINE, LIMIT_S, Shell, is_refusal, is_tidy

UNICODE = """
from penstock import FlowSpec, step

class WordFlow(FlowSpec):
    @step
    def start(self):
        print("größe €")
        self.größe = "ä€\N{GRINNING FACE}"
        self.next(self.end)

    @step
    def end(self):
        raise ValueError("schäden €")
"""

FAN = """self.xs = range(60)
        self.next(self.each, foreach="xs")

    @step
    def each(self):
        self.next(self.join)

    @step
    def join(self, inputs):
        self.x = len(inputs)
        self.next(self.end)"""

# What is changed in the environment; None takes a variable away.
ENVIRONMENTS = {
    "no HOME": {"HOME": None},
    "HOME that is not there": {"HOME": "/nowhere/at/all"},
    "HOME that is a file": {"HOME": "/dev/null"},
    "relative HOME": {"HOME": "."},
    "empty HOME": {"HOME": ""},
    "no PATH": {"PATH": None},
    "no user": {"USER": None, "LOGNAME": None},
    "an odd user": {"USER": "a b/../c\N{SNOWMAN}"},
    "TMPDIR that is not there": {"TMPDIR": "/nowhere/at/all"},
    "XDG folder that is not there": {"XDG_CONFIG_HOME": "/nowhere/at/all"},
    "locale C": {"LANG": "C", "LC_ALL": "C"},
    "locale POSIX without UTF-8 mode": {
        "LANG": "POSIX", "LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"
    },
    "a locale that is not there": {"LC_ALL": "xx_YY.UTF-99"},
    "latin-1 streams": {"PYTHONIOENCODING": "latin-1"},
    "NO_COLOR": {"NO_COLOR": "1"},
    "FORCE_COLOR": {"FORCE_COLOR": "1"},
    "dumb terminal": {"TERM": "dumb"},
    "20 columns": {"COLUMNS": "20"},
    "no columns": {"COLUMNS": "0"},
    "columns in words": {"COLUMNS": "many"},
    "unbuffered": {"PYTHONUNBUFFERED": "1"},
    "optimized": {"PYTHONOPTIMIZE": "2"},
    "no bytecode": {"PYTHONDONTWRITEBYTECODE": "1"},
    "random hashes": {"PYTHONHASHSEED": "random"},
    "time zone": {"TZ": "Asia/Kathmandu"},
    "empty variables": {"PENSTOCK_EXECUTOR": "", "PENSTOCK_PROFILE": "", "PENSTOCK_LOCAL_ROOT": ""},
    "only plugins of ours": {"PENSTOCK_PLUGINS": "none"},
    "a huge variable": {"HUGE": "x" * 100_000},
    "a variable that is no text": {"ODD": "\udcff"},
    "no environment at all": dict.fromkeys(("HOME", "PATH", "LANG", "USER", "PYTHONWARNINGS")),
}  # fmt: skip


def changed(shell: Shell, changes: dict[str, str | None]) -> Shell:
    for name, value in changes.items():
        shell.environment.pop(name, None)
        if value is not None:
            shell.environment[name] = value
    return shell


@pytest.mark.parametrize("case", ENVIRONMENTS)
def test_a_run_and_a_look_at_it(case: str, shell: Shell) -> None:
    changed(shell, ENVIRONMENTS[case])
    answer = shell.run_fine()
    is_tidy(answer)
    assert answer.out == "end  x is 1\n"
    for words in (
        ["runs"],
        ["show", "FineFlow/latest"],
        ["show", "fine.py"],
        ["dump", "FineFlow/latest/end"],
        ["config"],
        ["run", "--help"],
    ):
        shown = shell.flow(*words)
        is_tidy(shown)
        assert shown.code == 0, shown
        assert shown.out
    assert len(json.loads(shell.flow("runs", "--json").out)["runs"]) == 1
    assert "\x1b" not in answer.err + answer.out
    is_refusal(shell.flow("rnu"), 2, "no command 'rnu'", next_="'run'")


@pytest.mark.parametrize("case", ["locale C", "a locale that is not there", "latin-1 streams"])
def test_text_that_the_terminal_can_not_show(case: str, shell: Shell) -> None:
    """The store and the output of tasks keep it as it is; what we say ourselves is escaped where it must be."""
    shell.write("word.py", UNICODE)
    changed(shell, ENVIRONMENTS[case])
    answer = shell.flow("run", "word.py", env={} if "latin" not in case else {"PYTHONIOENCODING": "utf-8"})
    is_tidy(answer)
    assert answer.code == 1, answer
    assert "größe".encode() in answer.raw_out, answer
    assert "ValueError: sch" in answer.err
    for words in (
        ["show", "WordFlow/latest"], ["dump", "WordFlow/latest/start"], ["runs"], ["logs", "WordFlow/latest/start"]
    ):
        shown = shell.flow(*words)
        is_tidy(shown)
        assert shown.code == 0, shown


@pytest.mark.parametrize("closed", ["0<&-", "1>&-", "2>&-", "0<&- 1>&- 2>&-"])
@pytest.mark.parametrize("words", ["run fine.py", "runs", "plugins", "rnu", "--help"])
def test_streams_that_are_closed(closed: str, words: str, shell: Shell) -> None:
    shell.run_fine()
    answer = shell.call("sh", "-c", f"exec {sys.executable} -P -m penstock {words} {closed}")
    is_tidy(answer)
    assert answer.code == (2 if words == "rnu" else 0), answer
    runs = json.loads(shell.flow("runs", "--json").out)["runs"]
    assert {run["status"] for run in runs} == {"succeeded"}
    assert len(runs) == 1 + (words == "run fine.py")


@pytest.mark.parametrize("words", [["run", "fine.py"], ["runs"], ["run", "--help"], ["rnu"], ["show", "fine.py"]])
def test_on_a_terminal_of_20_columns(words: list[str], shell: Shell) -> None:
    shell.run_fine()
    ours, theirs = pty.openpty()
    process = shell.start(
        sys.executable,
        "-P",
        "-m",
        "penstock",
        *words,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={"COLUMNS": "20", "TERM": "xterm"},
    )
    os.close(theirs)
    seen = b""
    while True:
        try:
            piece = os.read(ours, 1 << 16)
        except OSError:  # the other end is closed
            break
        if not piece:
            break
        seen += piece
    os.close(ours)
    assert process.wait(LIMIT_S) == (2 if words == ["rnu"] else 0), seen
    assert b"Traceback" not in seen
    assert seen


def test_standard_input_is_nobody_s(shell: Shell) -> None:
    """A task that asks gets the end of the file, not what was typed for another program."""
    shell.write("ask.py", FINE.replace('print("x is", self.x)', "print(repr(__import__('sys').stdin.read()))"))
    reading, writing = os.pipe()
    os.write(writing, b"typed\n")
    os.close(writing)
    answer = shell.flow("run", "ask.py", stdin=reading)
    assert os.read(reading, 100) == b"typed\n"
    os.close(reading)
    assert answer.out == "end  ''\n", answer


def _limited(shell: Shell, words: list[str], kind: int, most: int) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [
            sys.executable, "-P", "-m", "penstock", *words
        ], cwd=shell.folder, env=shell.environment, stdin=subprocess.DEVNULL,
        capture_output=True, timeout=LIMIT_S, preexec_fn=lambda: resource.setrlimit(kind, (most, most)),
    )  # fmt: skip


def test_with_64_descriptors(shell: Shell) -> None:
    wide = FINE.replace("self.x = self.alpha\n        self.next(self.end)", FAN)
    shell.write("wide.py", wide)
    done = _limited(shell, ["run", "wide.py", "--max-workers=4"], resource.RLIMIT_NOFILE, 64)
    assert (done.returncode, done.stdout) == (0, b"end  x is 60\n"), done.stderr


def test_files_that_may_not_grow(shell: Shell) -> None:
    """`ulimit -f`: the value is refused with what was needed, the run ends in good order."""
    shell.write(
        "big.py", FINE.replace("self.x = self.alpha", "self.x = 1; self.big = __import__('os').urandom(3_000_000)")
    )
    done = _limited(shell, ["run", "big.py"], resource.RLIMIT_FSIZE, 1_000_000)
    assert done.returncode == 1, done.stderr
    assert b"bytes needed" in done.stderr
    assert b"failed" in shell.flow("runs").raw_out


@pytest.mark.parametrize("mask", [0o077, 0o000, 0o777])
def test_masks_for_new_files(mask: int, shell: Shell) -> None:
    shell.write("fine.py", FINE)
    done = subprocess.run(
        [
            sys.executable, "-P", "-m", "penstock", "run", "fine.py"
        ], cwd=shell.folder, env=shell.environment, capture_output=True,
        timeout=LIMIT_S, umask=mask,
    )  # fmt: skip
    if mask == 0o777 and os.getuid():
        assert done.returncode != 0
        assert b"Traceback" not in done.stderr
        return
    assert done.returncode == 0, done.stderr
    assert shell.store.stat().st_mode & 0o077 == 0, "other users may look into the store"


@pytest.mark.parametrize(
    "switches",
    [
        ["-I"], ["-O"], ["-OO"], ["-E"], ["-s"], ["-P"], ["-u"], ["-B"], ["-bb"], ["-X", "utf8=0"], ["-X", "dev"],
    ],
)  # fmt: skip
def test_switches_of_the_interpreter(switches: list[str], shell: Shell) -> None:
    """`-I` and `-E` pass PYTHONPATH over: there penstock must be installed, or Python itself says that it is not."""
    shell.write("fine.py", FINE)
    answer = shell.call(sys.executable, *switches, "-m", "penstock", "run", "fine.py")
    if "No module named penstock" in answer.err:
        assert switches[0] in ("-I", "-E")
        return
    is_tidy(answer)
    assert (answer.code, answer.out) == (0, "end  x is 1\n"), answer


def test_in_a_folder_of_another_user_s_project(shell: Shell) -> None:
    """The nearest store above is taken, but not out of a folder in which others may write."""
    above = shell.folder / "project"
    below = above / "deep" / "down"
    below.mkdir(parents=True)
    (above / ".penstock").mkdir()
    (below / "fine.py").write_text(FINE)
    assert shell.flow("run", "fine.py", cwd=below).code == 0
    assert (above / ".penstock" / "runs").is_dir()
    below.parent.chmod(0o777)
    alone = shell.flow("run", "fine.py", cwd=below, env={"HOME": "/nowhere"})
    assert alone.code == 0
    assert (below / ".penstock" / "runs").is_dir()


def test_two_runs_at_once_in_one_folder(shell: Shell) -> None:
    shell.write("fine.py", FINE)
    both = [shell.start(sys.executable, "-P", "-m", "penstock", "run", "fine.py") for _ in range(4)]
    said = [process.communicate(timeout=LIMIT_S) for process in both]
    assert [process.returncode for process in both] == [0] * 4, said
    runs = json.loads(shell.flow("runs", "--json").out)["runs"]
    assert len({run["run"] for run in runs}) == 4


def test_an_old_python_is_told_what_is_needed(tmp_path: Path) -> None:
    """The package's own metadata says it, so that an installer refuses; core has no syntax to hide it behind."""
    import tomllib

    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
    assert project["project"]["requires-python"] == ">=3.11"


def test_without_shared_memory(shell: Shell) -> None:
    """Containers may have no /dev/shm."""
    if os.geteuid() != 0 or sys.platform != "linux" or shutil.which("unshare") is None:
        pytest.skip("other platform: mounts can't be changed here")
    shell.write("fine.py", FINE)
    line = 'umount -l /dev/shm && exec "$0" -m penstock run fine.py --executor=local'
    answer = shell.call("unshare", "--mount", "sh", "-c", line, sys.executable)
    if "unshare failed" in answer.err:
        pytest.skip("other platform: mounts can't be changed here")
    is_tidy(answer)
    assert (answer.code, answer.out) == (0, "end  x is 1\n"), answer


def test_from_a_zip_it_says_that_it_is_not_installed(shell: Shell) -> None:
    """Hosts, jobs and plugins are found as installed packages are."""
    for name in ("penstock", "penstock_local", "click", "pluggy", "cloudpickle"):
        package = Path(importlib.import_module(name).__file__ or "").parent
        with zipfile.ZipFile(shell.folder / "all.zip", "a") as whole:
            for path in package.rglob("*.py"):
                whole.write(path, Path(name) / path.relative_to(package))
    shell.write("fine.py", FINE)
    base = Path(sys.base_prefix) / "bin" / "python3"
    answer = shell.call(str(base), "-m", "penstock", "run", "fine.py", env={"PYTHONPATH": "all.zip"})
    is_refusal(answer, 4, "penstock is not installed as a whole", next_="pip install --force-reinstall penstock")
    assert not shell.store.exists()


BY_VALUE = """
from penstock import FlowSpec, step
class ValueFlow(FlowSpec):
    @step
    def start(self):
        self.by_value, self.plain = lambda: 3, [1, 2]
        self.next(self.end)
    @step
    def end(self):
        pass
"""


def test_what_another_python_pickled_by_value_is_refused_with_both_numbers(shell: Shell) -> None:
    here = f"3.{sys.version_info.minor}"
    parts = ("penstock", "penstock_local", "click", "pluggy", "cloudpickle")
    path = os.pathsep.join(str(Path(importlib.import_module(name).__file__ or "").parents[1]) for name in parts)
    shell.write("value.py", BY_VALUE)
    for minor in {11, 12, 13, 14} - {sys.version_info.minor}:
        beside = Path(sys.base_prefix).parent.glob(f"*/bin/python3.{minor}")  # as version managers lay them out
        others = [str(python) for python in beside] or [shutil.which(f"python3.{minor}") or "false"]
        if shell.call(others[0], "-m", "penstock", "run", "value.py", env={"PYTHONPATH": path}).code == 0:
            break
    else:
        pytest.skip("other Python version: there is none here")
    answer = shell.flow("dump", "ValueFlow/latest/start")
    is_tidy(answer)
    assert "plain = [1, 2]" in answer.out
    assert f"Python 3.{minor} pickled by value; this is Python {here}" in answer.out, answer


def test_output_that_can_not_be_written(shell: Shell) -> None:
    with open("/dev/full", "wb") as full, shell.start("flow", "plugins", stdout=full) as process:
        _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert err.decode() == "error: the output can't be written: No space left on device\n"
