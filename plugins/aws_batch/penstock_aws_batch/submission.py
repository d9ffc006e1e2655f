"""A job as a request to SubmitJob. Pure."""

from __future__ import annotations

import base64
import json
import math
import zlib

from penstock.errors import JobRejected
from penstock.values import MAIN_ADDRESS_VARIABLE
from penstock_aws_batch.definition import pairs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from penstock.contracts.executor import Job
    from penstock_aws_batch.plugin import BatchOptions

OVERRIDES_BYTES = 8192  # AWS's limit on containerOverrides
# AWS Batch leaves out variables that are empty: sets them, then becomes the command itself
_EMPTY = "import os,sys;os.environ.update(dict.fromkeys(sys.argv[1].split(','),''));os.execvp(sys.argv[2],sys.argv[2:])"
# What a node does: says where the first one is, which that one knows by its own name, and becomes its command
_NODE = (
    "import base64,json,os,socket,sys,zlib;e=os.environ;"
    "i=e.get('AWS_BATCH_JOB_MAIN_NODE_PRIVATE_IPV4_ADDRESS');n=int(e['AWS_BATCH_JOB_NODE_INDEX']);"
    f"e['{MAIN_ADDRESS_VARIABLE}']=i or socket.gethostbyname(socket.gethostname());"
    "a=sys.argv[2:]+json.loads(zlib.decompress(base64.b85decode(sys.argv[1])))[n];os.execvp(a[0],a)"
)
SHORTEST_S = 60  # AWS's least attemptDurationSeconds
# A parameter that no command refers to: AWS Batch keeps it, and DescribeJobs tells it. A tag would be on the bill, and
# holds 256 characters. Packed, so that as many names as OVERRIDES_BYTES lets nodes be fit into the 30 KiB of a request.
NODES = "penstock.nodes"


def submission(job: Job, options: BatchOptions, definition: str, tags: Mapping[str, str]) -> dict[str, Any]:
    """The request. definition: ARN. Raises JobRejected for a command that is too long for AWS Batch."""
    overrides = _overrides(_command(job, options.executable), "put long values into an artifact or a file")
    return {**_common(job, options, definition, tags), "jobName": job.name, "containerOverrides": overrides}


def nodes_name(lead: str) -> str:
    """Of the one job whose nodes the jobs of a gang are."""
    return f"{lead}-nodes"


def names_of_nodes(said: Mapping[str, Any]) -> list[str]:
    """The names of a gang's jobs, by index, of what DescribeJobs says of their one job; empty where it tells none."""
    packed = said.get("parameters", {}).get(NODES, "")
    return zlib.decompress(base64.b64decode(packed)).decode("ascii").split() if packed else []


def nodes_submission(
    jobs: Sequence[Job], options: BatchOptions, definition: str, tags: Mapping[str, str]
) -> dict[str, Any]:
    """The request for jobs that run side by side, as the nodes of one job.

    All of them get the same command: what theirs have in common, and the rest of each packed, of which a node takes its
    own. Raises JobRejected where that is too long.
    """
    commands = [_command(job, options.executable) for job in jobs]
    same = next((at for at, words in enumerate(zip(*commands, strict=True)) if len(set(words)) > 1), len(commands[0]))
    rest = zlib.compress(json.dumps([words[same:] for words in commands]).encode("ascii"), 9)
    command = [options.executable, "-c", _NODE, base64.b85encode(rest).decode("ascii"), *commands[0][:same]]
    overrides = _overrides(command, f"fewer nodes than {len(jobs)}")
    every = {"targetNodes": "0:", "containerOverrides": overrides}
    names = zlib.compress(" ".join(job.name for job in jobs).encode("ascii"), 9)
    return {
        **_common(jobs[0], options, definition, tags),
        "jobName": nodes_name(jobs[0].name),
        "parameters": {NODES: base64.b64encode(names).decode("ascii")},
        "nodeOverrides": {"numNodes": len(jobs), "nodePropertyOverrides": [every]},
    }


def _overrides(command: list[str], hint: str) -> dict[str, Any]:
    overrides = {"command": command}
    size = len(json.dumps(overrides, ensure_ascii=False).encode("utf-8", "surrogatepass"))
    if size > OVERRIDES_BYTES:
        raise JobRejected(
            f"the command of the job is {size} bytes, more than the {OVERRIDES_BYTES} that AWS Batch takes", hint=hint
        )
    return overrides


def _common(job: Job, options: BatchOptions, definition: str, tags: Mapping[str, str]) -> dict[str, Any]:
    request: dict[str, Any] = {
        "jobQueue": options.queue,
        "jobDefinition": definition,
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
