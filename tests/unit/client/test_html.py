"""What a notebook shows: every text of a user is escaped."""

from __future__ import annotations

from html.parser import HTMLParser

from penstock.client import Metaflow
from penstock.values import FAILED

EVIL = "<script>alert(1)</script>\x1b]0;title\x07"


class _Strict(HTMLParser):
    """Fails on a tag that we never write, and on one that is not closed."""

    allowed = frozenset({"div", "b", "span", "table", "tr", "th", "td", "details", "summary", "pre"})

    def __init__(self):
        super().__init__()
        self.open = []

    def handle_starttag(self, tag, attrs):
        assert tag in self.allowed
        assert all(name in ("style", "data-penstock") for name, _ in attrs)
        self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_every_object_has_a_table_and_escapes(write, client):
    writer = write(parameters={"alpha": EVIL})
    writer.tag(EVIL)
    writer.record("_parameters", to=["start"], values={"alpha": EVIL})
    writer.start()
    writer.failed("count", "0", error=EVIL)
    writer.end(FAILED)
    run = client.run("PetsFlow/latest")
    task = run["count"].task
    nodes = [Metaflow(client=client), run.parent, run, run["count"], task, task["alpha"], task.data]
    for node in nodes:
        text = node._repr_html_()
        strict = _Strict()
        strict.feed(text)
        assert strict.open == []
        assert "\x1b" not in text
        assert len(text) < 100_000
    assert "&lt;script&gt;" in run._repr_html_()
    assert "✗ failed" in run._repr_html_()
