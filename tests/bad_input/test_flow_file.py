"""A flow file that can't be run: one message with the user's line, exit code 3, and nothing written."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.bad_input.shell import FINE, Shell, is_refusal, is_tidy

HEAD = "from penstock import *\nfrom penstock import FlowSpec, Parameter, catch, retry, step, timeout\n"


def flow(body: str, *, name: str = "BadFlow") -> str:
    """A file with one flow of these lines."""
    return HEAD + f"class {name}(FlowSpec):\n" + "".join(f"    {line}\n" for line in body.strip("\n").split("\n"))

def steps(*given: str) -> str:
    """A flow of these steps, each `name: line; line` or `name(inputs): line`; `# here` marks the line that is told."""
    text = []
    for one in given:
        head, _, lines = one.partition(": ")
        head, mark, _ = head.partition("  # here")
        name, _, inputs = head.partition("(")
        text += ["@step", f"def {name}(self{', inputs' if inputs else ''}):{mark}"]
        text += [f"    {line}" for line in (lines or "pass").split("; ")]
    return flow("\n".join(text))


END = """
@step
def end(self):
    pass
"""
START = """
@step
def start(self):
    self.next(self.end)
"""


def line_of(source: str) -> int | None:
    """Number of the line that is marked `# here`."""
    return next((number for number, line in enumerate(source.splitlines(), 1) if "# here" in line), None)


# ------------------------------------------------------------------------- what the file says: (source, texts, next)

REFUSED = {
    "empty": ("", ["no flow"], "class MyFlow(FlowSpec)"),
    "no flow": ("x = 1\n", ["no flow"], "class MyFlow(FlowSpec)"),
    "two flows": (
        flow(START + END, name="One") + flow(START + END, name="Two").replace(HEAD, ""),
        ["2 flows: One, Two"], "bad.py:One",
    ),
    "syntax error": (
        HEAD + "class A(FlowSpec:  # here\n    pass\n",
        ["syntax error: ", "class A(FlowSpec:"], "flow check bad.py",
    ),
    "indentation": (HEAD + "def f():\npass  # here\n", ["syntax error: expected an indented block"], ""),
    "tabs": (HEAD + "if 1:\n\tx = 1\n        y = 2  # here\n", ["syntax error"], ""),
    "null bytes": (HEAD + "x = '\0'\n", ["no Python source"], ""),
    "what penstock lacks": (
        "from penstock import FlowSpec, card, step  # here\n" + flow(START + END).replace(HEAD, ""),
        ["penstock has no card"], "leave it out",
    ),
    "no steps": (flow("pass").replace("(FlowSpec):", "(FlowSpec):  # here"), ["BadFlow has no steps"], "@step"),
    "no start": (steps("begin  # here: self.next(self.end)", "end"), ["no step 'start'"], "@step(start=True)"),
    "no end": (steps("start  # here: self.next(self.last)", "last"), ["no step 'end'"], "@step(end=True)"),
    "step without @step": (
        flow("@step\ndef start(self):\n    self.next(self.middle)  # here\ndef middle(self):\n"
            f"    self.next(self.end)\n{END}"),
        ["goes to 'middle', which is no step", "lacks @step"], "@step",
    ),
    "no next": (steps("start  # here", "end"), ["'start' has no self.next"], "self.next(self.end)"),
    "two nexts": (
        steps("start: self.next(self.end); self.next(self.end)  # here", "end"),
        ["2 calls of self.next"], "condition=",
    ),
    "next in if and else": (
        steps("start: if 1:;     self.next(self.end); else:;     self.next(self.end)  # here", "end"),
        ["2 calls of self.next"], "condition=",
    ),
    "next to itself": (
        steps("start: self.next(self.a)", "a: self.next(self.a)  # here", "end"),
        ["'a' goes to itself"], "condition=",
    ),
    "next to missing": (
        steps("start: self.next(self.midle)  # here", "middle: self.next(self.end)", "end"),
        ["'midle', which is no step"], "self.middle",
    ),
    "next to text": (steps("start: self.next('end')  # here", "end"), ["not the text 'end'"], "self.next(self.end)"),
    "next to a call": (steps("start: self.next(self.end())  # here", "end"), ["takes steps of the flow"], "self.next("),
    "next of nothing": (steps("start: self.next()  # here", "end"), ["names no step"], "self.next(self."),
    "next twice the same": (steps("start: self.next(self.end, self.end)  # here", "end"), ["a step twice"], "foreach="),
    "next of end": (
        steps("start: self.next(self.end)", "end: self.next(self.start)  # here"),
        ["must not call self.next"], "remove",
    ),
    "unknown argument of next": (
        steps("start: self.next(self.end, for_each='x')  # here", "end"),
        ["no argument 'for_each'"], "foreach",
    ),
    "foreach and condition": (
        steps("start: self.next(self.end, foreach='x', condition='y')  # here", "end"),
        ["takes one of"], "",
    ),
    "foreach of no text": (
        steps("start: self.next(self.end, foreach=self.x)  # here", "end"),
        ["name of an attribute as text"], "foreach='items'",
    ),
    "foreach to two": (
        steps("start: self.next(self.end, self.end2, foreach='x')  # here", "end"),
        ["goes to one step"], "foreach=",
    ),
    "condition without dict": (
        steps("start: self.next(self.end, condition='x')  # here", "end"),
        ["a dict of cases"], 'condition="answer"',
    ),
    "foreach straight into join": (
        steps("start: self.next(self.end, foreach='x')  # here", "end(inputs)"),
        ["straight into the join"], "a step between",
    ),
    "foreach over what nobody sets": (
        steps("start: self.itmes = [1]; self.next(self.a, foreach='items')  # here", "a: self.next(self.j)",
              "j(inputs): self.next(self.end)", "end"),
        ["foreach='items', but neither it nor a step before it sets self.items"], "'itmes'",
    ),
    "condition that nobody sets": (
        steps("start: self.next(self.a)",
              "a: self.next({'x': self.a, 'y': self.end}, condition='c')  # here", "end"),
        ["condition='c', but neither it nor a step before it sets self.c"], "self.c = ...",
    ),
    "a parameter that is assigned": (
        flow("alpha = Parameter('alpha', default=1)\n"
             + START.replace("self.next", "self.alpha = 2  # here\n    self.next") + END),
        ["'start' assigns self.alpha, a parameter or a constant of the class"], "self.new_alpha = ...",
    ),
    "cycle": (
        steps(
            "start: self.next(self.a)",
            "a: self.next(self.b)",
            "b: self.next({'x': self.a, 'y': self.end}, condition='c')  # here",
            "end",
        ),
        ["closes a cycle: a -> b -> a"], "switches to itself",
    ),
    "endless switch": (
        steps("start: self.next(self.a)", "a: self.next({'x': self.a}, condition='c')  # here", "end"),
        ["never ends"], "a case that leaves",
    ),
    "back to start": (
        steps("start: self.next(self.a)", "a: self.next(self.start)  # here", "end"),
        ["goes back to the first step"], "switches to itself",
    ),
    "unreachable": (
        steps("start: self.next(self.end)", "lost  # here: self.next(self.end)", "end"),
        ["'lost' is never reached"], "self.next",
    ),
    "join without inputs": (
        steps(
            "start: self.next(self.a, self.b)",
            "a: self.next(self.join)",
            "b: self.next(self.join)",
            "join  # here: self.next(self.end)",
            "end",
        ),
        ["does not join them (it has no `inputs`)"], "def join(self, inputs)",
    ),
    "inputs without join": (
        steps("start: self.next(self.a)", "a(inputs)  # here: self.next(self.end)", "end"),
        ["takes `inputs`, but no split"], "def a(self)",
    ),
    "foreach never joined": (
        steps("start: self.next(self.a, foreach='x')", "a: self.next(self.end)", "end  # here"),
        ["still open"], "def join(self, inputs)",
    ),
    "joins not nested": (
        steps(
            "start: self.next(self.a, self.b)  # here",
            "a: self.next(self.j1)",
            "b: self.next(self.j2)",
            "j1(inputs): self.next(self.end)",
            "j2(inputs): self.next(self.end)",
            "end",
        ),
        ["two joins close"], "meet in one join",
    ),
    "reserved step name": (
        steps("start: self.next(self.input)", "input  # here: self.next(self.end)", "end"),
        ["'input' has a name that penstock needs"], "another name",
    ),
    "private step name": (
        steps("start: self.next(self._a)", "_a  # here: self.next(self.end)", "end"),
        ["'_a' has a name"], "another name",
    ),
    "decorator below @step": (
        flow("@step\n@retry  # here\ndef start(self):\n    self.next(self.end)\n" + END),
        ["@retry stands on 'start', which is no step"], "above @step",
    ),
    "unknown decorator": (
        flow("@retryy  # here\n@step\ndef start(self):\n    self.next(self.end)\n" + END),
        ["name 'retryy' is not defined"], "retry",
    ),
    "unknown argument of a decorator": (
        flow("@retry(time=3)  # here\n@step\ndef start(self):\n    self.next(self.end)\n" + END),
        ["@retry has no argument 'time'"], "'times'",
    ),
    "wrong argument of a decorator": (
        flow("@retry(times=-1)  # here\n@step\ndef start(self):\n    self.next(self.end)\n" + END),
        ["times must be a whole number from 0 on, not -1"], "@retry(times=",
    ),
    "positional argument of a decorator": (
        flow("@retry(3)  # here\n@step\ndef start(self):\n    self.next(self.end)\n" + END),
        ["@retry"], "@retry(times=",
    ),
    "timeout without time": (
        flow("@timeout  # here\n@step\ndef start(self):\n    self.next(self.end)\n" + END),
        ["no time is given"], "@timeout(minutes=",
    ),
    "catch into no name": (
        flow("@catch(var='a b')  # here\n@step\ndef start(self):\n    self.next(self.end)\n" + END),
        ["name of an artifact"], "@catch(var=",
    ),
    "catch on a foreach": (
        steps("start  # here: self.next(self.a, foreach='x')", "a: self.next(self.j)", "j(inputs): self.next(self.end)",
              "end").replace("    @step", "    @catch(var='f')\n    @step", 1),
        ["@catch", "foreach"], "",
    ),
    "@step on no method": (flow("x = step(3)  # here\n" + START + END), ["@step goes above a method"], ""),
    "parameter with a wrong default": (
        flow("a = Parameter('a', default='x', type=int)  # here\n" + START + END),
        ["default='x' is no int"], "type=str",
    ),
    "parameter with a wrong type": (
        flow("a = Parameter('a', type=list)  # here\n" + START + END),
        ["none of str, int"], "type=",
    ),
    "parameter with an odd name": (
        flow("a = Parameter('a b')  # here\n" + START + END),
        ["letters, digits, _ and -"], "Parameter(",
    ),
    "parameter named as an option": (
        flow("a = Parameter('tag')  # here\n" + START + END),
        ["--tag is an option"], "my_tag",
    ),
    "two parameters of one name": (
        flow("a = Parameter('a')\nb = Parameter('a')  # here\n" + START + END),
        ["two parameters", "'a'"], "another name",
    ),
    "import of nothing": (
        "import nowhere_to_be_found  # here\n" + flow(START + END),
        ["no module named 'nowhere_to_be_found'"], "pip install nowhere_to_be_found",
    ),
    "import of no name": ("from json import dumpz  # here\n" + flow(START + END), ["cannot import name 'dumpz'"], ""),
    "import of a name that penstock lacks": ("from penstock import stepp  # here\n", ["stepp"], "step"),
    "error while imported": (
        flow(START + END) + "1 / 0  # here\n",
        ["ZeroDivisionError while the file is imported: division by zero"], "",
    ),
    "sys.exit": (flow(START + END) + "import sys\nsys.exit(3)  # here\n", ["calls sys.exit(3)"], "__main__"),
    "os._exit": (flow(START + END) + "import os\nos._exit(3)\n", ["exit code 3", "bad.py"], ""),
    "killed by a signal": (flow(START + END) + "import os\nos.kill(os.getpid(), 11)\n", ["signal 11", "bad.py"], ""),
    "an error without a text": (
        flow(START + END) + "assert False  # here\n",
        ["AssertionError while the file is imported"], "",
    ),
    "an error that can't be printed": (
        flow(START + END) + "class E(Exception):\n    def __str__(self):\n        raise ValueError\nraise E  # here\n",
        ["E while the file is imported"], "",
    ),
    "KeyboardInterrupt": (
        flow(START + END) + "raise KeyboardInterrupt  # here\n",
        ["KeyboardInterrupt while the file is imported"], "",
    ),
    "too deep": (HEAD + "x = " + "(" * 300 + ")" * 300 + "\n", ["bad.py"], ""),
    "recursion": (flow(START + END) + "def f():\n    f()  # here\nf()\n", ["RecursionError"], ""),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_a_flow_file_may_not_say(case: str, shell: Shell) -> None:
    source, texts, next_ = REFUSED[case]
    shell.write("bad.py", source)
    line = line_of(source)
    where = [f"bad.py:{line}:"] if line is not None else ["bad.py"]
    is_refusal(shell.flow("run", "bad.py"), 3, *where, *texts, next_=next_)
    assert not shell.store.exists()


def test_every_problem_of_a_graph_is_listed(shell: Shell) -> None:
    shell.write("bad.py", flow("@step\ndef start(self):\n    self.next(self.a)\n@step\ndef b(self):\n    pass\n" + END))
    answer = shell.flow("check", "bad.py")
    assert answer.code == 3
    assert "'a', which is no step" in answer.out
    assert "step 'b' has no self.next" in answer.out


# ---------------------------------------------------------------- what only the running body shows: (source, texts)


def body(*lines: str, more: str = "") -> str:
    """A flow whose first step has these lines, and whose other steps are as foreach, switch or linear asks."""
    return flow("@step\ndef start(self):\n" + "".join(f"    {line}\n" for line in lines) + more + END)


EACH = "@step\ndef a(self):\n    self.next(self.j)\n@step\ndef j(self, inputs):\n    self.next(self.end)\n"
CASES = "@step\ndef a(self):\n    self.next(self.end)\n"

FAILING = {
    "foreach over nothing known": (
        body("vars(self)", "self.next(self.a, foreach='items')  # here", more=EACH),
        ["names the attribute 'items'"],
    ),
    "foreach over None": (
        body("self.xs = None", "self.next(self.a, foreach='xs')  # here", more=EACH),
        ["of type NoneType, which has no items"],
    ),
    "foreach over a number": (
        body("self.xs = 3", "self.next(self.a, foreach='xs')  # here", more=EACH),
        ["of type int, which has no items"],
    ),
    "foreach over what raises": (
        body("self.xs = (1 / (2 - i) for i in range(4))  # here", "self.next(self.a, foreach='xs')", more=EACH),
        ["ZeroDivisionError"],
    ),
    "foreach over what can't be stored": (
        body(
            "import threading",
            "self.xs = (threading.Lock() for i in range(2))",
            "self.next(self.a, foreach='xs')",
            more=EACH,
        ),
        ["item 0 can't be stored", "lock"],
    ),
    "too many items": (
        body("self.xs = range(2000)", "self.next(self.a, foreach='xs')", more=EACH),
        ["2000 items, more than --max-num-splits=1000"],
    ),
    "ten million items": (
        body("self.xs = range(10_000_000)", "self.next(self.a, foreach='xs')  # here", more=EACH),
        ["10000000 items, more than --max-num-splits=1000", "--max-num-splits=10000000"],
    ),
    "a generator without end": (
        body("import itertools", "self.xs = itertools.count()", "self.next(self.a, foreach='xs')  # here", more=EACH),
        ["over 1000 items, more than --max-num-splits=1000", "--max-num-splits=10000"],
    ),
    "no case of a switch": (
        body("self.x = 'c'", "self.next({'a': self.a, 'b': self.end}, condition='x')  # here", more=CASES),
        ["self.x is 'c'", "no case"],
    ),
    "no attribute of a switch": (
        body("vars(self)", "self.next({'a': self.a, 'b': self.end}, condition='x')  # here", more=CASES),
        ["names the attribute 'x'"],
    ),
    "num_parallel of nothing": (
        body("self.next(self.a, num_parallel=0)  # here", more=EACH),
        ["num_parallel must be a whole number from 1"],
    ),
    "next not reached": (body("if False:", "    self.next(self.end)"), ["'start' ended without self.next"]),
    "unknown artifact": (
        body("self.count = 1", "print(self.cuont)  # here", "self.next(self.end)"),
        ["has no artifact 'cuont'"],
    ),
    "artifact named as a step": (body("self.end = 1", "self.next(self.end)  # here"), ["self.end is a step"]),
    "artifact named as a word of ours": (
        body("self.index = 1  # here", "self.next(self.end)"),
        ["self.index is a word of FlowSpec"],
    ),
    "a parameter changed": (
        steps("start: if self:;     self.p = 2  # here; self.next(self.end)", "end")
        .replace(":\n", ":\n    p = Parameter('p')\n", 1),
        ["self.p is a parameter"],
    ),
    "a constant changed": (
        flow("c = 1\n@step\ndef start(self):\n    setattr(self, 'c', 2)  # here\n    self.next(self.end)\n" + END),
        ["a constant of the class"],
    ),
    "deleting what is not there": (
        body("del self.nothing  # here", "self.next(self.end)"),
        ["self.nothing can't be deleted"],
    ),
    "merge outside a join": (body("self.merge_artifacts([])  # here", "self.next(self.end)"), ["belongs in a join"]),
    "merge conflict": (
        steps(
            "start: self.next(self.a, self.b)",
            "a: self.x = 1; self.next(self.j)",
            "b: self.x = 2; self.next(self.j)",
            "j(inputs): self.merge_artifacts(inputs)  # here; self.next(self.end)",
            "end",
        ),
        ["differ between the inputs: x (from a, b)"],
    ),
    "missing in a branch": (
        steps(
            "start: self.next(self.a, self.b)",
            "a: self.x = 1; self.next(self.j)",
            "b: self.next(self.j)",
            "j(inputs): print([one.x for one in inputs])  # here; self.next(self.end)",
            "end",
        ),
        ["the input from step 'b' has no artifact 'x'"],
    ),
    "exit in a step": (body("import sys", "sys.exit(3)  # here", "self.next(self.end)"), ["SystemExit: 3"]),
    "os._exit in a step": (body("import os", "os._exit(0)", "self.next(self.end)"), ["ended without a result"]),
    "a signal in a step": (body("import os", "os.kill(os.getpid(), 9)", "self.next(self.end)"), ["signal 9 (SIGKILL)"]),
    "an error whose text raises": (
        body(
            "class E(Exception):", "    def __str__(self): raise ValueError", "raise E  # here", "self.next(self.end)"
        ),
        ["whose str() raises ValueError"],
    ),
    "an error with a long text": (
        body("raise ValueError('x' * 100_000)  # here", "self.next(self.end)"),
        ["ValueError: xxx"],
    ),
    "an error that steers the terminal": (
        body("raise ValueError('\\x1b]0;title\\x07')  # here", "self.next(self.end)"),
        ["\\x1b]0;title"],
    ),
    "endless recursion": (body("def f(): f()", "f()", "self.next(self.end)"), ["RecursionError"]),
}  # fmt: skip


@pytest.mark.parametrize("case", FAILING)
def test_a_body_that_fails_is_told_with_its_line_and_can_be_looked_at(case: str, shell: Shell) -> None:
    source, texts = FAILING[case]
    shell.write("bad.py", source)
    answer = shell.flow("run", "bad.py", "--max-num-splits=1000")
    is_tidy(answer)
    assert answer.code == 1, answer
    for text in texts:
        assert text in answer.err, f"{text!r} is not in\n{answer}"
    line = line_of(source)
    if line is not None:
        assert f"bad.py:{line}" in answer.err, answer
    assert answer.err.count("  next: flow resume bad.py --origin-run-id=") == 1, answer
    ours = [line for line in answer.err.splitlines() if not line.startswith("start  ")]
    assert "\x1b" not in "".join(ours)
    shown = shell.flow("show", "BadFlow/latest")
    is_tidy(shown)
    assert (shown.code, shown.out.split()[1]) == (0, "failed"), shown
    assert shell.flow("logs", "BadFlow/latest").code == 0


# ------------------------------------------------------------------------------------------- odd, and all right

FINE_FLOWS = {
    "prints while imported": "print('imported', flush=True)\n" + flow(START + END),
    "starts a thread while imported": (
        "import threading\nthreading.Thread(target=threading.Event().wait, daemon=True).start()\n" + flow(START + END)
    ),
    "sets its own __init__": flow("def __init__(self, *a):\n    raise RuntimeError\n" + START + END),
    "an endless property": flow("@property\ndef p(self):\n    raise RuntimeError\n" + START + END),
    "changes the folder": "import os\nos.chdir('/')\n" + flow(START + END),
    "closes the streams": "import sys\nsys.stdout.close()\n" + flow(START + END),
    "byte order mark": "\N{ZERO WIDTH NO-BREAK SPACE}" + flow(START + END),
    "carriage returns": flow(START + END).replace("\n", "\r\n"),
    "no newline at the end": steps("start: self.next(self.end)", "end"),
    "an encoding of its own": "# coding: latin-1\n" + flow(START + END),
    "Unicode names": flow(
        "größe = 1\n@step\ndef start(self):\n    self.naïve = self.größe\n    self.next(self.fin)\n"
        "@step(end=True)\ndef fin(self):\n    pass"
    ),
    "a generator as foreach": body("self.xs = (i for i in range(3))", "self.next(self.a, foreach='xs')", more=EACH),
    "a foreach over nothing": body("self.xs = []", "self.next(self.a, foreach='xs')", more=EACH),
    "a text as foreach": body("self.xs = 'abc'", "self.next(self.a, foreach='xs')", more=EACH),
    "a main block": flow(START + END) + "if __name__ == '__main__':\n    BadFlow()\n",
    "an instance at the end": flow(START + END) + "BadFlow(use_cli=False)\n",
    "a base class beside it": (
        flow(START + END, name="Base") + "class BadFlow(Base):\n    @step\n    def end(self):\n        pass\n"
    ),
    "one step": steps("only"),
    "many branches": steps(
        "start: self.next(" + ", ".join(f"self.s{i}" for i in range(40)) + ")",
        *(f"s{i}: self.next(self.j)" for i in range(40)),
        "j(inputs): self.next(self.end)",
        "end",
    ),
    "many steps in a row": steps(
        "start: self.next(self.s0)",
        *(f"s{i}: self.next(self.s{i + 1})" for i in range(60)),
        "s60: self.next(self.end)",
        "end",
    ),
    "deeply nested": steps(
        "start: self.x = '1'; self.next(self.f0, foreach='x')",
        *(f"f{i}: self.next(self.f{i + 1}, foreach='x')" for i in range(12)),
        "f12: self.next(self.j12)",
        *(f"j{i}(inputs): self.x = '1'; self.next(self.{f'j{i - 1}' if i else 'end'})" for i in range(12, -1, -1)),
        "end",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", FINE_FLOWS)
def test_odd_flow_files_that_run(case: str, shell: Shell) -> None:
    shell.write("odd.py", FINE_FLOWS[case])
    answer = shell.flow("run", "odd.py", env={"PYTHONWARNINGS": "default"} if "closes" in case else {})
    is_tidy(answer)
    assert answer.code == 0, answer
    assert "succeeded" in answer.err.splitlines()[-1], answer
    assert shell.flow("check", "odd.py").out.rstrip().endswith("no problems")


@pytest.mark.parametrize(
    "name", [
        "with space.py",
        "größe.py",
        "日本語.py",
        "a-b.c.py",
        "no_suffix",
        "sub/flow.py",
        "quote'\".py",
        "%s{0}.py",
        "UPPER.PY",
    ]
)
def test_names_of_flow_files(name: str, shell: Shell) -> None:
    shell.write(name, FINE)
    answer = shell.flow("run", name)
    is_tidy(answer)
    assert (answer.code, answer.out) == (0, "end  x is 1\n"), answer
    assert shell.flow("dump", "FineFlow/latest/end").out == "alpha = 1\nx = 1\n"


@pytest.mark.parametrize("folder", ["with space", "größe", "日本", "a" * 200])
def test_names_of_working_folders(folder: str, tmp_path: Path) -> None:
    shell = Shell(tmp_path / folder)
    answer = shell.run_fine()
    is_tidy(answer)
    assert answer.out == "end  x is 1\n"
    assert shell.flow("logs", "FineFlow/latest").out == "x is 1\n"


@pytest.mark.parametrize("name", ["json", "signal", "typing", "penstock", "os"])
def test_a_flow_file_that_hides_a_module(name: str, shell: Shell) -> None:
    shell.write(f"{name}.py", FINE)
    answer = shell.call(sys.executable, "-P", "-m", "penstock", "run", f"{name}.py")
    is_refusal(answer, 3, f"{name}.py", f"the name of the module `{name}`", next_=f"mv {name}.py {name}_flow.py")
    assert not shell.store.exists()


@pytest.mark.parametrize("name", ["json", "click", "pluggy", "cloudpickle", "signal"])
def test_a_module_beside_the_flow_that_hides_one_of_ours(name: str, shell: Shell) -> None:
    """What the flow file imports is the user's affair; what penstock imports is penstock's."""
    shell.write(f"{name}.py", "raise RuntimeError('planted')\n")
    assert shell.run_fine().out == "end  x is 1\n"
    shown = shell.flow("show", "FineFlow/latest", "--json")
    assert shown.code == 0, shown


def test_a_symbolic_link_to_a_flow_file(shell: Shell) -> None:
    shell.write("elsewhere/real.py", "import beside\n" + FINE)
    shell.write("elsewhere/beside.py", "")
    (shell.folder / "link.py").symlink_to("elsewhere/real.py")
    answer = shell.flow("run", "link.py")
    is_tidy(answer)
    assert answer.code in (0, 3), answer
    if answer.code == 3:  # modules are looked for beside the link, as Python does for a script that is imported
        is_refusal(answer, 3, "no module named 'beside'")
    (shell.folder / "loop.py").symlink_to("loop.py")
    is_refusal(shell.flow("run", "loop.py"), 2, "loop.py leads to no file: it is a link", next_="there are: link.py")
    (shell.folder / "dangling.py").symlink_to("nowhere.py")
    is_refusal(shell.flow("run", "dangling.py"), 2, "dangling.py leads to no file")


def test_a_module_beside_that_can_not_be_imported_is_shown_by_its_own_line(shell: Shell) -> None:
    shell.write("beside.py", "x = 1\ny = undefined\n")
    shell.write("bad.py", "import beside\n" + FINE)
    is_refusal(shell.flow("run", "bad.py"), 3, "beside.py:2:", "name 'undefined' is not defined")
    shell.write("beside.py", "x = (\n")
    is_refusal(shell.flow("run", "bad.py"), 3, "beside.py:1:", "syntax error", next_="flow check")


@pytest.mark.parametrize(
    "content",
    [
        b"\xff\xfe\x00\x00", b"\x7fELF\x02\x01\x01" + bytes(100), b"PK\x03\x04" + bytes(30), bytes(1000),
    ],
)  # fmt: skip
def test_files_that_are_no_python(content: bytes, shell: Shell) -> None:
    shell.write("bad.py", content)
    is_refusal(shell.flow("run", "bad.py"), 3, "bad.py", "no Python source", next_="flow check")
    assert not shell.store.exists()
    answer = shell.flow("check", "bad.py")
    is_tidy(answer)
    assert answer.code == 3
    assert "no Python source" in answer.out


def test_a_file_that_may_not_be_read(shell: Shell) -> None:
    shell.write("bad.py", FINE).chmod(0)
    answer = shell.flow("run", "bad.py")
    if answer.code:  # root reads all the same
        is_refusal(answer, 3, "bad.py", "can't be read", next_="ls -l bad.py")
    else:
        is_tidy(answer)


def test_a_pipe_as_a_flow_file(shell: Shell) -> None:
    is_refusal(shell.flow("run", "/dev/null"), 3, "/dev/null", "no flow")


@pytest.mark.parametrize("command", ["run", "resume", "check", "show"])
def test_files_that_are_not_there(command: str, shell: Shell) -> None:
    answer = shell.flow(command, "nowhere.py")
    is_refusal(answer, 2, "no file nowhere.py", next_="flow run FILE.py")
    assert not shell.store.exists()


@pytest.mark.parametrize("command", ["run", "resume", "check", "show"])
@pytest.mark.parametrize(
    ("said", "near"),
    [("petflow.py", "pets flow.py"), ("pets_flow.py:PetsFlow", "pets flow.py"), ("pets flow", "pets flow.py"),
     ("x/fine.py", "FILE.py"), ("below/fin.py", "below/fine.py"), ("below", "below/fine.py"), ("q.py", "there are: "),
     ("/fine.py", "FILE.py")],
)  # fmt: skip
def test_the_file_that_was_probably_meant(command: str, said: str, near: str, shell: Shell) -> None:
    for name in ("fine.py", "pets flow.py", "below/fine.py", "below/notes.txt"):
        shell.write(name, FINE)
    if command == "show" and ".py" not in said:
        is_refusal(shell.flow(command, said), 2)  # a flow of the store could have this name
        return
    is_refusal(shell.flow(command, said), 2, next_=near)


@pytest.mark.parametrize(("said", "next_"), [("FineFlo", "FineFlow"), ("X", "FineFlow"), ("step", "FineFlow")])
def test_a_flow_that_the_file_lacks(said: str, next_: str, shell: Shell) -> None:
    shell.write("fine.py", FINE)
    is_refusal(shell.flow("run", f"fine.py:{said}"), 2, f"no flow '{said}'", next_=next_)


def test_one_of_two_flows(shell: Shell) -> None:
    shell.write("two.py", flow(START + END, name="One") + flow(START + END, name="Two"))
    assert shell.flow("run", "two.py:Two").code == 0
    assert shell.flow("runs", "Two").code == 0
    is_refusal(shell.flow("runs", "One"), 2, "no flow 'One' has run")


def test_without_assertions_the_same_is_refused(shell: Shell) -> None:
    shell.write("bad.py", REFUSED["no next"][0])
    is_refusal(shell.flow("run", "bad.py", env={"PYTHONOPTIMIZE": "2"}), 3, "'start' has no self.next")
    assert shell.run_fine().code == 0
