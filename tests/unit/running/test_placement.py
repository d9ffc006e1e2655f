"""Where steps go: what a step may say of its executor, and who is told when it can't be."""

from __future__ import annotations

import pytest

from penstock.authoring.graph_source import graph_of_source
from penstock.errors import SettingsError
from penstock.home import Home
from penstock.running.placement import check_meeting, step_plans
from penstock.testing.http_store import TOKEN_VARIABLE

SOURCE = """
class F(FlowSpec):
    @step
    def start(self):
        self.next(self.end)
    @step
    def end(self):
        pass
"""


@pytest.fixture
def home(tmp_path):
    return Home.open({}, environ={}, folder=str(tmp_path))


@pytest.fixture
def graph():
    return graph_of_source(SOURCE, "f.py")


@pytest.mark.parametrize(
    ("executor", "options", "message", "hint"),
    [
        ("local", {"cpuss": 3}, "has no option 'cpuss'", "cpus"),
        ("local", {"cpus": 2}, "takes 'cpus' for a whole run", "--local-cpus=2"),
        ("isolated", {"twise": 1}, "has no option 'twise'", "twice"),
        ("nobody", {}, "there is no executor 'nobody'", ""),
    ],
)
def test_what_an_executor_can_not_take_is_refused_with_the_line(home, graph, executor, options, message, hint):
    graph["end"].decorators = ({"name": "executor", "executor": executor, "options": options},)
    with pytest.raises(SettingsError, match=message) as told:
        step_plans(graph, home, {})
    assert hint in told.value.hint
    assert told.value.where == ("" if executor == "nobody" else f"f.py:{graph['end'].line}")


def test_what_is_said_beside_the_run_wins_over_the_step(home, graph):
    graph["end"].decorators = ({"name": "executor", "executor": "isolated", "options": {"seed": 7}},)
    plans = step_plans(graph, home, {})
    assert (plans["start"].executor, plans["end"].executor) == ("local", "isolated")
    assert plans["end"].options["seed"] == 7
    assert {plan.executor for plan in step_plans(graph, home, {"*": ("local", {})}).values()} == {"local"}


STORE = "penstock.testing.http_store:HttpDatastore"


@pytest.mark.parametrize(
    ("executor", "flags", "refused"),
    [
        ("isolated", {}, False),  # keeps them
        ("local", {}, False),  # inherits them
        ("isolated", {"keeps_secrets": False}, True),
        ("isolated", {"keeps_secrets": False, "own_identity": True}, False),  # needs none
    ],
)
def test_credentials_are_not_given_to_jobs_that_would_show_them(
    graph, tmp_path, monkeypatch, executor, flags, refused
):
    home = Home.open({"datastore": STORE, "http-datastore.url": "http://127.0.0.1:1"}, environ={}, folder=str(tmp_path))
    for name, value in flags.items():
        monkeypatch.setattr(home.executor_class(executor), name, value)
    plans = step_plans(graph, home, {"*": (executor, {})})
    check_meeting(home, plans)  # without a credential there is none to be shown
    monkeypatch.setenv(TOKEN_VARIABLE, "hunter2")
    if refused:
        with pytest.raises(SettingsError, match="which it would show"):
            check_meeting(home, plans)
    else:
        check_meeting(home, plans)
    home.close()


def test_inline_can_not_be_mixed(home, graph):
    with pytest.raises(SettingsError, match="can't be mixed"):
        check_meeting(home, step_plans(graph, home, {"end": ("inline", {})}))
