"""The header of a run: who runs what, since when, with which code and settings. Put once, when the run begins."""

from __future__ import annotations

import os
import sys
import time

from penstock.authoring import projects
from penstock.errors import NotFound
from penstock.storage import archive, keys, records
from penstock.user_name import user_name
from penstock.values import run_id, run_id_after

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from penstock.contracts.datastore import Datastore
    from penstock.home import Home
    from penstock.host.declaration import Declaration
    from penstock.running.placement import StepPlan
    from penstock.running.wishes import Wishes
    from penstock.storage.keys import At


def make_header(
    home: Home,
    declaration: Declaration,
    steps: Mapping[str, StepPlan],
    wishes: Wishes,
    *,
    parameters: Mapping[str, str],
    origin: str | None,
    git: dict[str, Any] | None,
    awaited: Mapping[tuple[str, str], At],
) -> dict[str, Any]:
    """All that a reader or `continue` needs to know; the run has no id yet. Puts the code into the store."""
    datastore, settings = home.datastore, home.settings
    elsewhere = any(not home.executor_class(s.executor).uses_hosts for s in steps.values())
    suffixes = (*archive.DEFAULT_SUFFIXES, *(settings.package_suffixes or ()))
    files = (
        archive.code_elsewhere(declaration.file, suffixes)
        if elsewhere
        else archive.code_here(declaration.file, [*declaration.modules, *declaration.later])
    )
    user = user_name(declaration.environ)
    namespace = f"user:{user}" if wishes.namespace is None else wishes.namespace or None
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    found = projects.facts(declaration.project, declaration.flow, user, settings.branch, settings.production)
    return {
        "flow": declaration.flow,
        "run": "",
        "token": records.new_token(),
        "user": user,
        "started_s": time.time(),
        "file": declaration.file,
        "code": archive.put(datastore, archive.pack(files)),
        "graph": declaration.graph.data(),
        "parameters": dict(parameters),
        "tags": list(wishes.tags),
        "system_tags": [f"user:{user}", f"python:{python}", *projects.system_tags(found)],
        "project": found,
        "namespace": namespace,
        "alias": declaration.alias,
        "added": declaration.added,
        "origin": origin,
        "awaited": [at[2:] for at in awaited.values()],
        "settings": home.recorded(),
        "executor_for": {step: list(chosen) for step, chosen in wishes.executor_for.items()},
        "on_failure": wishes.on_failure,
        "max_workers": wishes.max_workers,
        "max_num_splits": wishes.max_num_splits,
        "git": git,
        "python": ".".join(map(str, sys.version_info[:3])),
        "packages": declaration.packages,
        "host": os.uname().nodename,
        "pid": os.getpid(),
        "argv": sys.argv,
    }


def claim_header(datastore: Datastore, header: dict[str, Any]) -> str:
    """Put the header under a new id, which is returned; the exclusive put decides whose id it is."""
    run = run_id(header["started_s"])
    while True:
        header["run"] = run
        if records.claim(datastore, keys.run_header(header["flow"], run), "run", header)[0]:
            return run
        run = run_id_after(run)


def read_header(datastore: Datastore, flow: str, run: str) -> dict[str, Any]:
    """The header of a run. Raises NotFound."""
    header = records.read(datastore, keys.run_header(flow, run))
    if header is None:
        raise NotFound(f"{flow}/{run} has no readable header in {datastore.label}", hint=f"flow runs {flow}")
    return header
