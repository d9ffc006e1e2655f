"""Values that can't be kept or can't be read again: named by their path and the step's line; the rest is readable."""

from __future__ import annotations

import json
import pickle

import pytest

from tests.bad_input.shell import Shell, is_refusal, is_tidy


def flow(*lines: str, before: str = "", end: str = "pass") -> str:
    """A flow whose first step does nothing wrong, whose second has these lines, and whose last has `end`."""
    return (
        f"from penstock import FlowSpec, step\n{before}\nclass KeepFlow(FlowSpec):\n"
        "    @step\n    def start(self):\n        self.good = [1, 2]\n"
        "        self.next(self.keep)\n    @step\n    def keep(self):\n" + "".join(
            f"        {line}\n" for line in lines
        )
        + f"        self.next(self.end)  # here\n    @step\n    def end(self):\n        {end}\n"
    )  # fmt: skip


def line_of(source: str) -> int:
    return next(number for number, line in enumerate(source.splitlines(), 1) if "# here" in line)


REFUSED = {
    "lock": (
        flow("import threading", "self.a = {'b': [threading.Lock()]}"),
        ["self.a['b'][0] can't be stored", "lock"],
    ),
    "socket": (flow("import socket", "self.s = socket.socket()"), ["self.s can't be stored", "socket"]),
    "generator": (flow("self.g = (i for i in 'ab')"), ["self.g can't be stored", "generator"]),
    "open file": (
        flow("import atexit", "self.f = open(__file__)", "atexit.register(self.f.close)"),
        ["self.f can't be stored", "TextIOWrapper"],
    ),
    "thread": (flow("import threading", "self.t = threading.current_thread()"), ["self.t can't be stored"]),
    "C object": (
        flow("import sqlite3", "self.c = sqlite3.connect(':memory:')"),
        ["self.c can't be stored", "Connection"],
    ),
    "attribute of an object": (
        flow(
            "self.model = Model()",
            before="import threading\nclass Model:\n    def __init__(self): self.layers = [threading.RLock()]\n",
        ),
        ["self.model.layers[0] can't be stored", "RLock"],
    ),
    "__reduce__ that raises": (
        flow("self.r = R()", before="class R:\n    def __reduce__(self):\n        raise KeyError('boom')\n"),
        ["self.r can't be stored", "boom"],
    ),
    "__getstate__ that raises": (
        flow("self.r = [R()]", before="class R:\n    def __getstate__(self):\n        raise ValueError('no state')\n"),
        ["self.r[0]", "no state"],
    ),
    "__reduce__ of nonsense": (
        flow("self.r = R()", before="class R:\n    def __reduce__(self):\n        return 3\n"),
        ["self.r can't be stored"],
    ),
    "too deep": (
        flow("x = []", "for _ in range(100_000): x = [x]", "self.deep = x"),
        ["self.deep can't be stored: it is nested too deeply"],
    ),
    "a closure over a lock": (
        flow("import threading", "k = threading.Lock()", "self.f = lambda: k"),
        ["self.f, its variable k,", "can't be stored"],
    ),
    "this flow": (flow("self.me = self"), ["self.me", "a flow can't be kept"]),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_values_that_can_not_be_kept(case: str, shell: Shell) -> None:
    source, texts = REFUSED[case]
    shell.write("keep.py", source)
    answer = shell.flow("run", "keep.py", env={"PYTHONWARNINGS": "ignore"})
    is_tidy(answer)
    assert answer.code == 1, answer
    for text in texts:
        assert text in answer.err, f"{text!r} is not in\n{answer}"
    assert f"keep.py:{line_of(source)}" in answer.err
    assert "Traceback" not in answer.err
    assert answer.err.count("  next: flow resume keep.py") == 1
    assert shell.flow("dump", "KeepFlow/latest/start").out == "good = [1, 2]\n"
    shown = shell.flow("show", "KeepFlow/latest/keep/0")
    is_tidy(shown)
    assert shown.code == 0


KEPT = {
    "lambda": ("self.v = lambda x: x + 1", "assert self.v(2) == 3"),
    "function in a function": ("def f(): return 7", "self.v = f", "assert self.v() == 7"),
    "class in a step": ("class C: x = 3", "self.v = C()", "assert self.v.x == 3"),
    "module": ("import json", "self.v = json", "assert self.v.dumps(1) == '1'"),
    "recursive": ("self.v = []", "self.v.append(self.v)", "assert self.v[0] is self.v"),
    "the same twice": ("x = []", "self.v = (x, x)", "assert self.v[0] is self.v[1]"),
    "nan": ("self.v = float('nan')", "assert self.v != self.v"),
    "a huge number": ("self.v = 10 ** 5000", "assert self.v == 10 ** 5000"),
    "lone surrogate": ("self.v = '\\udc80'", "assert self.v == '\\udc80'"),
    "NUL": ("self.v = 'a\\0b'", "assert self.v == 'a\\0b'"),
    "exception": ("self.v = ValueError('x')", "assert self.v.args == ('x',)"),
    "None": ("self.v = None", "assert self.v is None"),
    "underscore": ("self._v = 1", "assert self._v == 1"),
    "Unicode": ("self.größe = 1", "assert self.größe == 1"),
    "dunder": ("self.__v = 1", "assert self.__v == 1"),
    "a name by setattr": ("setattr(self, 'a b/../c', 5)", "assert getattr(self, 'a b/../c') == 5"),
    "a name that is empty": ("setattr(self, '', 5)", "assert getattr(self, '') == 5"),
    "a repr that raises": ("self.v = Odd()", "assert type(self.v).__name__ == 'Odd'"),
    "a property that raises": ("self.v = Odd()", "assert self.v.x == 1"),
    "an equality that raises": ("self.v = Odd()", "assert self.v is self.v"),
    "deleted": ("del self.good", "assert not hasattr(self, 'good')"),
    "deleted and made again": ("del self.good", "self.good = 3", "assert self.good == 3"),
    "changed in place": ("self.good.append(3)", "assert self.good == [1, 2, 3]"),
    "thousands of names": ("for i in range(3000): setattr(self, f'n{i}', i)", "assert self.n2999 == 2999"),
    "many at the edge of inline": (
        "for i in range(200): setattr(self, f'n{i}', bytes(1024))",
        "assert self.n199 == bytes(1024)",
    ),
    "large": ("self.v = bytes(50_000_000)", "assert len(self.v) == 50_000_000"),
}  # fmt: skip

ODD = """
class Odd:
    def __init__(self):
        self.x = 1
    def __repr__(self):
        raise RuntimeError
    def __eq__(self, other):
        raise RuntimeError
    __hash__ = None
    @property
    def p(self):
        raise RuntimeError
"""


@pytest.mark.parametrize("case", KEPT)
def test_odd_values_that_are_kept(case: str, shell: Shell) -> None:
    *lines, check = KEPT[case]
    shell.write("keep.py", flow(*lines, before=ODD, end=check))
    answer = shell.flow("run", "keep.py")
    is_tidy(answer)
    assert answer.code == 0, answer
    for command in (
        ["dump", "KeepFlow/latest/keep", "--private"],
        ["dump", "KeepFlow/latest/keep", "--json"],
        ["show", "KeepFlow/latest/keep/0"],
    ):
        shown = shell.flow(*command)
        is_tidy(shown)
        assert shown.code == 0, shown


ARRAY = """
from penstock import FlowSpec, step

class KeepFlow(FlowSpec):
    @step
    def start(self):
        import numpy as np
        self.a = np.zeros(1_000_000)
        self.next(self.change)
    @step
    def change(self):
        self.a += 1
        self.next(self.end)
    @step
    def end(self):
        print(self.a.sum())
"""


def test_a_mapped_array_that_is_changed_in_place_leaves_the_stored_one_alone(shell: Shell) -> None:
    pytest.importorskip("numpy")
    shell.write("keep.py", ARRAY)
    assert shell.flow("run", "keep.py", env={"PYTHONWARNINGS": "ignore"}).out == "end  1000000.0\n"
    assert shell.flow("dump", "KeepFlow/latest/start", "--file=start", env={"PYTHONWARNINGS": "ignore"}).code == 0
    (found,) = pickle.loads((shell.folder / "start").read_bytes()).values()
    assert found["a"].sum() == 0


OWN_CLASS = flow("self.thing = Thing(4)", before="from things import Thing\n", end="print(self.thing.n)")


def test_a_class_that_is_gone_is_named(shell: Shell) -> None:
    shell.write("things.py", "class Thing:\n    def __init__(self, n):\n        self.n = n\n")
    shell.write("keep.py", OWN_CLASS)
    assert shell.flow("run", "keep.py").out == "end  4\n"
    (shell.folder / "things.py").unlink()
    shown = shell.flow("dump", "KeepFlow/latest/keep", "--json")
    assert json.loads(shown.out)["tasks"]
    answer = shell.flow("dump", "KeepFlow/latest/keep", "--include=thing")
    is_tidy(answer)
    if "<things.Thing" not in answer.out:  # the archived code of the run has the class
        assert answer.code == 0
        assert answer.out.startswith("thing = ")
    renamed = shell.write("things.py", "class Other:\n    pass\n")
    answer = shell.flow("dump", "KeepFlow/latest/keep", "--file=out", cwd=renamed.parent)
    is_tidy(answer)
    assert answer.code in (0, 1)
    if answer.code:
        is_refusal(answer, 1, "thing", "Thing")
        assert not (shell.folder / "out").exists()


def test_a_value_that_raises_when_it_is_read(shell: Shell) -> None:
    before = "def fail(): raise OSError('no such device')\nclass R:\n    def __reduce__(self): return fail, ()\n"
    shell.write("keep.py", flow("self.r = R()", before=before, end="print(self.r)"))
    answer = shell.flow("run", "keep.py")
    is_tidy(answer)
    assert answer.code == 1
    assert "artifact 'r'" in answer.err
    assert "no such device" in answer.err
    dumped = shell.flow("dump", "KeepFlow/latest/keep")
    is_tidy(dumped)
    assert dumped.code == 0
    assert "good = [1, 2]" in dumped.out
    assert "no such device" in dumped.out
    is_refusal(shell.flow("dump", "KeepFlow/latest/keep", "--file=out"), 1, "artifact 'r'", "no such device")
    assert not (shell.folder / "out").exists()


def test_names_of_artifacts_that_are_not_there(shell: Shell) -> None:
    shell.write("keep.py", flow("self.count = 3"))
    assert shell.flow("run", "keep.py").code == 0
    answer = shell.flow("dump", "KeepFlow/latest/keep", "--include=cuont,good")
    is_tidy(answer)
    assert (answer.code, answer.out) == (0, "good = [1, 2]\n")
    assert answer.err == "no artifact 'cuont'; did you mean 'count'?\n"
    assert shell.flow("dump", "KeepFlow/latest/keep", "--include=cuont", "--file=out").code == 0
    assert pickle.loads((shell.folder / "out").read_bytes()).popitem()[1] == {}


def test_a_value_too_large_to_be_shown_is_described(shell: Shell) -> None:
    shell.write("keep.py", flow("self.v = 'x' * 100_000"))
    assert shell.flow("run", "keep.py").code == 0
    shown = shell.flow("dump", "KeepFlow/latest/keep", "--include=v").out
    assert len(shown) < 500
    assert "<str, " in shown
    assert len(shell.flow("dump", "KeepFlow/latest/keep", "--include=v", "--max-value-size=1000000").out) > 100_000


# ------------------------------------------------------------------------- before a body that would read them

WITHOUT_ZSTD = """
import os
if os.environ.get("NO_ZSTD"):
    import ctypes, sys
    sys.modules["compression.zstd"] = sys.modules["backports.zstd"] = None
    load, ctypes.CDLL = ctypes.CDLL, lambda name=None, *more: refuse() if "zstd" in str(name) else load(name, *more)
def refuse():
    raise OSError
from penstock import FlowSpec, environment, step
class KeepFlow(FlowSpec):
    @step
    def start(self):
        self.model = "compressible " * 100_000
        self.next(self.end)
    @environment(vars={"NO_ZSTD": "1"})
    @step
    def end(self):
        print("an hour of work")
        self.model
"""


def test_a_codec_that_a_task_can_not_read_is_told_before_its_body(shell: Shell) -> None:
    shell.write("keep.py", WITHOUT_ZSTD)
    answer = shell.flow("run", "keep.py")
    is_tidy(answer)
    assert answer.code == 1, answer
    assert "an hour of work" not in answer.out, answer
    assert "artifact 'model': it is compressed with zstd, which this Python can't read" in answer.err, answer
    assert "pip install backports.zstd" in answer.err, answer


@pytest.mark.parametrize("verify", [True, False])
def test_a_mapped_value_that_disk_has_changed_is_found_with_verify(shell: Shell, verify: bool) -> None:
    mapped = """
import os, pickle
class Raw:
    def __reduce_ex__(self, protocol):
        return bytearray, (pickle.PickleBuffer(os.urandom(1 << 20)),)
"""
    shell.write("keep.py", flow("self.large = Raw()", before=mapped, end="self.large"))
    assert shell.flow("run", "keep.py").code == 0
    (chunk,) = [path for path in shell.store.glob("chunks/*/*.raw") if path.stat().st_size == 1 << 20]
    chunk.chmod(0o600)
    with chunk.open("r+b") as file:
        file.seek(-1000, 2)
        file.write(bytes(1000))
    options = ["--verify"] if verify else []
    again = shell.flow("resume", "keep.py", "end", *options)
    is_tidy(again)
    assert again.code == (1 if verify else 0), again
    assert ("artifact 'large'" in again.err) == verify, again
    shown = shell.flow("dump", "KeepFlow/latest/keep", *options, "--include=large", "--file=out")
    assert (shown.code != 0) == verify, shown
