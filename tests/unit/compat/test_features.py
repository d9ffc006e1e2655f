"""What `flow check` says of a file that was written for Metaflow."""

from __future__ import annotations

import penstock
from penstock.compat.features import DIFFERENT, HONOURED, MISSING, features

PUBLIC = frozenset(penstock.__all__)
SOURCE = """
import metaflow.cards
from metaflow import FlowSpec, S3, card, current, retry as again, step
from metaflow.exception import MetaflowException
from metaflow.exception import NoSuchThing

class F(FlowSpec):
    @step
    def start(self):
        current.card.append(current.run_id)
        del self.x
        self.next(self.each, foreach="items")

    @step
    def join(self, inputs):
        self.merge_artifacts(inputs)
        other.next(foreach=1)
"""


def test_names_forms_and_facts_each_once_by_their_first_line() -> None:
    found = {one.name: (one.status, one.line) for one in features(SOURCE, "metaflow", PUBLIC)}
    assert found == {
        "metaflow.cards": (MISSING, 2), "FlowSpec": (HONOURED, 3), "S3": (MISSING, 3), "card": (DIFFERENT, 3),
        "current": (HONOURED, 3), "retry": (DIFFERENT, 3), "step": (HONOURED, 3), "MetaflowException": (HONOURED, 4),
        "exception.NoSuchThing": (MISSING, 5), "current.card": (MISSING, 10), "current.run_id": (HONOURED, 10),
        "del self.": (DIFFERENT, 11), "foreach": (DIFFERENT, 12), "merge_artifacts": (HONOURED, 16),
    }  # fmt: skip


def test_whatever_is_not_honoured_says_why() -> None:
    for one in features(SOURCE, "metaflow", PUBLIC):
        assert bool(one.note) or one.status == HONOURED or "." in one.name, one.data()


def test_a_file_that_imports_from_penstock_uses_nothing_of_it() -> None:
    assert features(SOURCE.replace("metaflow", "penstock"), "metaflow", PUBLIC) == []
