"""What CloudWatch kept of a job's output."""

from __future__ import annotations

import time

from penstock_aws_batch.service import Refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from penstock_aws_batch.service import Service

GROUP = "/aws/batch/job"  # where Batch writes unless a definition says otherwise
_LOOKS, _LOOK_AGAIN_S = 3, 1.0  # the last lines arrive some seconds after the end


def read(service: Service, said: Mapping[str, Any]) -> Iterator[bytes]:
    """Lines of the stream of a job, from an element of DescribeJobs; nothing where there is no stream."""
    container = said.get("container", {})
    stream = container.get("logStreamName")
    if not stream:
        return
    group = container.get("logConfiguration", {}).get("options", {}).get("awslogs-group", GROUP)
    token: dict[str, Any] = {}
    for look in range(_LOOKS):
        if look:
            time.sleep(_LOOK_AGAIN_S)
        seen = False
        while True:
            try:
                answer = service.call(
                    "logs", "get_log_events", logGroupName=group, logStreamName=stream, startFromHead=True, **token
                )
            except Refused:
                break  # it is not there yet
            for event in answer["events"]:
                seen = True
                yield event["message"].encode("utf-8") + b"\n"
            if token.get("nextToken") == answer["nextForwardToken"]:
                break  # the same token again is the end
            token = {"nextToken": answer["nextForwardToken"]}
        if seen:
            return
