"""Parameters that are typed, declared or used wrongly: the flag or line that is meant, and what to write."""

from __future__ import annotations

import pytest

from tests.bad_input.shell import Shell, is_refusal, is_tidy

MANY = """
from penstock import FlowSpec, JSONType, Parameter, step

class ManyFlow(FlowSpec):
    must = Parameter("must", required=True, help="it must be given")
    learning_rate = Parameter("learning_rate", default=0.5)
    dash = Parameter("with-dash", default="d")
    count = Parameter("count", default=3)
    sure = Parameter("sure", default=False)
    table = Parameter("table", type=JSONType, default=None)
    words = Parameter("words", default="a,b", separator=",")

    @step
    def start(self):
        self.next(self.end)

    @step
    def end(self):
        print([self.must, self.learning_rate, self.dash, self.count, self.sure, self.table, self.words])
"""

# words of the command line -> what is said, what to type next
REFUSED = {
    "missing": ([], ["needs the parameter must", "--must"], "--must=...   it must be given"),
    "whole number": (["--must=x", "--count=2.5"], ["--count takes a whole number, not '2.5'"], "--count=3"),
    "empty number": (["--must=x", "--count="], ["--count takes a whole number, not ''"], "--count=3"),
    "number": (["--must=x", "--learning_rate=fast"], ["--learning_rate takes a number"], "--learning_rate=0.5"),
    "truth": (["--must=x", "--sure=maybe"], ["--sure takes true or false, not 'maybe'"], "--sure=true"),
    "broken JSON": (["--must=x", "--table={'a': 1}"], ["--table takes JSON", "line 1 column 2"], "--table='{"),
    "empty JSON": (["--must=x", "--table="], ["--table takes JSON, not ''"], "--table='{"),
    "no value": (["--must"], ["'--must' requires an argument"], "run many.py --help"),
    "misspelt": (["--must=x", "--lerning-rate=1"], ["--lerning-rate", "--learning-rate"], "run many.py --help"),
    "twice": (["--must=x", "--must=y"], ["--must is given 2 times"], "once"),
    "of a variable": (["--must=x"], ["--count takes a whole number, not 'many'"], "--count=3"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_typed(case: str, shell: Shell) -> None:
    words, texts, next_ = REFUSED[case]
    shell.write("many.py", MANY)
    env = {"METAFLOW_RUN_COUNT": "many"} if case == "of a variable" else {}
    is_refusal(shell.flow("run", "many.py", *words, env=env), 2, *texts, next_=next_)
    assert not shell.store.exists()


# words -> what the last step prints
ACCEPTED = {
    "either dash": (["--must=x", "--learning-rate=1", "--with_dash=e"], "['x', 1.0, 'e', 3, False, None, ['a', 'b']]"),
    "a flag alone": (["--must=x", "--sure"], "['x', 0.5, 'd', 3, True, None, ['a', 'b']]"),
    "truth in words": (["--must=x", "--sure", "YES"], "['x', 0.5, 'd', 3, True, None, ['a', 'b']]"),
    "Unicode": (["--must=ü 刺身", "--words=ä,ö"], "['ü 刺身', 0.5, 'd', 3, False, None, ['ä', 'ö']]"),
    "empty": (["--must=", "--words="], "['', 0.5, 'd', 3, False, None, ['']]"),
    "leading dashes": (["--must=--x", "--count=-4"], "['--x', 0.5, 'd', -4, False, None, ['a', 'b']]"),
    "lines and quotes": (["--must=a\n'b'"], "[\"a\\n'b'\", 0.5, 'd', 3, False, None, ['a', 'b']]"),
}


@pytest.mark.parametrize("case", ACCEPTED)
def test_odd_but_right(case: str, shell: Shell) -> None:
    words, printed = ACCEPTED[case]
    shell.write("many.py", MANY)
    answer = shell.flow("run", "many.py", *words)
    is_tidy(answer)
    assert answer.out == f"end  {printed}\n"


DECLARATIONS = {
    "default of another type": (
        'Parameter("alpha", type=int, default="x")', ["default='x' is no int"], "type=str"
    ),
    "a type that is none": ('Parameter("alpha", type=dict)', ["type=<class 'dict'> is none of"], "type="),
    "an option's name": ('Parameter("tag", default=1)', ["--tag is an option of `flow run`"], "my_tag"),
    "an option of a backend": (
        'Parameter("local-root", default="x")', ["the name of the option --local-root"], "another name"
    ),
    "a name with a blank": ('Parameter("al pha")', ["a name is made of letters"], "learning_rate"),
    "no text for a name": ("Parameter(3)", ["a name is made of letters"], "learning_rate"),
    "separator with a type": (
        'Parameter("alpha", type=int, separator=",")', ["separator= goes with text"], "leave out"
    ),
    "a misspelt word": ('Parameter("alpha", defualt=3)', ["no argument 'defualt'"], "did you mean 'default'?"),
    "an unknown word": ('Parameter("alpha", xyzzy=3)', ["no argument 'xyzzy'"], "there are: "),
    "a function where none can be": (
        'Parameter("alpha", required=lambda: True)', ["required= can't be a function"], "default="
    ),
    "twice the same": ('Parameter("Al-pha"); b = Parameter("al_pha")', ["can't be told apart"], "al_pha_2"),
}


@pytest.mark.parametrize("case", DECLARATIONS)
def test_what_is_declared(case: str, shell: Shell) -> None:
    declaration, texts, next_ = DECLARATIONS[case]
    shell.write("many.py", MANY.replace('Parameter("must", required=True, help="it must be given")', declaration))
    answer = shell.flow("run", "many.py")
    is_refusal(answer, 3, *texts, next_=next_)
    assert "many.py" in answer.err
    assert not shell.store.exists()


FILES = {
    "missing": ("--data=nowhere.csv", ["--data takes a file, not 'nowhere.csv' (there is no such file)"]),
    "a folder": ("--data=.", ["--data takes a file, not '.' (it is a folder)"]),
    "the default": ("", ["--data takes a file, not 'default.csv'"]),
}


@pytest.mark.parametrize("case", FILES)
def test_a_file_that_can_not_be_read(case: str, shell: Shell) -> None:
    word, texts = FILES[case]
    declared = MANY.replace("JSONType, Parameter", "IncludeFile, JSONType, Parameter")
    old, new = 'Parameter("count", default=3)', 'IncludeFile("data", default="default.csv")'
    shell.write("many.py", declared.replace(old, new))
    answer = shell.flow("run", "many.py", "--must=x", *filter(None, [word]))
    is_refusal(answer, 2, *texts, next_="--data=PATH")
    assert not shell.store.exists()


def test_a_file_that_is_no_text(shell: Shell) -> None:
    declared = MANY.replace("JSONType, Parameter", "IncludeFile, JSONType, Parameter")
    shell.write("many.py", declared.replace('Parameter("count", default=3)', 'IncludeFile("data")'))
    shell.write("raw", b"\xff\xfe\x00")
    answer = shell.flow("run", "many.py", "--must=x", "--data=raw")
    is_tidy(answer)
    assert answer.code == 1
    assert "raw is no text in utf-8" in answer.err
    assert "is_text=False" in answer.err


BODIES = {
    "changed in a step": ("setattr(self, 'count', 4)", ["self.count is a parameter", "use another name"]),
    "misspelt in a step": ("print(self.coutn)", ["has no artifact 'coutn'. Did you mean 'count'?"]),
}


@pytest.mark.parametrize("case", BODIES)
def test_what_a_step_does_with_it(case: str, shell: Shell) -> None:
    body, texts = BODIES[case]
    shell.write("many.py", MANY.replace("self.next(self.end)", f"{body}\n        self.next(self.end)"))
    answer = shell.flow("run", "many.py", "--must=x")
    is_tidy(answer)
    assert answer.code == 1
    for text in texts:
        assert text in answer.err, answer


FUNCTIONS = {
    "raises": ("lambda _: 1 / 0", ["ZeroDivisionError: division by zero"]),
    "returns another type": ("lambda _: 'x'", ["the default function of parameter 'count' returned 'x'", "no int"]),
}


@pytest.mark.parametrize("case", FUNCTIONS)
def test_a_default_by_function(case: str, shell: Shell) -> None:
    function, texts = FUNCTIONS[case]
    shell.write("many.py", MANY.replace('"count", default=3', f'"count", type=int, default={function}'))
    answer = shell.flow("run", "many.py", "--must=x")
    is_tidy(answer)
    assert answer.code == 1
    for text in texts:
        assert text in answer.err, answer


def test_a_parameter_that_is_new_since_the_origin(shell: Shell) -> None:
    before = MANY.replace('    sure = Parameter("sure", default=False)\n', "").replace("self.sure, ", "")
    shell.write("many.py", before.replace("print(", "raise ValueError("))
    assert shell.flow("run", "many.py", "--must=x").code == 1
    shell.write("many.py", MANY)
    is_refusal(shell.flow("resume", "many.py"), 2, "'sure' is new since ManyFlow/", next_="flow run many.py")
