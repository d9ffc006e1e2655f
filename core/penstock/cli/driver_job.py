"""A driver in a job, which `flow run --detach` started: what `flow continue` does, and no terminal."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import time

from penstock.errors import PenstockError, RunDriven

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# The platform may start it again after it lost its host: its dead predecessor still counts as alive for a minute
PREDECESSOR_S, LOOK_AGAIN_S = 120.0, 5.0


def main(launch: dict[str, Any], folder: str, message: str) -> None:  # noqa: ARG001 - as every job is called
    """Drive the run of `launch` to its end, and exit as `flow run` would."""
    own = [sys.path[0]]  # where the loader has put penstock: for the hosts that it starts
    os.environ["PYTHONPATH"] = os.pathsep.join(own + [one for one in (os.environ.get("PYTHONPATH"),) if one])
    try:
        code = _drive(launch)
    except PenstockError as error:
        print(f"error: {error.in_one_line}", file=sys.stderr)
        code = error.exit_code
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    raise SystemExit(code)


def _drive(launch: dict[str, Any]) -> int:
    from penstock.authoring.graph import Graph
    from penstock.cli.console import PlainConsole
    from penstock.home import Home
    from penstock.registry import Registry
    from penstock.running.continuation import continue_run
    from penstock.running.header import read_header

    flow, run, registry = launch["flow"], launch["run"], Registry()
    owner = registry.choose("datastore", launch["datastore"]).name
    flags = {"datastore": launch["datastore"], **{f"{owner}.{name}": v for name, v in launch["options"].items()}}
    with contextlib.closing(Home.open(flags, registry=registry)) as found:
        header = read_header(found.datastore, flow, run)
    console = PlainConsole(Graph.of(header["graph"]), live=False)
    until = time.monotonic() + PREDECESSOR_S
    while True:
        home = Home.open(flags, registry=registry, recorded=header["settings"])
        try:
            return continue_run(home, flow, run, console, typed=False, for_job=True).exit_code
        except RunDriven:
            if time.monotonic() > until:
                raise
            time.sleep(LOOK_AGAIN_S)
        finally:
            home.close()
