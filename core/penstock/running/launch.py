"""Begin runs: a host imports the flow and declares it, then it runs, anew or over the finished tasks of an origin.

    declare ......... the flow file becomes data; nothing is written yet
    Opened.run ...... settings are known by now: id, header, lease, then the driver
    Opened.resume ... the same, with what an origin has done already
"""

from __future__ import annotations

import shlex

from penstock import nearest
from penstock.errors import ChunkDamaged, RunDriven, UsageError
from penstock.running import lease, plan
from penstock.running.history import attempts_of, read_history, standing_of
from penstock.running.lease import Lease
from penstock.running.opening import Opening
from penstock.storage import bundle, keys, records
from penstock.user_name import user_name
from penstock.values import PARAMETERS_STEP
from penstock.which_run import runs_back, which_run

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any, NoReturn

    from penstock.authoring.flow import FlowSpec
    from penstock.contracts.datastore import Datastore
    from penstock.home import Home
    from penstock.host.flow_file import FlowFile
    from penstock.running.driver import Console
    from penstock.running.outcome import RunResult
    from penstock.running.wishes import Wishes
    from penstock.storage.keys import At
    from penstock.values import Record

    Taken = tuple[Record, bytes]  # a record of the origin, and its object byte for byte


class Opened:
    """A flow that was imported in a host and waits to be run. A context manager: leaving it ends the host."""

    def __init__(self, opening: Opening) -> None:
        self._opening, self.host = opening, opening.host
        try:
            self.declaration = self.host.declaration()
        except BaseException:  # Ctrl-C while a slow file is imported, too
            opening.close()
            raise

    def __enter__(self) -> Opened:
        return self

    def __exit__(self, *_: object) -> None:
        self._opening.close()

    def run(self, home: Home, parameters: Mapping[str, str], wishes: Wishes, console: Console) -> RunResult:
        """Run the flow to its end. Errors before the first record is written are raised as such."""
        return self._begin(home, parameters, wishes, console, origin=None)

    def resume(
        self, home: Home, wishes: Wishes, console: Console, *, origin: str | None = None, step: str | None = None
    ) -> RunResult:
        """A new run that takes the finished tasks of `origin`, except `step` and what follows.

        origin: default the latest run.

        Raises UsageError when there is no such run or step, RunDriven when the origin still runs.
        """
        flow, graph, datastore = self.declaration.flow, self.declaration.graph, home.datastore
        if step is not None and step not in graph.steps:
            meant = f"--origin-run-id={step}" if runs_back(step) is not None or step[:1].isdigit() else ""
            raise UsageError(f"{flow} has no step {step!r}", hint=meant or nearest.hint(step, graph.steps))
        origin = which_run(flow, origin, datastore.list_folders(keys.flow_prefix(flow)))
        state = lease.state(datastore, flow, origin)
        if state.alive and records.read(datastore, keys.run_outcome(flow, origin)) is None:
            raise RunDriven(
                f"{flow}/{origin} still runs: it is driven by {state}",
                hint=f"flow cancel {flow}/{origin}   # to end it first",
            )
        recorded, owned = attempts_of(datastore, flow, origin)
        read = list(read_history(datastore, flow, origin, recorded))
        taken, following = plan.taken(graph, standing_of(record for record, _ in read), step)
        self._check_parameters(origin, taken)
        objects = {records.key_of(record): raw for record, raw in read}
        ready = {one.task for one in following}
        redone = frozenset() if step is None else plan.after(graph, step)
        awaited = {at[2:4]: at for at in owned if at[2:4] in ready and at[2] not in redone}
        header = records.read(datastore, keys.run_header(flow, origin)) or {}
        given = header.get("parameters", {})  # the origin's: the tasks that run now go on from its values
        found = [(record, objects[records.key_of(record)]) for record in taken]
        return self._begin(home, given, wishes, console, origin=origin, taken=found, awaited=awaited)

    def _check_parameters(self, origin: str, taken: Iterable[Record]) -> None:
        """The values of the origin hold: one that it did not have can't be given now. Raises UsageError."""
        of_origin = [record.artifacts or {} for record in taken if record.step == PARAMETERS_STEP]
        for parameter in self.declaration.parameters:
            if any(parameter["attribute"] not in known for known in of_origin):
                raise UsageError(
                    f"the parameter {parameter['name']!r} is new since {self.declaration.flow}/{origin}, and a resumed "
                    "run keeps the parameters of its origin",
                    hint=f"flow run {shlex.quote(self.declaration.file)}",
                )

    def _begin(
        self,
        home: Home,
        parameters: Mapping[str, str],
        wishes: Wishes,
        console: Console,
        *,
        origin: str | None,
        taken: Sequence[Taken] = (),
        awaited: Mapping[tuple[str, str], At] | None = None,
    ) -> RunResult:
        from penstock.running.driver import Driver
        from penstock.running.header import claim_header, make_header
        from penstock.running.placement import check_jobs, check_meeting, step_plans

        declaration, datastore = self.declaration, home.datastore
        steps = step_plans(declaration.graph, home, wishes.executor_for)
        check_meeting(home, steps)
        if wishes.detach:
            from penstock.running import handover

            handover.check_detachable(home)
        check_jobs(home, declaration.graph, steps, user_name(declaration.environ))
        records.open_format(datastore, write=True)
        driver = Driver(home, declaration, steps, wishes, console)
        header = make_header(
            home, declaration, steps, wishes,
            parameters=parameters, origin=origin, git=self._opening.git.result(), awaited=awaited or {},
        )  # fmt: skip
        run = claim_header(datastore, header)
        driver.announce(header)
        found: Sequence[Taken] = () if origin is None else _claim_taken(datastore, declaration.flow, run, taken)
        if wishes.detach:
            return handover.hand_over(home, driver, header, console)
        own = Lease(datastore, declaration.flow, run, header["user"])
        own.take(new=True)
        try:
            known = {(record.step, record.place): record for record, _ in found}
            laid = [(records.key_of(record), len(raw)) for record, raw in found]
            return driver.drive(own, header, self.host, known=known, past={}, awaited=awaited, laid=laid)
        finally:
            own.release()


def declare(source: FlowFile) -> Opened:
    """Import a flow file in a host. Raises FlowError with file:line for whatever is wrong with it."""
    return Opened(Opening(source))


def _claim_taken(datastore: Datastore, flow: str, run: str, found: Sequence[Taken]) -> Sequence[Taken]:
    """Claim what the run takes from its origin, byte for byte: every scheduler of the run sees the same."""
    key = keys.taken(flow, run)
    raw = bundle.encode(one for _, one in found)
    if datastore.put(key, raw):
        return found
    try:
        return list(records.decode_bundle_raw(datastore.get(key), key))
    except ChunkDamaged:  # by a power cut
        datastore.put(key, raw, replace=True)
        return found


# --------------------------------------------------------------------------------------- scripts, notebooks


def main(flow_class: type[FlowSpec]) -> NoReturn:
    """`PetsFlow()` at the end of a script: the command line of this flow."""
    from penstock.cli import main_for_flow

    raise SystemExit(main_for_flow(flow_class))


def run_class(flow_class: type[FlowSpec], parameters: Mapping[str, Any]) -> Any:
    """`PetsFlow.run(alpha=3)` from Python. Returns the `Run`; raises RunFailed when it did not succeed."""
    from penstock.cli import run_from_python

    return run_from_python(flow_class, parameters)
