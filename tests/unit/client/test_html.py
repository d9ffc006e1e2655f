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


def test_long_texts_are_cut(write, client):
    """A table of a notebook stays below 100 kB, whatever was printed, raised or stored."""
    writer = write(parameters={"alpha": "x" * 1_000_000})
    writer.tag(*(f"{number:0500}" for number in range(60)))
    writer.parameters()
    writer.record(
        "start", kind="foreach", to=["count"], width=60, values={f"name_{n:0300}": "&" * 90 for n in range(200)},
        stdout={"size": 90_000, "text": "<" * 90_000}, stderr={"size": 2, "text": "\x1b[2J\udcff"},
    )  # fmt: skip
    for number in range(60):
        writer.failed("count", str(number), error=f"{number} " + '"' * 100_000)
    writer.end(FAILED)
    run = client.run("PetsFlow/latest")
    start = run["start"].task
    for node in (run.parent, run, run["count"], run["count"]["7"], start, start.data):
        assert len(node._repr_html_()) < 100_000, node
    assert "and 10 more" in run["count"]._repr_html_()
    assert "standard error" in start._repr_html_()
    assert "\\x1b[2J" in start._repr_html_()


def test_columns_without_content_are_left_out(write, client):
    write().whole()
    assert "<th" in client.flow("PetsFlow")._repr_html_()
    assert "tags" not in client.flow("PetsFlow")._repr_html_()
    client.run("PetsFlow/latest").add_tag("one")
    assert "tags" in client.flow("PetsFlow")._repr_html_()
    assert "retried" not in client.run("PetsFlow/latest")._repr_html_()
