"""What is told of attributes before a run, and what is not: nothing that may be right."""

from __future__ import annotations

import sys
from pathlib import Path
from textwrap import indent

import pytest

from penstock.errors import FlowError
from penstock.host.declare import graph_of, import_flow

HEAD = """
import functools
from penstock import FlowSpec, IncludeFile, Parameter, catch, parallel, retry, step

def other(function):
    @functools.wraps(function)
    def wrapped(self):
        self.items = [1]
        return function(self)
    return wrapped

def fill(flow):
    flow.items = [1]

class Base(FlowSpec):
    beta = Parameter("b-eta", default=1)
    LIMIT = 3

    def prepare(self):
        self.items = [1]

    @property
    def prop(self):
        return [1]

    @step
    def end(self):
        pass

class F(Base):
    alpha = Parameter("alpha", default=1)
    papers = IncludeFile("papers", default=None)
    names = ["a"]
"""
FAN = """
@step
def start(self):
    {start}
    self.next(self.each, foreach="{name}")

@step
def each(self):
    self.late = [1]
    self.next(self.join)

@step
def join(self, inputs):
    self.next(self.end)
"""
LINE = """
@step
def start(self):
    {start}
    self.next(self.end)
"""


def looked_at(folder: Path, body: str, **filled: str) -> None:
    """Raises FlowError as `flow run` and `flow check` do."""
    name = f"looked_at_{abs(hash((body, *filled.values())))}"
    for key, text in filled.items():
        body = body.replace("{" + key + "}", text.replace("\n", "\n    "))
    path = folder / f"{name}.py"
    path.write_text(HEAD + indent(body, "    "))
    try:
        graph_of(import_flow(str(path), "F"))
    finally:
        sys.modules.pop(name, None)
        sys.path.remove(str(folder))


WRONG_FOREACH = {
    "never set": ("self.x = 1", "items", "self.items = ..."),
    "nearly set": ("self.itmes = [1]", "items", "'itmes'"),
    "nearly a class attribute": ("pass", "nmaes", "'names'"),
    "set only later": ("pass", "late", "self.late = ..."),
    "set on another object": ("flow = object; flow.items = [1]", "items", "self.items = ..."),
    "read, not set": ("print(self.items)", "items", "self.items = ..."),
    "only annotated": ("items: list = [1]", "items", "self.items = ..."),
    "a local": ("items = [1]; self.x = items", "items", "self.items = ..."),
    "deleted": ("del self.items", "items", "self.items = ..."),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG_FOREACH)
def test_a_foreach_over_what_no_step_before_sets(case: str, tmp_path: Path) -> None:
    start, name, hint = WRONG_FOREACH[case]
    with pytest.raises(FlowError, match=f"step 'start': foreach='{name}', but neither") as told:
        looked_at(tmp_path, FAN, start=start, name=name)
    assert hint in told.value.hint
    file, _, line = told.value.where.rpartition(":")
    assert "self.next(self.each, foreach=" in Path(file).read_text().splitlines()[int(line) - 1]


RIGHT_FOREACH = {
    "set": ("self.items = [1]", "items"),
    "set with others": ("self.x, (self.items, *self.y) = 1, ([1], 2)", "items"),
    "set by a loop": ("for self.items in ([1], [2]):\n    pass", "items"),
    "set by a context": ("with open('x') as self.items:\n    pass", "items"),
    "set in one case": ("if self.x:\n    self.items = [1]", "items"),
    "set while trying": ("try:\n    self.items = [1]\nexcept ValueError:\n    pass", "items"),
    "added to": ("self.items += [1]", "items"),
    "annotated": ("self.items: list = [1]", "items"),
    "set by a function inside": ("def inner():\n    self.items = [1]\ninner()", "items"),
    "setattr": ("setattr(self, 'items', [1])", "items"),
    "setattr of a loop": ("for one in ['items']:\n    setattr(self, one, [1])", "items"),
    "the dict": ("self.__dict__['items'] = [1]", "items"),
    "vars": ("vars(self).update(items=[1])", "items"),
    "another name": ("me = self\nme.items = [1]", "items"),
    "a function": ("fill(self)", "items"),
    "a method": ("self.prepare()", "items"),
    "a method, not called here": ("then = self.prepare\nthen()", "items"),
    "exec": ("exec('self.items = [1]')", "items"),
    "locals": ("fill(locals()['self'])", "items"),
    "a lambda": ("(lambda: fill(self))()", "items"),
    "super": ("super().prepare()", "items"),
    "the frame": ("import inspect\nfill(inspect.currentframe().f_locals)", "items"),
    "the frame, imported": ("from sys import _getframe\nfill(_getframe())", "items"),
    "a parameter": ("pass", "alpha"),
    "a parameter of the base": ("pass", "beta"),
    "a file": ("pass", "papers"),
    "a class attribute": ("pass", "names"),
    "a constant of the base": ("pass", "LIMIT"),
    "a property": ("pass", "prop"),
    "the item of the foreach around": ("pass", "input"),
}  # fmt: skip


