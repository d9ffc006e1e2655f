"""A job as a request to SubmitJob. Pure."""

from __future__ import annotations

import json
import math

from penstock.errors import JobRejected
from penstock_aws_batch.definition import pairs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from penstock.contracts.executor import Job
    from penstock_aws_batch.plugin import BatchOptions

OVERRIDES_BYTES = 8192  # AWS's limit on containerOverrides
# AWS Batch leaves out variables that are empty: sets them, then becomes the command itself
_EMPTY = "import os,sys;os.environ.update(dict.fromkeys(sys.argv[1].split(','),''));os.execvp(sys.argv[2],sys.argv[2:])"
SHORTEST_S = 60  # AWS's least attemptDurationSeconds


def submission(job: Job, options: BatchOptions, definition: str, tags: Mapping[str, str]) -> dict[str, Any]:
    """The request. definition: ARN. Raises JobRejected for a command that is too long for AWS Batch."""
    overrides = {"command": _command(job, options.executable)}
    size = len(json.dumps(overrides, ensure_ascii=False).encode("utf-8", "surrogatepass"))
    if size > OVERRIDES_BYTES:
        raise JobRejected(
            f"the command of the job is {size} bytes, more than the {OVERRIDES_BYTES} that AWS Batch takes",
            hint="put long values into an artifact or a file, and pass its name",
        )
    request: dict[str, Any] = {
        "jobName": job.name,
        "jobQueue": options.queue,
        "jobDefinition": definition,
        "containerOverrides": overrides,
        "tags": {key: _tag(value) for key, value in tags.items()} | pairs(options.aws_batch_tags, "aws_batch_tags"),
        "propagateTags": True,
    }
    if job.timeout_s is not None:
        request["timeout"] = {"attemptDurationSeconds": max(SHORTEST_S, math.ceil(job.timeout_s))}
    if options.share_identifier is not None:
        request["shareIdentifier"] = options.share_identifier
    if options.scheduling_priority is not None:
        request["schedulingPriorityOverride"] = options.scheduling_priority
    return request


def _command(job: Job, executable: str) -> list[str]:
    command = [executable if word == "python3" else word for word in job.command[:1]] + list(job.command[1:])
    empty = sorted(name for name, value in job.environment.items() if not value)
    return [executable, "-c", _EMPTY, ",".join(empty), *command] if empty else command


def _tag(value: str) -> str:
    """A value that a tag may have: letters, digits, spaces and `_.:/=+-@`, at most 256 of them."""
    return "".join(one if one.isalnum() or one in " _.:/=+-@" else "-" for one in value)[:256]
