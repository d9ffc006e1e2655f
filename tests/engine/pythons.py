"""The Pythons of this machine, by version."""

from __future__ import annotations

import functools
import glob
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

SUPPORTED = (3, 11)
_ASK = """
import json, sys, sysconfig
executable = getattr(sys, "_base_executable", sys.executable)  # also when asked in a virtual environment
print(json.dumps([sys.version_info[:3], executable, sysconfig.get_path("stdlib")]))
"""


class Python:
    """An installed interpreter. version: three numbers; stdlib: its folder of modules, `lib-dynload` in it."""

    def __init__(self, version: tuple[int, int, int], executable: Path, stdlib: Path) -> None:
        self.version, self.executable, self.stdlib = version, executable, stdlib

    def __repr__(self) -> str:
        return f"Python({self.name}, {self.executable})"

    @property
    def name(self) -> str:
        """`3.11`."""
        return ".".join(map(str, self.version[:2]))


@functools.cache
def pythons() -> dict[str, Python]:
    """One interpreter for each minor version, `3.11` -> Python; of several the first that is found."""
    found: dict[str, Python] = {}
    for path in dict.fromkeys(_candidates()):
        done = subprocess.run([path, "-I", "-c", _ASK], capture_output=True, text=True)
        if done.returncode:
            continue  # a link to an interpreter that is not chosen here
        version, executable, stdlib = json.loads(done.stdout)
        python = Python(tuple(version), Path(executable).resolve(), Path(stdlib))
        if (python.stdlib / "lib-dynload").is_dir():
            found.setdefault(python.name, python)
    return found


def _candidates() -> Iterator[str]:
    yield sys.executable
    of_pyenv = sorted(glob.glob(os.path.expanduser("~/.pyenv/versions/*/bin")))
    for folder in [*os.environ.get("PATH", "").split(os.pathsep), *of_pyenv]:
        yield from sorted(glob.glob(os.path.join(folder, "python3.[0-9]*[0-9]")))


def supported() -> list[Python]:
    """Those that can run tasks: that of the tests first, then from the oldest on."""
    own = f"{sys.version_info.major}.{sys.version_info.minor}"
    good = [one for one in pythons().values() if one.version[:2] >= SUPPORTED]
    return sorted(good, key=lambda one: (one.name != own, one.version))


def too_old() -> Python | None:
    """The youngest of those that can't."""
    old = [one for one in pythons().values() if (3, 6) <= one.version[:2] < SUPPORTED]
    return max(old, key=lambda one: one.version, default=None)
