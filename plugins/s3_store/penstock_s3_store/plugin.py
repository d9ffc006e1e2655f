"""Announces the S3 store."""

from __future__ import annotations

from dataclasses import dataclass

from penstock.plugin import Backend, hookimpl, option

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True)
class S3Options:
    """Where the bucket is, and as whom it is used; what is not said comes from AWS's own variables and files."""

    url: str = option("", help="Bucket and prefix: s3://BUCKET/PREFIX.")
    region: str | None = option(None, help="Region of the bucket; it is found out where the bucket tells.")
    endpoint: str | None = option(None, help="URL of a store that is not AWS's: http://127.0.0.1:9000.")
    path_style: bool | None = option(None, help="Bucket in the path, not in the host name; so at an endpoint.")
    profile: str | None = option(None, help="Profile of ~/.aws/config.")
    role: str | None = option(None, help="ARN of a role to assume.")
    sse: str | None = option(None, help="Encryption at rest: AES256, aws:kms or aws:kms:dsse.")
    kms_key: str | None = option(None, help="Key for aws:kms; without one the bucket's.")
    requester_pays: bool = option(False, help="Pay for the requests to somebody else's bucket.")
    exclusive: bool | None = option(None, help="Whether the store heeds If-None-Match; it is tried out if not said.")


@hookimpl
def penstock_backends() -> Iterator[Backend]:
    """One datastore; catalogue and logs live in it."""
    yield Backend(
        kind="datastore",
        name="s3",
        contract=1,
        summary="A bucket of S3, or of a store that speaks its protocol.",
        options=S3Options,
        target="penstock_s3_store.s3_datastore:S3Datastore",
        companions={"metadata": "datastore", "logging": "datastore"},
    )
