"""A store that is written record by record, so that every state of a run can be looked at by a real client."""

from __future__ import annotations

import pytest

from penstock.authoring.graph_source import graph_of_source
from penstock.client import Client, default_client, default_namespace
from penstock.client.default import DefaultClient
from penstock.contracts.metadata import AttemptRow, RunRow, TagRow
from penstock.running.lease import Lease
from penstock.storage import bundle, keys, records, tags
from penstock.storage.artifacts import Artifacts
from penstock.values import FOREACH_ITEMS, SUCCEEDED, Record, Transition
from penstock_local.file_datastore import FileDatastore
from penstock_local.file_logsink import FileLogSink
from penstock_local.sqlite_metadata import SqliteMetadata

SOURCE = """
class PetsFlow(FlowSpec):
    @step
    def start(self):
        self.next(self.count, foreach="kinds")
    @step
    def count(self):
        self.next(self.join)
    @step
    def join(self, inputs):
        self.next(self.end)
    @step
    def end(self):
        pass
"""
RETRIED = {"count": [{"name": "retry", "times": 1, "minutes_between_retries": None}]}
KINDS = ("cat", "dog", "fish")


class Stores:
    """Three open stores below one folder."""

    def __init__(self, folder):
        self.datastore = FileDatastore(str(folder))
        self.metadata = SqliteMetadata(self.datastore)
        self.logging = FileLogSink(self.datastore)


class Writer:
    """Writes a run of `PetsFlow` (or of `source`) the way its attempts do.
    catalogue: keep rows as the scheduler does."""

    def __init__(self, stores, run, *, source=SOURCE, catalogue=True, origin=None, user="ann", started_s=1000.0,
                 decorators=None, **header):  # fmt: skip
        self.stores, self.run, self.catalogue = stores, run, catalogue
        self.graph = graph_of_source(source, "petsflow.py")
        for step, found in (RETRIED if decorators is None else decorators).items():
            self.graph[step].decorators = tuple(found)  # the host reads them from the class
        self.flow = self.graph.name
        self.lease = None
        self.header = {
            "flow": self.flow, "run": run, "token": "t", "user": user, "started_s": started_s, "file": "petsflow.py",
            "graph": self.graph.data(), "parameters": {"alpha": "3"}, "tags": [], "origin": origin, "python": "3.11.2",
            "system_tags": [f"user:{user}"], "settings": {"executor": "local", "datastore": "local"}, "host": "here",
            **header,
        }  # fmt: skip
        raw = records.encode("run", self.header)
        stores.datastore.put(keys.run_header(self.flow, run), raw)
        self._row(RunRow(flow=self.flow, run=run, started_s=started_s, header=raw))
        self._row(*(TagRow(flow=self.flow, run=run, tag=tag, system=True) for tag in self.header["system_tags"]))

    def _row(self, *rows):
        if self.catalogue and rows:
            self.stores.metadata.write(rows)

    def drive(self):
        """Hold the lease, as a scheduler that lives."""
        self.lease = Lease(self.stores.datastore, self.flow, self.run, "ann")
        self.lease.take(new=True)

    def record(
        self, step, place="0", attempt=0, outcome=SUCCEEDED, to=(), kind="linear", width=None, values=None, **more
    ):
        artifacts = Artifacts(self.stores.datastore)
        rows = {name: artifacts.store(name, value) for name, value in (values or {}).items()}
        if kind == "foreach":
            rows[FOREACH_ITEMS] = artifacts.store_items(range(width))[0]
        transition = Transition(kind, to, width).data() if outcome == SUCCEEDED else None
        made = Record(
            flow=self.flow, run=self.run, step=step, place=place, attempt=attempt, outcome=outcome, token="t",
            started_s=1000.0 + attempt, ended_s=1000.5 + attempt, artifacts=rows, transition=transition, host="here",
            **more,
        )  # fmt: skip
        self.put(made)
        return made

    def put(self, record):
        records.claim_record(self.stores.datastore, record)
        row = AttemptRow(
            flow=self.flow, run=self.run, step=record.step, place=record.place, attempt=record.attempt,
            outcome=record.outcome, started_s=record.started_s, ended_s=record.ended_s,
            record=records.encode_record(record),
        )  # fmt: skip
        self._row(row)

    def parameters(self):
        return self.record("_parameters", to=["start"], values={"alpha": 3, "unit": "kg"})

    def start(self):
        return self.record("start", kind="foreach", to=["count"], width=len(KINDS), values={"kinds": list(KINDS)})

    def count(self, index, **more):
        return self.record("count", str(index), to=["join"], values={"n": index, "kinds": list(KINDS)}, **more)

    def failed(self, step, place="0", attempt=0, error="boom", **more):
        exception = {
            "type": "ValueError", "message": error, "file": "petsflow.py", "line": 8, "source": "raise",
            "traceback": "T",
        }  # fmt: skip
        return self.record(step, place, attempt, outcome="failed", exception=exception, **more)

    def whole(self):
        """Every task, and the outcome."""
        found = [self.parameters(), self.start(), *(self.count(index) for index in range(3))]
        found.append(self.record("join", to=["end"], values={"total": 3}))
        found.append(self.record("end", kind="end", values={"total": 3}))
        self.end(SUCCEEDED)
        return found

    def end(self, outcome, ended_s=1010.0):
        data = {"outcome": outcome, "token": "t", "ended_s": ended_s}
        records.claim(self.stores.datastore, keys.run_outcome(self.flow, self.run), "outcome", data)
        raw = records.encode("run", self.header)
        self._row(RunRow(flow=self.flow, run=self.run, started_s=1000.0, ended_s=ended_s, outcome=outcome, header=raw))
        if self.lease is not None:
            self.lease.release()

    def take(self, taken):
        """What a resumed run takes from its origin."""
        self.stores.datastore.put(keys.taken(self.flow, self.run), bundle.encode(map(records.encode_record, taken)))

    def tag(self, *names):
        tags.add_tags(self.stores.datastore, self.flow, self.run, names)
        self._row(*(TagRow(flow=self.flow, run=self.run, tag=tag) for tag in names))


@pytest.fixture
def stores(tmp_path):
    made = Stores(tmp_path / "store")
    yield made
    made.metadata.close()


@pytest.fixture
def write(stores):
    """`write(run, ...)` begins a run."""
    made = []

    def begin(run="20261124-0229-0001", **more):
        made.append(Writer(stores, run, **more))
        return made[-1]

    yield begin
    for one in made:
        if one.lease is not None:
            one.lease.release()


@pytest.fixture
def client(stores):
    return Client.over(stores)


@pytest.fixture
def default(stores, monkeypatch):
    """The default client reads these stores; its namespace is the user's own again afterwards."""
    monkeypatch.setattr("penstock.client.default._chosen", DefaultClient.over(stores))
    yield default_client()
    default_namespace()
