"""Graphs as text, Mermaid and dot."""

from __future__ import annotations

import pytest

from penstock.authoring import drawing
from penstock.authoring.graph_source import graph_of_source

SOURCE = """
class F(FlowSpec):
    @step
    def start(self):
        self.next(self.a, self.b)
    @step
    def a(self):
        self.next({"x|\\"y": self.c, "z": self.d}, condition="which")
    @step
    def c(self):
        self.next(self.join)
    @step
    def d(self):
        self.next(self.join)
    @step
    def b(self):
        self.next(self.join)
    @step
    def join(self, inputs):
        self.next(self.each, foreach="items")
    @step
    def each(self):
        self.next(self.end)
    @step
    def end(self, inputs):
        pass
"""


def test_text_has_one_line_a_step_in_order():
    lines = drawing.text(graph_of_source(SOURCE, "f.py")).splitlines()
    assert [line.split()[0 if line[0] != "|" else 1] for line in lines] == [
        "start", "a", "c", "d", "b", "join", "each", "end",
    ]  # fmt: skip
    assert lines[0].endswith("split: a, b")
    assert "switch which" in lines[1]
    assert lines[5].endswith("joins start  foreach items: each")
    assert lines[7].endswith("joins join")


@pytest.mark.parametrize("form", ["mermaid", "dot"])
def test_every_edge_is_drawn_and_no_label_breaks_out(form):
    drawn = drawing.FORMATS[form](graph_of_source(SOURCE, "f.py"))
    arrow = "--" if form == "mermaid" else "->"
    assert sum(arrow in line for line in drawn.splitlines()) == 9
    assert "foreach items" in drawn
    assert 'x|"y' not in drawn
