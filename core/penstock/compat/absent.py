"""What Metaflow has and penstock has not, with what to do instead: told where somebody imports it."""

from __future__ import annotations

_NOT_YET = "leave it out: it is not part of this version"
ABSENT = {
    "Config": "use Parameter(..., type=JSONType)",
    "S3": "use boto3 in the step",
    "batch": "choose where a run executes: --executor=...",
    "card": "leave it out, and look at artifacts by `flow show RUN/STEP/TASK`; `flow run --metaflow` passes over it",
    "conda": "install what the flow needs into the environment that runs it",
    "conda_base": "install what the flow needs into the environment that runs it",
    "kubernetes": "choose where a run executes: --executor=...",
    "pypi": "install what the flow needs into the environment that runs it",
    "pypi_base": "install what the flow needs into the environment that runs it",
    "schedule": "start `flow run` by cron or whatever starts things where you work",
    "secrets": "read variables of the environment in the step",
    "trigger": _NOT_YET,
    "trigger_on_finish": _NOT_YET,
    "Deployer": _NOT_YET,
    "NBRunner": "PetsFlow.run(alpha=3) runs a flow that is imported, Runner(FILE) one in a file",
}
