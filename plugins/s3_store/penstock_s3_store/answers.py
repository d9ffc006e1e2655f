"""What a store says when it refuses, and what that means for the user. Pure.

Source: "Error responses" of the S3 API reference.
"""

from __future__ import annotations

import re
from html import unescape

from penstock.errors import BackendError, BackendMisconfigured, BackendUnavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from penstock_s3_store.location import Location

AGAIN_STATUSES = frozenset({429, 500, 502, 503, 504})
AGAIN_CODES = frozenset({
    "RequestTimeout", "SlowDown", "InternalError", "ServiceUnavailable", "ThrottlingException", "OperationAborted",
    "ConditionalRequestConflict", "BadDigest", "IncompleteBody", "XAmzContentSHA256Mismatch",
})  # fmt: skip
OLD_CREDENTIALS = frozenset({"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "RequestExpired"})
SKEW = frozenset({"RequestTimeTooSkewed"})
_UNKNOWN_KEY = frozenset({"InvalidAccessKeyId", "InvalidClientTokenId"})
_FIELD = re.compile(r"<(Code|Message|Region|ArgumentName)>([^<]*)</")
_WHO = re.compile(r"User: (\S+) is not authorized to perform: (\S+)(?: on resource: \"?([^\s\"]+))?")

ACTIONS = {  # method and what is asked for -> action of a policy
    "PUT": "s3:PutObject", "POST": "s3:PutObject", "GET": "s3:GetObject", "HEAD": "s3:GetObject",
    "LIST": "s3:ListBucket", "DELETE": "s3:DeleteObject", "COPY": "s3:PutObject",
    "ABORT": "s3:AbortMultipartUpload",
}  # fmt: skip


class Refusal:
    """An answer that is no success. code: S3's word for it; region: where the bucket is, if the answer tells."""

    __slots__ = ("code", "message", "region", "status")

    def __init__(self, status: int, code: str = "", message: str = "", region: str = "") -> None:
        self.status, self.code, self.message, self.region = status, code, message, region

    @classmethod
    def of(cls, status: int, body: bytes, region: str = "") -> Refusal:
        """From an answer's body, which may be XML, something else, or nothing."""
        found = {name: unescape(text) for name, text in _FIELD.findall(body[:65536].decode("utf-8", "replace"))}
        return cls(status, found.get("Code", ""), found.get("Message", ""), region or found.get("Region", ""))

    @property
    def again(self) -> bool:
        """Whether the same request may succeed a moment later."""
        return self.status in AGAIN_STATUSES or self.code in AGAIN_CODES

    def error(self, location: Location, kind: str, name: str, key: str, region: str) -> BackendError:
        """What the user reads. kind: one of `ACTIONS`; name: of the object; key: the access key that signed."""
        where = f"{location.url}" + (f" at {location.endpoint}" if location.endpoint else "")
        said = f"{self.code or self.status}" + (f": {self.message}" if self.message else "")
        if self.code == "NoSuchBucket":
            at = f" --endpoint-url={location.endpoint}" if location.endpoint else f" --region={region}"
            return BackendMisconfigured(
                f"there is no bucket {location.bucket}" + (f" at {location.endpoint}" if location.endpoint else ""),
                hint=f"aws s3 mb s3://{location.bucket}{at}   # or name another: --datastore=s3://BUCKET/PREFIX",
            )
        if self.code == "SignatureDoesNotMatch":
            return BackendMisconfigured(
                f"{where}: the secret key does not belong to the access key {masked(key)}",
                hint="aws configure   # or set AWS_SECRET_ACCESS_KEY again",
            )
        if self.code == "InvalidToken":
            return BackendMisconfigured(
                f"{where}: the session token does not belong to the access key {masked(key)}",
                hint="unset AWS_SESSION_TOKEN   # or export all three of one login",
            )
        if self.code in _UNKNOWN_KEY:
            return BackendMisconfigured(
                f"{where} does not know the access key {masked(key)}",
                hint="aws sts get-caller-identity   # shows whose it is; --s3-endpoint and --s3-profile choose",
            )
        if self.code in OLD_CREDENTIALS:
            return BackendMisconfigured(
                f"{where}: the credentials have expired", hint="aws sso login   # or export new AWS_... variables"
            )
        if self.code in SKEW:
            return BackendMisconfigured(
                f"{where}: the clock of this machine is wrong ({self.message})", hint="timedatectl set-ntp true"
            )
        if self.region and self.region != region:
            return BackendMisconfigured(
                f"the bucket {location.bucket} is in {self.region}, not in {region}", hint=f"--s3-region={self.region}"
            )
        if self.status == 403:
            return self._forbidden(location, kind, name, key)
        if self.again:
            return BackendUnavailable(f"{where} does not serve at the moment ({said})")
        return BackendMisconfigured(f"{where} refuses {kind} {name}: {said}", hint="flow doctor")

    def _forbidden(self, location: Location, kind: str, name: str, key: str) -> BackendError:
        told = _WHO.search(self.message)
        who, action, on = told.groups() if told else (f"the access key {masked(key)}", ACTIONS[kind], None)
        on = on or "arn:aws:s3:::" + (location.bucket if action == "s3:ListBucket" else f"{location.bucket}/{name}")
        said = "" if told or not self.message else f" ({self.code}: {self.message})"
        return BackendMisconfigured(
            f"{who} may not do {action} on {on}{said}",
            hint=f"allow {action} in its policy; `flow doctor --datastore={location.url}` tries each action",
        )


def masked(key: str) -> str:
    """Enough of an access key to recognise it."""
    return key if len(key) <= 8 else f"{key[:4]}...{key[-4:]}"
