"""Signatures are those of the S3 API reference; any request signed by us is one that botocore would sign alike."""

from __future__ import annotations

import calendar
import hashlib
import time

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as TheirCredentials
from hypothesis import given
from hypothesis import strategies as st

from penstock_s3_store.signing import Credentials, query_text, signed_headers

# Source: "Signature Calculations for the Authorization Header", examples, of the S3 API reference.
WHO = Credentials("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
HOST, REGION = "examplebucket.s3.amazonaws.com", "us-east-1"
NOW_S = float(calendar.timegm((2013, 5, 24, 0, 0, 0)))
EMPTY = hashlib.sha256(b"").hexdigest()


@pytest.mark.parametrize(
    ("path", "query", "headers", "signature"),
    [
        ("/test.txt", {}, {"range": "bytes=0-9"}, "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"),
        ("/", {"lifecycle": ""}, {}, "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"),
        (
            "/", {"max-keys": "2", "prefix": "J"}, {},
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
        ),
    ],
)  # fmt: skip
def test_the_examples_of_the_reference(path: str, query: dict[str, str], headers: dict[str, str], signature: str):
    found = signed_headers(WHO, "GET", HOST, path, query_text(query), headers, EMPTY, REGION, NOW_S)
    assert found["authorization"].endswith(f"Signature={signature}")


@given(
    query=st.dictionaries(st.text(min_size=1, max_size=8), st.text(max_size=8), max_size=3),
    headers=st.dictionaries(
        st.sampled_from(["range", "if-none-match", "x-amz-meta-a"]), st.text("abc 0*\"", min_size=1, max_size=9)
    ),
    method=st.sampled_from(["GET", "PUT", "DELETE"]),
    token=st.sampled_from(["", "session"]),
)
def test_botocore_signs_alike(query: dict[str, str], headers: dict[str, str], method: str, token: str) -> None:
    now_s = time.time()
    who = Credentials("AKIAX", "secret", token)
    text = query_text(query)
    ours = signed_headers(who, method, HOST, "/a%20b/c", text, headers, "UNSIGNED-PAYLOAD", REGION, now_s)
    request = AWSRequest(method, f"https://{HOST}/a%20b/c" + (f"?{text}" if text else ""), headers=dict(headers))
    request.context["payload_signing_enabled"] = False
    theirs = S3SigV4Auth(TheirCredentials("AKIAX", "secret", token or None), "s3", REGION)
    theirs.add_auth(request)
    again = signed_headers(
        who, method, HOST, "/a%20b/c", text, headers, request.headers["X-Amz-Content-SHA256"], REGION,
        calendar.timegm(time.strptime(request.context["timestamp"], "%Y%m%dT%H%M%SZ")),
    )  # fmt: skip
    assert again["authorization"] == request.headers["Authorization"]
    assert ours.keys() == again.keys()
