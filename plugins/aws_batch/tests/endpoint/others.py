"""CloudWatch Logs, ECR, STS, IAM and EC2, as far as a launcher asks them."""

from __future__ import annotations

import fnmatch
from collections import Counter
from typing import Any

from plugins.aws_batch.tests.endpoint.batch import Batch, Refused
from plugins.aws_batch.tests.endpoint.jobs import ACCOUNT

GROUP = "/aws/batch/job"


class Logs:
    """Reads the streams of attempts."""

    def __init__(self, batch: Batch) -> None:
        self._batch = batch
        self._asked: Counter[str] = Counter()

    def GetLogEvents(self, request: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        stream = request["logStreamName"]
        events = self._batch.events(stream)
        if request.get("logGroupName", GROUP) != GROUP or events is None:
            raise Refused("The specified log stream does not exist.", "ResourceNotFoundException")
        self._asked[stream] += 1
        if self._asked[stream] <= self._batch.switches.late_logs:
            events = []
        limit = request.get("limit", 10_000)
        token = request.get("nextToken")
        if token is not None:
            start = int(token.rpartition("/")[2])
        else:
            start = 0 if request.get("startFromHead") else max(0, len(events) - limit)
        page = events[start : start + limit]
        after = start + len(page)  # the same token again is how the end is said
        return {"events": page, "nextForwardToken": f"f/{after}", "nextBackwardToken": f"b/{start}"}


class Registry:
    """Of container images. images: `repository:tag`."""

    def __init__(self) -> None:
        self.images: set[str] = set()

    def DescribeImages(self, request: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        name, tag = request["repositoryName"], request["imageIds"][0]["imageTag"]
        if f"{name}:{tag}" not in self.images:
            message = f"The image with imageId {{imageTag:'{tag}'}} does not exist within the repository '{name}'"
            raise Refused(message, "ImageNotFoundException")
        return {"imageDetails": [{"repositoryName": name, "imageTags": [tag]}]}


def identity(arn: str) -> str:
    """GetCallerIdentity, as XML."""
    return (
        '<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>'
        f"<Arn>{arn}</Arn><UserId>AIDAEXAMPLE</UserId><Account>{ACCOUNT}</Account></GetCallerIdentityResult>"
        "<ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></GetCallerIdentityResponse>"
    )


def role(name: str, trusted: str) -> str:
    """GetRole, as XML."""
    document = (
        f'%7B%22Statement%22%3A%5B%7B%22Effect%22%3A%22Allow%22%2C%22Principal%22%3A%7B%22Service%22%3A%22{trusted}'
        '%22%7D%2C%22Action%22%3A%22sts%3AAssumeRole%22%7D%5D%7D'
    )
    return (
        '<GetRoleResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><GetRoleResult><Role><Path>/</Path>'
        f"<RoleName>{name}</RoleName><RoleId>AROAEXAMPLE</RoleId><Arn>arn:aws:iam::{ACCOUNT}:role/{name}</Arn>"
        f"<CreateDate>2026-01-01T00:00:00Z</CreateDate><AssumeRolePolicyDocument>{document}</AssumeRolePolicyDocument>"
        "</Role></GetRoleResult><ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></GetRoleResponse>"
    )


def instance_types(asked: list[str], most: tuple[int, int, int]) -> str:
    """DescribeInstanceTypes, as XML: a small one, and the largest that there is. asked: names, with `*`."""
    rows = []
    for name, (vcpus, memory_mb, gpus) in {"c7i.large": (2, 4096, 0), "m7i.48xlarge": most}.items():
        if any(fnmatch.fnmatchcase(name, glob) for glob in asked):
            chips = f"<gpuInfo><gpus><item><count>{gpus}</count></item></gpus></gpuInfo>" if gpus else ""
            rows.append(
                f"<item><instanceType>{name}</instanceType><vCpuInfo><defaultVCpus>{vcpus}</defaultVCpus></vCpuInfo>"
                f"<memoryInfo><sizeInMiB>{memory_mb}</sizeInMiB></memoryInfo>{chips}</item>"
            )
    return (
        '<DescribeInstanceTypesResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><requestId>1</requestId>'
        f"<instanceTypeSet>{''.join(rows)}</instanceTypeSet></DescribeInstanceTypesResponse>"
    )
