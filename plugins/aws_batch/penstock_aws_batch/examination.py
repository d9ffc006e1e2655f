"""What `flow doctor` says of an account: identity, queue, roles, image; each with what to type next."""

from __future__ import annotations

import json
import re

from penstock.contracts.finding import BAD, DOUBTFUL, Finding
from penstock.errors import BackendMisconfigured
from penstock_aws_batch.instances import instances_of, largest
from penstock_aws_batch.queue import find_queue, named_queue
from penstock_aws_batch.service import Refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from penstock_aws_batch.plugin import BatchOptions
    from penstock_aws_batch.queue import Queue
    from penstock_aws_batch.service import Service

STARTS_JOBS = "ecs-tasks.amazonaws.com"  # whom the roles of a job must trust
_ECR = re.compile(r"(\d{12})\.dkr\.ecr\.([a-z0-9-]+)\.amazonaws\.com/([^:@]+)(?::([^@]+))?(?:@(sha256:.+))?")


def examine(service: Service, options: BatchOptions, image: str) -> Iterator[Finding]:
    """Raises BackendMisconfigured where the rest would be pointless: no credentials, no region, no queue."""
    yield Finding("identity", service.call("sts", "get_caller_identity")["Arn"])
    queue = find_queue(service, named_queue(options))
    kind = "Fargate" if queue.fargate else "instances"
    limit = "" if queue.most_vcpus is None else f", {queue.most_vcpus} vCPUs at most"
    yield Finding("queue", f"{queue.name} takes jobs; {', '.join(queue.environments)} runs them on {kind}{limit}")
    if not queue.fargate:
        yield _instances(service, queue)
    yield _role(service, "iam_role", options.iam_role, "jobs have no role of their own: they reach what instances do")
    if options.execution_role or queue.fargate:
        yield _role(service, "execution_role", options.execution_role, "a job on Fargate needs a role that starts it")
    yield _image(service, image)


def _instances(service: Service, queue: Queue) -> Finding:
    there = instances_of(service, queue)
    if there is not None:
        return Finding("instances", f"the largest is {largest(there, gpus=False)}, of {len(there)} types")
    named = ", ".join(queue.instance_types) or "none named"
    return Finding("instances", f"{named}: whether a step's @resources fit is known once its job waits")


def _role(service: Service, option: str, arn: str | None, absent: str) -> Finding:
    flag = f"--aws-batch-{option.replace('_', '-')}=arn:aws:iam::ACCOUNT:role/NAME"
    if arn is None:
        return Finding(option, absent, BAD if option == "execution_role" else DOUBTFUL, flag)
    try:
        role = service.call("iam", "get_role", RoleName=arn.rpartition("/")[2])["Role"]
    except Refused as error:
        return Finding(option, f"{arn}: {error}", BAD, flag)
    except BackendMisconfigured as error:
        return Finding(option, f"{arn} can't be looked at: {error}", DOUBTFUL, "iam:GetRole   # is missing")
    trusted = role.get("AssumeRolePolicyDocument", {})
    if STARTS_JOBS not in json.dumps(trusted):
        hint = f"aws iam update-assume-role-policy --role-name {role['RoleName']} ...   # trust {STARTS_JOBS}"
        return Finding(option, f"{arn} can't be taken by jobs: it does not trust {STARTS_JOBS}", BAD, hint)
    return Finding(option, f"{arn} can be taken by jobs")


def _image(service: Service, image: str) -> Finding:
    """Only Amazon's own registry can be asked without pulling."""
    found = _ECR.fullmatch(image)
    if found is None:
        return Finding("image", f"{image} is pulled when a job starts; its registry can't be asked from here")
    account, _, repository, tag, digest = found.groups()
    which = {"imageDigest": digest} if digest else {"imageTag": tag or "latest"}
    try:
        service.call("ecr", "describe_images", registryId=account, repositoryName=repository, imageIds=[which])
    except Refused as error:
        hint = f"aws ecr describe-images --registry-id {account} --repository-name {repository}   # what is there"
        return Finding("image", f"{image} is not there: {error}", BAD, hint)
    except BackendMisconfigured as error:
        return Finding("image", f"{image} can't be looked at: {error}", DOUBTFUL, "ecr:DescribeImages   # is missing")
    return Finding("image", f"{image} is there")
