"""Addresses of objects, and URLs that are none."""

from __future__ import annotations

import pytest

from penstock.errors import BackendMisconfigured
from penstock_s3_store.location import Location


@pytest.mark.parametrize(
    ("url", "endpoint", "path_style", "base", "name"),
    [
        ("s3://bucket", None, None, "https://bucket.s3.eu-west-7.amazonaws.com", "a/b"),
        ("s3://bucket/", None, None, "https://bucket.s3.eu-west-7.amazonaws.com", "a/b"),
        ("s3://bucket/x/y/", None, None, "https://bucket.s3.eu-west-7.amazonaws.com", "x/y/a/b"),
        ("s3://buc.ket/x", None, None, "https://s3.eu-west-7.amazonaws.com/buc.ket", "x/a/b"),
        ("s3://Old_Bucket/x", None, None, "https://s3.eu-west-7.amazonaws.com/Old_Bucket", "x/a/b"),
        ("s3://bucket/x", None, True, "https://s3.eu-west-7.amazonaws.com/bucket", "x/a/b"),
        ("s3://bucket/x", "http://127.0.0.1:9000/", None, "http://127.0.0.1:9000/bucket", "x/a/b"),
        ("s3://bucket/x", "https://store.example/s3", None, "https://store.example/s3/bucket", "x/a/b"),
        ("s3://bucket/x", "https://store.example", False, "https://bucket.store.example", "x/a/b"),
    ],
)
def test_addresses(url: str, endpoint: str | None, path_style: bool | None, base: str, name: str) -> None:
    location = Location(url, endpoint, path_style)
    assert location.base("eu-west-7") == base
    assert location.name("a/b") == name
    assert location.key(name) == "a/b"
    assert Location(location.url, endpoint, path_style).name("a/b") == name


@pytest.mark.parametrize(
    ("region", "endpoint", "aws"),
    [
        ("cn-north-1", None, "https://bucket.s3.cn-north-1.amazonaws.com.cn"),
        ("x", "https://s3.dualstack.eu-west-7.amazonaws.com", True),
        ("x", "https://amazonaws.com.example.org", False),
    ],
)
def test_what_is_of_aws(region: str, endpoint: str | None, aws: str | bool) -> None:
    location = Location("s3://bucket", endpoint)
    assert (location.base(region) if endpoint is None else location.is_aws) == aws


@pytest.mark.parametrize(
    "url",
    ["", "bucket/prefix", "s3:/bucket", "s3://", "s3://b", "S3://bucket", "http://bucket", "s3://us er/x", "s3://a@b/x",
     "s3://bucket/a//b", "s3://bucket/../x", "s3://bucket/a?b", "s3://bucket/a\nb", f"s3://bucket/{'ü' * 61}"],
)  # fmt: skip
def test_urls_that_name_nothing(url: str) -> None:
    with pytest.raises(BackendMisconfigured) as told:
        Location(url)
    assert told.value.hint == "--datastore=s3://BUCKET/PREFIX"


@pytest.mark.parametrize("endpoint", ["127.0.0.1:9000", "ftp://x", "http://", "http://x:y", "http://u:p@x", "http://x/?a=b"])
def test_endpoints_that_lead_nowhere(endpoint: str) -> None:
    with pytest.raises(BackendMisconfigured, match="no URL of an S3 endpoint"):
        Location("s3://bucket", endpoint)
