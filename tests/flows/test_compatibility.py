"""Small flows that each hold one construct, run whole on every make of executor and store.

The flows lie in `compatibility/`, each file with a table of what comes out. They are run by the command line of this
very process, so that a run costs its host and its tasks, and nothing else.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from penstock.cli import main
from penstock.client import Client, Run
from penstock.testing.http_store import HttpStoreServer

FOLDER = Path(__file__).parent / "compatibility"
HTTP = "penstock.testing.http_store:HttpDatastore"
FILES = ("parameters", "graphs", "joins", "failures", "facts")
TABLES = {name: import_module(f"tests.flows.compatibility.{name}") for name in (*FILES, "resumed")}
RUNS = [(name, *run) for name in FILES for run in TABLES[name].RUNS]
KILLS = TABLES["failures"].KILLS
COMBINATIONS = {
    "local": [],
    "inline": ["--executor=inline"],
    "isolated": ["--executor=isolated"],
    "catalogue of the datastore": ["--metadata=datastore", "--logging=datastore"],
    "http": [f"--datastore={HTTP}"],
}
# Strangers on this machine cost an interpreter a task: they run one flow of each kind, and `FlowSuite` larger ones.
FOR_STRANGERS = frozenset({
    "Added", "CaughtRetries", "Constants", "CountedDefault", "Current", "Environment", "Fails", "Functions",
    "InheritsNothing", "Inherited", "Killed", "Linear", "Loop", "MergeAll", "Needs", "Nodes", "OneOfMany", "Project",
    "Retried", "Slow", "SplitInForeach", "SwitchInForeach", "Tagging",
})  # fmt: skip


class Place:
    """A folder with a store for all runs of a combination, and how they are read."""

    def __init__(self, folder: Path, options: list[str], client: Client) -> None:
        self.folder, self.options, self.client = folder, options, client

    def run(self, *words: str, expect: int = 0) -> Run:
        id_file = self.folder / "id"
        path = list(sys.path)
        try:
            assert main([*words, f"--run-id-file={id_file}", "--quiet", *self.options]) == expect
        finally:
            sys.path[:] = path
            for name in (*FILES, "resumed"):  # as inline runs import them
                sys.modules.pop(name, None)
        flow = words[1].rpartition(":")[2]
        return self.client.run(f"{flow}/{id_file.read_text()}")


@pytest.fixture(scope="module")
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("compatibility")
    (folder / ".penstock").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("PENSTOCK_USER", "ann")
        patch.delenv("PENSTOCK_EXECUTOR", raising=False)
        options = COMBINATIONS[request.param]
        if request.param != "http":
            client = Client(folder=folder)
            yield Place(folder, options, client)
            client.stores.datastore.close()
            return
        with HttpStoreServer(folder=str(folder / "objects")) as server:
            client = Client(HTTP, url=server.url, folder=folder)
            yield Place(folder, [*options, f"--datastore-url={server.url}"], client)
            client.stores.datastore.close()


def combine(flows: Sequence[tuple[str, ...]], at: int) -> list[Any]:
    """Every combination with every row of a table, as far as they go together; at: where the flow's name stands."""
    rows = []
    for combination in COMBINATIONS:
        for row in flows:
            fits = row[at] in FOR_STRANGERS if combination == "isolated" else row[at] not in KILLS
            if fits or combination not in ("isolated", "inline"):
                rows.append(pytest.param(combination, *row, id=f"{combination}-{'-'.join(map(str, row))[:60]}"))
    return rows


@pytest.mark.parametrize(("place", "name", "flow", "words", "seen"), combine(RUNS, 1), indirect=["place"])
def test_a_flow(place: Place, name: str, flow: str, words: list[str], seen: object) -> None:
    given = [f"--folder={place.folder}"] if flow == "CountedDefault" else []
    failed = TABLES["failures"].FAILED.get(flow)
    run = place.run("run", f"{FOLDER / name}.py:{flow}", *words, *given, expect=1 if failed else 0)
    task = run[failed].task if failed else run.end_task
    assert task is not None
    assert task["seen"].data == seen
    assert run.successful is not bool(failed)


@pytest.mark.parametrize(
    ("place", "flow", "again", "counts", "seen"), combine(TABLES["resumed"].RESUMED, 0), indirect=["place"]
)
def test_resume(place: Place, flow: str, again: list[str], counts: dict[str, int], seen: object) -> None:
    folder = place.folder / f"{flow}{len(os.listdir(place.folder))}"
    folder.mkdir()
    file = f"{FOLDER / 'resumed.py'}:{flow}"
    fails = flow != "Again"
    origin = place.run("run", file, f"--folder={folder}", expect=1 if fails else 0)
    (folder / "mended").touch()
    run = place.run("resume", file, *again, "--tag=again")
    assert run.origin_pathspec == origin.pathspec
    assert run.end_task is not None
    assert run.end_task["seen"].data == seen
    ran = Counter((folder / "ran").read_text().split())
    if again == ["each"]:  # those that were launched when the first one failed are the scheduler's affair
        assert ran.pop("each") in (5, 6)
        counts = {name: count for name, count in counts.items() if name != "each"}
    assert ran == counts
