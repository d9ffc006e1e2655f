"""What the scheduler orders of an executor: the job of an attempt, its name and its message."""

from __future__ import annotations

import json
import re

from penstock.contracts.executor import Job, Mount
from penstock.errors import ChunkDamaged
from penstock.running.message import Message
from penstock.storage import bundle, keys, records
from penstock.storage.sha256 import sha256
from penstock.values import FOREACH_ITEMS, PARAMETERS_STEP, Pathspec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from penstock.authoring.graph import Graph
    from penstock.contracts.datastore import Datastore
    from penstock.contracts.executor import Executor, Gang
    from penstock.running.launches import Launches
    from penstock.running.placement import StepPlan
    from penstock.running.plan import Attempt, Ready
    from penstock.running.spool import RecordSpool

WIDE = 8  # tasks of one split for which one more launch object, some 0.5 MB, is less than the requests that it spares


class Orders:
    """Makes the jobs of a run.

    given: parameters as typed; launches: how jobs elsewhere are started, where there are some.
    """

    def __init__(
        self,
        *,
        graph: Graph,
        run: str,
        datastore: Datastore,
        spool: RecordSpool,
        given: Mapping[str, str],
        launches: Launches | None,
    ) -> None:
        self._flow, self._run, self._graph = graph.name, run, graph
        self._datastore, self._spool, self._given, self._launches = datastore, spool, given, launches
        self._shared: tuple[str, list[str]] = ("", [])  # the parent looked at last, and what its tasks read alike

    def job(
        self, ready: Ready, attempt: Attempt, step: StepPlan, executor: Executor, constants: str | None,
        gang: Gang | None = None,
    ) -> Job:  # fmt: skip
        """The job of an attempt. constants: key of the parameters' record, once it stands. Writes the inputs of a join.

        Raises ChunkDamaged when a parent's record is gone.
        """
        message = Message(
            step=ready.step,
            place=ready.place,
            attempt=attempt.number,
            token=records.new_token(),
            constants=constants,
            last=attempt.last,
            handler=attempt.handler,
            timeout_s=step.timeout_s,
            split=ready.split,
            given=self._given if ready.step == PARAMETERS_STEP else None,
            nodes=None if gang is None else ready.nodes,
        )
        if ready.step in self._graph.steps and self._graph.steps[ready.step].is_join:
            message.inputs = self._write_inputs(ready) if ready.parents else None
        else:
            message.parents = ready.parents
        text = json.dumps(message.data(), separators=(",", ":"))
        command: tuple[str, ...] = ()
        host_command: tuple[str, ...] = ()
        if self._launches is not None and not executor.uses_hosts:
            shared = [constants] if constants else []
            command = self._launches.command(text, [*shared, *self._of_split(message)], self._spool.get_many)
            host_command = self._launches.command("", shared, self._spool.get_many)
        return Job(
            name=job_name(self._flow, self._run, ready.step, ready.place, attempt.number),
            message=text,
            command=command,
            host_command=host_command,
            environment=step.environment,
            secrets=self._datastore.secrets() if command and not executor.own_identity else {},
            resources=step.resources,
            timeout_s=None if step.timeout_s is None else step.timeout_s + 90.0,
            options=step.options,
            mounts=tuple(Mount(path=path) for path in self._datastore.host_paths) if command else (),
            pathspec=str(Pathspec(self._flow, self._run, ready.step, ready.place, attempt.number)),
            gang=gang,
        )

    def _of_split(self, message: Message) -> list[str]:
        """Keys of what a task and its siblings read alike: the record and the items of their split, if it is wide."""
        from penstock.storage.artifacts import object_of_items

        if self._launches is None or not self._launches.rides or len(message.parents) != 1:
            return []
        (key,) = message.parents
        if self._shared[0] != key:
            ((_, raw),) = self._spool.get_many([key])
            split = records.decode_record(raw, key)
            wide = split.transition is not None and (split.transition.get("width") or 0) >= WIDE
            items = object_of_items(split.artifacts[FOREACH_ITEMS]) if wide else None
            self._shared = (key, [key, items] if items else [key] if wide else [])
        return self._shared[1]

    def _write_inputs(self, ready: Ready) -> str:
        """The parents' records in one object, so that a join lists nothing and reads one key."""
        key = keys.inputs(self._flow, self._run, ready.step, ready.place)

        def pieces() -> Iterator[bytes]:  # a wide join as a whole would be the moment of the largest memory
            return bundle.pieces(self._objects(ready.parents))

        if not self._datastore.put_pieces(key, pieces):
            self._datastore.put_content(key, b"".join(pieces()))  # it stands there, unless a power cut has left it torn
        return key

    def _objects(self, parents: Sequence[str]) -> Iterator[bytes]:
        """Records as they stand."""
        for parent, raw in self._spool.get_many(parents):
            if raw is None:
                raise ChunkDamaged(f"the record {parent} is missing")
            yield raw


_NOT_IN_NAME = re.compile(r"[^a-z0-9]+")


def job_name(flow: str, run: str, step: str, place: str, attempt: int) -> str:
    """The same for the same attempt: `[a-z0-9-]`, at most 63 characters, ending in a hash of the full pathspec."""
    full = f"{flow}/{run}/{step}/{place}/{attempt}"
    readable = _NOT_IN_NAME.sub("-", f"{flow}-{step}-{place}-{attempt}".lower()).strip("-")[:46]
    return f"{readable}-{sha256(full.encode('utf-8', 'surrogateescape')).hexdigest()[:16]}"


def driver_job_name(flow: str, run: str) -> str:
    """Of the job that drives a run which was detached; no step can have it."""
    return job_name(flow, run, "_driver", "", 0)
