"""What the attempts of a host read once for all of them."""

from __future__ import annotations

from penstock.authoring.flow import FlowSpec
from penstock.authoring.graph_source import graph_of_source
from penstock.running.message import Message
from penstock.running.world import World
from penstock.storage import records
from penstock.values import SUCCEEDED, Record
from tests.unit.dict_datastore import DictDatastore

SOURCE = """
class F(FlowSpec):
    @step
    def start(self):
        self.next(self.end)
    @step
    def end(self):
        pass
"""


def test_the_parameters_are_read_once_and_a_parent_from_its_second_child_on() -> None:
    store = DictDatastore()
    key = {}
    for step in ("_parameters", "a", "b"):
        one = Record(flow="F", run="r", step=step, place="0", attempt=0, outcome=SUCCEEDED, token="t")
        records.claim_record(store, one)
        key[step] = records.key_of(one)
    opened = {"run": "r", "facts": {"username": "ann", "tags": ["x"]}}
    world = World(flow_class=FlowSpec, graph=graph_of_source(SOURCE, "f.py"), datastore=store, opened=opened)
    assert (world.flow, world.run, world.facts["tags"]) == ("F", "r", frozenset({"x"}))
    read = []
    for parent in ("a", "a", "a", "b"):
        store.calls.clear()
        world.foresee(
            Message(step="s", place="0", attempt=0, token="t", constants=key["_parameters"], parents=(key[parent],))
        )
        read.append([at for call, at in store.calls if call == "open"])
    assert read == [[key["_parameters"]], [key["a"]], [], []]
    assert (world.parent(key["a"]).step, world.parent(key["b"]).step) == ("a", "b")
    assert world.constants(key["_parameters"]).step == "_parameters"
