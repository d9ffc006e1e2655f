"""Go on with a run after its scheduler died: the same run, its archived code, whatever its records say is done."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil

from penstock.errors import UsageError
from penstock.host.flow_file import FlowFile
from penstock.running.driver import Driver
from penstock.running.header import read_header
from penstock.running.history import known_of, records_of
from penstock.running.launch import declare
from penstock.running.lease import Lease
from penstock.running.placement import step_plans
from penstock.running.wishes import Wishes
from penstock.storage import archive, keys, records
from penstock.user_name import user_name
from penstock.values import Pathspec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from penstock.contracts.datastore import Datastore
    from penstock.home import Home
    from penstock.running.driver import Console
    from penstock.running.launch import Opened
    from penstock.running.outcome import RunResult


def continue_run(
    home: Home,
    flow: str,
    run: str,
    console: Console,
    *,
    takeover: bool = False,
    max_workers: int | None = None,
    typed: bool = True,
    for_job: bool = False,
) -> RunResult:
    """Go on with a run whose scheduler died, with its archived code.

    home: opened with the run's recorded settings (`read_header` has them). typed: somebody asks for it now, and takes
    back what was asked before: that it shall end. for_job: this is the job that shall drive it.
    Raises UsageError when it has ended, RunDriven when somebody drives it.
    """
    datastore = home.datastore
    header = read_header(datastore, flow, run)
    _refuse_ended(datastore, header)
    own = Lease(datastore, flow, run, user_name())
    own.take(takeover=takeover, for_job=for_job)
    try:
        _refuse_ended(datastore, header)  # while this one waited for the lock
        if typed:
            datastore.delete([keys.cancel(flow, run)])
        wishes = Wishes(
            tags=header["tags"],
            max_workers=max_workers or header["max_workers"],
            max_num_splits=header.get("max_num_splits"),
            on_failure=header["on_failure"],
            executor_for={step: (name, options) for step, (name, options) in header["executor_for"].items()},
        )
        with _declared(home, header, console) as opened:
            steps = step_plans(opened.declaration.graph, home, wishes.executor_for)
            driver = Driver(home, opened.declaration, steps, wishes, console)
            known, past = known_of(records_of(datastore, flow, run))
            console.started(Pathspec(flow, run), home.settings.executor, datastore.label)
            awaited = {
                (step, place): (flow, header["origin"], step, place, number)
                for step, place, number in header.get("awaited", ())
            }
            return driver.drive(
                own, header, opened.host, known=known, past=past, awaited=awaited, continues=True
            )
    finally:
        own.release()


def _refuse_ended(datastore: Datastore, header: Mapping[str, Any]) -> None:
    flow, run = header["flow"], header["run"]
    ended = records.read(datastore, keys.run_outcome(flow, run))
    if ended is not None:
        file = shlex.quote(header["file"])
        raise UsageError(
            f"{flow}/{run} has ended: {ended['outcome']}", hint=f"flow resume {file} --origin-run-id={run}"
        )


@contextlib.contextmanager
def _declared(home: Home, header: Mapping[str, Any], console: Console) -> Iterator[Opened]:
    """The run's own code, in a host: under the paths that it had; in a private folder where theirs is no more."""
    file, data = header["file"], archive.get(home.datastore, header["code"])
    read = FlowFile(file, header["flow"], alias=header.get("alias", ""), added=header.get("added", ()))
    if os.path.isdir(os.path.dirname(file)):
        for changed in _changed(archive.files(data), file):
            console.note(f"{changed} has changed since; the run goes on with the code that it began with")
        target, options = home.target("datastore")
        opened = {"datastore": {"target": target, "options": options}, "code": header["code"]}
        with declare(read.of_run(opened)) as found:
            yield found
        return
    folder = archive.private_folder(data, "penstock-continue-")
    read.path, read.copy_of = os.path.join(folder, os.path.basename(file)), file
    try:
        with declare(read) as found:
            yield found
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _changed(archived: Mapping[str, bytes], file: str) -> Iterator[str]:
    """Files beside the flow file that are no longer what the archive has."""
    folder = os.path.dirname(file)
    for inside, content in archived.items():
        path = os.path.join(folder, inside)
        try:
            with open(path, "rb") as there:
                same = there.read() == content
        except OSError:
            same = False
        if not same:
            yield path
