"""Who calls, and whether an IAM policy lets them: actions, resources with globs, explicit denial. Conditions are not
looked at."""

from __future__ import annotations

import fnmatch
import re
from collections import Counter
from typing import Any

from plugins.aws_batch.tests.endpoint.jobs import ACCOUNT


class Denied(Exception):
    """AWS's sentence on it. code: the type of the error."""

    def __init__(self, message: str, code: str = "AccessDeniedException") -> None:
        super().__init__(message)
        self.code = code


class Gate:
    """Lets calls in, and counts them by action. policies: see `Switches`; expired: access keys that were good once."""

    def __init__(self, launcher_key: str) -> None:
        self.calls: Counter[tuple[str, str]] = Counter()  # (principal, action)
        self.keys = {launcher_key: "launcher"}
        self.expired: set[str] = set()

    def principal(self, authorization: str) -> str:
        """Whose key signed the request. Raises Denied for one that nobody has."""
        found = re.search(r"Credential=([^/]+)/", authorization)
        if found is not None and found[1] in self.expired:
            raise Denied("The security token included in the request is expired", "ExpiredTokenException")
        if found is None or found[1] not in self.keys:
            raise Denied("The security token included in the request is invalid.")
        return self.keys[found[1]]

    def arn(self, principal: str) -> str:
        """As AWS names it."""
        if principal == "launcher":
            return f"arn:aws:iam::{ACCOUNT}:user/launcher"
        return f"arn:aws:sts::{ACCOUNT}:assumed-role/{principal}/job"

    def pass_(
        self, policies: dict[str, list[dict[str, Any]]] | None, principal: str, action: str, resources: list[str]
    ) -> None:
        """Count the call. Raises Denied."""
        self.calls[principal, action] += 1
        if policies is None:
            return
        for resource in resources or ["*"]:
            found = [
                statement["Effect"]
                for policy in policies.get(principal, ())
                for statement in policy["Statement"]
                if _matches(statement["Action"], action.lower()) and _matches(statement["Resource"], resource.lower())
            ]
            if "Deny" in found or "Allow" not in found:
                raise Denied(
                    f"User: {self.arn(principal)} is not authorized to perform: {action} on resource: {resource}"
                )


def _matches(globs: str | list[str], text: str) -> bool:
    several = [globs] if isinstance(globs, str) else globs
    return any(fnmatch.fnmatchcase(text, one.lower()) for one in several)
