"""A model as an artifact: stored by a task, read back by the client, used."""

from __future__ import annotations

import pytest

from penstock.client import Client
from tests.examples.conftest import EXAMPLES, Flow

pytest.importorskip("sklearn")
FILE = EXAMPLES / "digits_flow.py"


def test_the_best_model_comes_back_and_predicts(flow: Flow, client: Client) -> None:
    done = flow("run", FILE)
    assert done.returncode == 0, done.stderr
    data = client.run("DigitsFlow/latest").data
    assert len(data.scores) == 7
    assert data.score == max(data.scores.values()) > 0.95
    assert data.scores[str(data.model)] == data.score

    from sklearn.datasets import load_digits

    digits = load_digits()
    assert (data.model.predict(digits.data[:200]) == digits.target[:200]).mean() > 0.95


def test_a_parameter_chooses_the_models(flow: Flow, client: Client) -> None:
    done = flow("run", FILE, "--models=nearest neighbours")
    assert done.returncode == 0, done.stderr
    run = client.run("DigitsFlow/latest")
    assert len(list(run["fit"])) == len(run.data.scores) == 3
    assert all("KNeighbors" in name for name in run.data.scores)


def test_a_model_that_there_is_not_fails_the_run(flow: Flow) -> None:
    done = flow("run", FILE, "--models=oracle")
    assert done.returncode == 1
    assert "KeyError: 'oracle'" in done.stderr