@pytest.mark.parametrize("case", RIGHT_FOREACH)
def test_a_foreach_over_what_may_be_set(case: str, tmp_path: Path) -> None:
    start, name = RIGHT_FOREACH[case]
    looked_at(tmp_path, FAN, start=start, name=name)


REST = FAN.partition("@step\ndef each")[1] + FAN.partition("@step\ndef each")[2]
MIDDLE = """
@step
def middle(self):
    self.next(self.each, foreach="items")
"""
WHOLE = {
    "an earlier step sets it": LINE.replace("end", "middle") + MIDDLE + REST,
    "catch names it": "@catch(var='items')" + LINE.replace("end", "middle").replace("{start}", "pass") + MIDDLE + REST,
    "a decorator of somebody's": "@other" + LINE.replace("end", "middle").replace("{start}", "pass") + MIDDLE + REST,
    "a join, where a branch set it": """
@step
def start(self):
    self.next(self.a, self.b)

@step
def a(self):
    {start}
    self.next(self.meet)

@step
def b(self):
    self.next(self.meet)

@step
def meet(self, inputs):
    self.merge_artifacts(inputs)
    self.next(self.each, foreach="items")
""" + REST,
    "an argument of self.next": """
@step
def start(self):
    self.next(self.node, num_parallel=self.width())

def width(self):
    {start}
    return 2

@parallel
@step
def node(self):
    self.next(self.meet)

@step
def meet(self, inputs):
    self.next(self.each, foreach="items")
""" + REST,
    "a key of self.next": """
@step
def start(self):
    self.next({self.key(): self.middle, 'b': self.end}, condition='names')

def key(self):
    {start}
    return 'a'
""" + MIDDLE + REST,
    "self.next itself": """
def next(self, *steps, **how):
    {start}
    super().next(*steps, **how)
""" + FAN.replace("{start}", "pass").replace("{name}", "items"),
    "a wrapper from behind": FAN.replace("{start}", "pass").replace("{name}", "items") + "start = other(start)",
    "a loop": """
@step
def start(self):
    self.next(self.middle)

@step
def middle(self):
    {start}
    self.next({'a': self.middle, 'b': self.end}, condition='items')
""",
}


@pytest.mark.parametrize("case", WHOLE)
def test_other_ways_to_be_set(case: str, tmp_path: Path) -> None:
    looked_at(tmp_path, WHOLE[case], start="self.items = [1]")


def test_a_class_with_attributes_of_its_own_making(tmp_path: Path) -> None:
    made = "def __getattr__(self, name):\n    return [1]\n"
    looked_at(tmp_path, made + FAN, start="self.alpha = 2", name="items")


def test_a_switch_over_what_no_step_sets(tmp_path: Path) -> None:
    with pytest.raises(FlowError, match="step 'middle': condition='itmes', but neither") as told:
        looked_at(tmp_path, WHOLE["a loop"].replace("condition='items'", "condition='itmes'"), start="self.items = 1")
    assert told.value.hint == "did you mean 'items'?"


CHANGED = ["alpha", "beta", "papers", "names", "LIMIT"]


@pytest.mark.parametrize("name", CHANGED)
@pytest.mark.parametrize("how", ["self.{} = 3", "self.{} += 3", "self.x, self.{} = 1, 2", "self.{}: int = 3",
                                 "print(1)\nif self.x:\n    print(2)\nself.{} = 3"])  # fmt: skip
def test_an_assignment_to_what_is_the_same_in_every_step(name: str, how: str, tmp_path: Path) -> None:
    with pytest.raises(FlowError, match=rf"step 'start' assigns self.{name}, a parameter or a constant") as told:
        looked_at(tmp_path, LINE, start=how.format(name))
    file, _, line = told.value.where.rpartition(":")
    assert f"self.{name}" in Path(file).read_text().splitlines()[int(line) - 1]


@pytest.mark.parametrize("how", [
    "if self.{0} is None:\n    self.{0} = 3", "try:\n    self.{0} = 3\nexcept AttributeError:\n    pass",
    "if self.x:\n    return\nself.{0} = 3", "other = self\nother.{0} = 3", "self.{0}.x = 3", "self.{0}[0] = 3",
    "def inner():\n    self.{0} = 3", "{0} = 3", "raise ValueError\nself.{0} = 3", "self._{0} = 3",
])  # fmt: skip
def test_an_assignment_that_may_never_happen_is_left_to_the_run(how: str, tmp_path: Path) -> None:
    looked_at(tmp_path, LINE, start=how.format("alpha"))
