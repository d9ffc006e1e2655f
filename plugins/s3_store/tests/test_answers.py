"""What a refusal means for the user: one message, and the next thing to type."""

from __future__ import annotations

import pytest

from penstock.errors import BackendMisconfigured, BackendUnavailable
from penstock_s3_store.answers import Refusal
from penstock_s3_store.location import Location

AWS, OWN = Location("s3://bucket/p"), Location("s3://bucket/p", "http://127.0.0.1:9000")
ON, NO = "arn:aws:s3:::bucket", Refusal(403, "AccessDenied", "no")
ARN = f'User: arn:aws:iam::1:user/me is not authorized to perform: s3:ListBucket on resource: "{ON}" because no policy'
KEY = "arn:aws:kms:here:1:key/k"
KMS = f"User: arn:aws:iam::1:user/me is not authorized to perform: kms:Decrypt on resource: {KEY} because no policy"


@pytest.mark.parametrize(
    ("location", "refusal", "kind", "message", "hint"),
    [
        (AWS, Refusal(404, "NoSuchBucket"), "PUT", "there is no bucket bucket", "aws s3 mb s3://bucket --region=here"),
        (OWN, Refusal(404, "NoSuchBucket"), "PUT", "at http://127.0.0.1:9000", "--endpoint-url=http://127.0.0.1:9000"),
        (AWS, Refusal(403, "AccessDenied", ARN), "LIST", f"user/me may not do s3:ListBucket on {ON}", "allow s3:ListB"),
        (AWS, Refusal(403, "AccessDenied", KMS), "GET", f"user/me may not do kms:Decrypt on {KEY}", "allow kms:"),
        (AWS, NO, "DELETE", f"AKIA...CDEF may not do s3:DeleteObject on {ON}/p/k (AccessDenied: no)", "allow s3:Del"),
        (AWS, Refusal(403), "HEAD", "may not do s3:GetObject", "allow s3:GetObject"),
        (AWS, Refusal(400, "InvalidToken"), "GET", "the session token does not belong to the access key", "unset AWS_"),
        (AWS, Refusal(403, "RequestTimeTooSkewed", "by 1 h"), "GET", "clock of this machine is wrong (by 1 h)", "time"),
        (AWS, Refusal(400, "ExpiredToken"), "GET", "the credentials have expired", "aws sso login"),
        (AWS, Refusal(301, "PermanentRedirect", "", "there"), "GET", "is in there, not in here", "--s3-region=there"),
        (AWS, Refusal(400, "InvalidArgument", "what"), "GET", "refuses GET p/k: InvalidArgument: what", "flow doctor"),
    ],
)  # fmt: skip
def test_messages(location: Location, refusal: Refusal, kind: str, message: str, hint: str) -> None:
    error = refusal.error(location, kind, "p/k", "AKIA0123456789ABCDEF", "here")
    assert isinstance(error, BackendMisconfigured)
    assert message in error.message
    assert hint in error.hint


@pytest.mark.parametrize(("status", "code"), [(503, "SlowDown"), (500, ""), (409, "ConditionalRequestConflict")])
def test_what_may_pass_is_no_fault_of_the_user(status: int, code: str) -> None:
    refusal = Refusal(status, code)
    assert refusal.again
    assert isinstance(refusal.error(AWS, "GET", "p/k", "AKIA", "here"), BackendUnavailable)


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        (b"<Error><Code>NoSuchKey</Code><Message>a &amp; b</Message></Error>", "NoSuchKey", "a & b"),
        (b"<html>gateway</html>", "", ""),
        (b"\xff\xfe", "", ""),
        (b"", "", ""),
    ],
)
def test_bodies_of_all_kinds_are_read(body: bytes, code: str, message: str) -> None:
    found = Refusal.of(418, body)
    assert (found.status, found.code, found.message) == (418, code, message)
