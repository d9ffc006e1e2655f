"""Flow: its runs, newest first."""

from __future__ import annotations

import pytest

from penstock.client import Metaflow
from penstock.errors import NotFound
from penstock.values import FAILED, SUCCEEDED

OLD, NEW = "20251124-0229-0001", "20261124-0229-0001"


def test_runs_newest_first(write, client):
    write(OLD).end(SUCCEEDED)
    write(NEW).end(FAILED)
    flow = client.flow("PetsFlow")
    assert [run.id for run in flow] == [NEW, OLD]
    assert flow.latest_run.id == NEW
    assert flow.latest_successful_run.id == OLD
    assert flow[OLD].successful
    assert OLD in flow
    assert (flow.tags, flow.user_tags, flow.system_tags) == (frozenset(), frozenset(), frozenset())
    with pytest.raises(KeyError, match="has no '2027'"):
        flow["2027"]


def test_a_flow_that_never_ran(write, client):
    with pytest.raises(NotFound) as caught:
        client.flow("PetsFlow")
    assert "flow run FILE" in caught.value.hint
    write()
    with pytest.raises(NotFound) as caught:
        client.flow("PetFlow")
    assert caught.value.hint == "did you mean 'PetsFlow'?"


def test_the_root_lists_flows(write, client):
    write()
    assert [flow.id for flow in client.flows()] == ["PetsFlow"]
    root = Metaflow(client=client)
    assert [flow.id for flow in root] == ["PetsFlow"]
    assert root["PetsFlow"] == client.flow("PetsFlow")
    assert "PetsFlow" in root
    with pytest.raises(KeyError, match="did you mean 'PetsFlow'"):
        root["PetFlow"]
