"""The executor `aws-batch`: each task as a job of AWS Batch. What it can be told is `BatchOptions`."""

from __future__ import annotations

from dataclasses import dataclass

from penstock.plugin import Backend, hookimpl, option

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True)
class BatchOptions:
    """Where jobs go, what they run in, and what they get. Sizes are MiB unless a name says otherwise.

    What a step needs it says by `@resources`, or by the same words in `@batch`.
    """

    queue: str | None = option(None, help="Job queue: its name or ARN.")
    image: str | None = option(None, help="Image of the jobs; default: python:X.Y-slim of this Python.")
    driver_role: str | None = option(None, help="Role of a job that drives a run (--detach); default: iam_role.")
    executable: str = option("python3", help="Interpreter in the image that runs the tasks.")
    iam_role: str | None = option(None, help="Role that the jobs have: it must reach the datastore.")
    execution_role: str | None = option(None, help="Role that starts the jobs; needed on Fargate.")
    default_cpu: float = option(1.0, help="vCPUs of a step that asks for none.")
    default_memory: int = option(4096, help="Memory of a step that asks for none, in MiB.")
    max_swap: int | None = option(None, help="Swap of a job in MiB.")
    swappiness: int | None = option(None, help="How readily the job swaps, 0 to 100.")
    use_tmpfs: bool = option(False, help="Mount memory as a file system.")
    tmpfs_size: int | None = option(None, help="Size of it in MiB; default: half of the job's memory.")
    tmpfs_path: str = option("/penstock_temp", help="Where it is mounted.")
    tmpfs_tempdir: bool = option(True, help="Temporary files go there.")
    inferentia: int | None = option(None, help="Inferentia chips of a job.")
    trainium: int | None = option(None, help="Trainium chips of a job.")
    efa: int | None = option(None, help="Elastic fabric adapters of a job.")
    host_volumes: tuple[str, ...] = option((), help="Folders of the instance: /path or /path:/inside; not on Fargate.")
    efs_volumes: tuple[str, ...] = option((), help="EFS file systems: fs-ID or fs-ID:/inside.")
    ephemeral_storage: int | None = option(None, help="Disk of a Fargate job in GiB, 21 to 200.")
    privileged: bool = option(False, help="Give the container the rights of its host.")
    public_ip: bool = option(True, help="A Fargate job has a public address, by which it pulls its image.")
    log_driver: str | None = option(None, help="Where the container's output goes; default: awslogs.")
    log_options: tuple[str, ...] = option((), help="Options of the log driver: key=value.")
    aws_batch_tags: tuple[str, ...] = option((), help="Further tags of the jobs: key=value.")
    share_identifier: str | None = option(None, help="Share of a queue that has a fair-share policy.")
    scheduling_priority: int | None = option(None, help="Priority within that share.")
    region: str | None = option(None, help="AWS region; default: the SDK's.")
    profile: str | None = option(None, help="Profile of ~/.aws; default: the SDK's.")
    poll_s: float = option(3.0, help="How often jobs are asked for, in seconds.")


@hookimpl
def penstock_backends() -> Iterator[Backend]:
    """One executor."""
    yield Backend(
        kind="executor",
        name="aws-batch",
        contract=1,
        summary="Each task as a job of AWS Batch.",
        options=BatchOptions,
        target="penstock_aws_batch.executor:BatchExecutor",
        decorator="batch",
    )
