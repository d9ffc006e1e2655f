"""`--detach`: a run whose driver is a job itself. It is handed over, and whoever started it may go.

The job is a bare interpreter like any other. What it fetches holds, beside penstock, the plugins of the chosen backends
and what those need of other packages; it then does what `flow continue` does (`cli/driver_job.py`).
"""

from __future__ import annotations

from penstock.contracts.executor import Job, RunInfo
from penstock.errors import PenstockError, SettingsError
from penstock.plugin import KINDS
from penstock.registry import READY
from penstock.running.lease import hold_for_job
from penstock.running.orders import driver_job_name
from penstock.running.outcome import RunResult, end_run
from penstock.storage import archive, records
from penstock.values import FAILED, RUNNING, Resources

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from penstock.home import Home
    from penstock.running.driver import Console, Driver
    from penstock.running.placement import StepPlan

MAIN = "penstock.cli.driver_job"  # what the job runs
PACKAGES = ("click", "pluggy")  # of a driver, beside those of a worker
NEEDS = Resources(cpu=1, memory_mb=1024)


def check_detachable(home: Home) -> None:
    """Raises SettingsError where no job of the chosen executor can drive a run."""
    name = home.settings.executor
    if not home.executor_class(name).runs_drivers:
        raise SettingsError(
            f"no job of {name} can drive a run", where="--detach", hint="leave --detach out, or take another --executor"
        )


def hand_over(home: Home, driver: Driver, header: Mapping[str, Any], console: Console) -> RunResult:
    """Start the job that drives the run. Where it can't be started the run has failed; raises what the executor did."""
    flow, run, name = header["flow"], header["run"], home.settings.executor
    options = home.settings.options("executor", name)
    executor = home.executor(name, RunInfo(flow=flow, run=run, user=header["user"], note=console.note), options)
    try:
        store = {"datastore": home.settings.datastore, "options": home.target("datastore")[1]}
        launch = {"main": MAIN, "flow": flow, "run": run, **store}
        files = archive.runtime(_packages(home, driver.steps.values())) | dict(executor.driver_files())
        runtime = archive.pack(files, _announcements(home))
        job = Job(
            name=driver_job_name(flow, run),
            message="",
            command=archive.command(
                home.datastore, archive.put_launch(home.datastore, launch, runtime=runtime, code=archive.pack({})), ""
            ),
            environment={"PENSTOCK_USER": header["user"]},
            resources=NEEDS,
        )
        handle = executor.submit_driver(job)
    except PenstockError as error:
        end_run(home, header, FAILED, records.new_token(), f"its driver could not be started: {error}", console.note)
        raise
    finally:
        executor.close()
    hold_for_job(home.datastore, flow, run, header["user"], f"the job {handle} of {name}")
    driver.write_run_id(run)
    console.note(f"driven by the job {handle} of {name}; flow cancel {flow}/{run}   # ends it")
    return RunResult(
        flow=flow, run=run, outcome=RUNNING, failed=(), counts={}, reused=0, begun=True, wall_s=0.0,
        file=header["file"], exit_code=0,
    )  # fmt: skip


def _packages(home: Home, steps: Iterable[StepPlan]) -> set[str]:
    """Import packages of every backend that the driver opens."""
    chosen = [home.registry.choose(kind, getattr(home.settings, kind)) for kind in KINDS]
    chosen += [home.registry.default(kind) for kind in KINDS]
    chosen += [home.registry.choose("executor", name) for name in {step.executor for step in steps}]
    return {*PACKAGES, *home.datastore.packages(), *(backend.target.partition(".")[0] for backend in chosen)}


def _announcements(home: Home) -> dict[str, bytes]:
    """The entry points of the plugins that can be used, as the registry of the job finds them."""
    found: dict[str, list[str]] = {}
    for plugin in home.registry.plugins():
        if plugin.state == READY:
            entry = plugin.entry
            inside = f"{entry.distribution.replace('-', '_')}-{entry.version}.dist-info/entry_points.txt"
            found.setdefault(inside, ["[penstock]"]).append(f"{entry.name} = {entry.module}")
    return {inside: "\n".join([*lines, ""]).encode("ascii") for inside, lines in sorted(found.items())}
