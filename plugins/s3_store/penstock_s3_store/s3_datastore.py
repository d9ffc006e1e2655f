"""Objects of a bucket, under a prefix: a whole backend, because catalogue and logs live in any datastore."""

from __future__ import annotations

import base64
import hashlib
import io
import secrets
import xml.etree.ElementTree as ET
from datetime import datetime
from functools import cached_property
from urllib.parse import quote
from xml.sax.saxutils import escape

from penstock.contracts.datastore import Datastore, Stat
from penstock.contracts.reach import Reach
from penstock.errors import BackendMisconfigured, KeyMissing
from penstock_s3_store import bootstrap
from penstock_s3_store.answers import Refusal
from penstock_s3_store.client import S3Client
from penstock_s3_store.identity import GIVEN, Identity
from penstock_s3_store.in_threads import in_threads
from penstock_s3_store.location import Location
from penstock_s3_store.stream import ObjectStream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
    from typing import Any, BinaryIO

    from penstock.contracts.datastore import Bytes
    from penstock.contracts.finding import Finding
    from penstock_s3_store.client import Reply

WIDTH = 8  # requests at once: one connection of S3 gives some 90 MB/s
SMALL_WIDTH = 16  # for objects that are mostly waiting
PAGE = 1000  # keys in a request to delete; S3's limit
PART_BYTES = 16 << 20  # of a large object; S3 wants at least 5 MiB, and at most 10,000 parts
MULTIPART_BYTES = 64 << 20  # larger objects are written in parts
RANGED_BYTES = 16 << 20  # larger objects are read in ranges
_ENCRYPTIONS = ("AES256", "aws:kms", "aws:kms:dsse")
_XML = "http://s3.amazonaws.com/doc/2006-03-01/"
_STREAM_BYTES = 64 * 1024
_GIVEN_FOR_S = 1800.0  # half of what a role is assumed for if nobody says more
_MISSING = frozenset({404})
_STANDING = frozenset({412, 501})  # 501: the store does not know the condition
_TAKEN = frozenset({404, 412})  # 404: the upload is gone, because an earlier try completed it


class S3Datastore(Datastore):
    """A bucket's objects. url: `s3://BUCKET/PREFIX`; the other options as in `plugin.py`.

    Connections are kept for the next call of any thread; a process that was forked makes its own.
    """

    reach = Reach.ANYWHERE
    compresses_from = 1.2
    width = WIDTH

    def __init__(
        self,
        url: str = "",
        region: str | None = None,
        endpoint: str | None = None,
        path_style: bool | None = None,
        profile: str | None = None,
        role: str | None = None,
        sse: str | None = None,
        kms_key: str | None = None,
        requester_pays: bool = False,
        exclusive: bool | None = None,
    ) -> None:
        self.identity = Identity(profile, role)
        self._url, self._said_region, self._endpoint = url, region, endpoint
        self._path_style = path_style
        self._kept = {"path_style": path_style, "profile": profile, "role": role, "sse": sse, "kms_key": kms_key,
                      "requester_pays": requester_pays}  # fmt: skip
        self._exclusive = exclusive
        self._completes_exclusively: bool | None = None
        self._writing = _encryption(sse, kms_key)
        self._always = {"x-amz-request-payer": "requester"} if requester_pays else {}

    @cached_property
    def location(self) -> Location:
        """Bucket, prefix and address. Raises BackendMisconfigured."""
        return Location(self._url, self._endpoint or self.identity.endpoint, self._path_style)

    @cached_property
    def client(self) -> S3Client:
        """Makes the requests."""
        return S3Client(self.location, self.identity, self._said_region, self._always)

    # -- what the store can do

    @property
    def exclusive_put(self) -> bool:  # type: ignore[override]
        """Whether the store heeds `If-None-Match: *`: AWS does, others are tried out with an object of no use."""
        if self._exclusive is None:
            self._exclusive = self.location.is_aws or self._tried_exclusive_put()
        return self._exclusive

    def _tried_exclusive_put(self) -> bool:
        key = f"probe-{secrets.token_hex(8)}"
        self.client.ask("PUT", key, headers=self._writing, body=b"1")
        try:
            second = self.client.ask(
                "PUT", key, headers={**self._writing, "if-none-match": "*"}, body=b"2", expected=_STANDING
            )
        finally:
            self.delete([key])
        return second.status == 412

    @property
    def completes_exclusively(self) -> bool:
        """Whether the store heeds the condition also where an object of several parts is completed."""
        if self._completes_exclusively is None:
            self._completes_exclusively = self.location.is_aws or (
                self.exclusive_put and self._tried_exclusive_complete()
            )
        return self._completes_exclusively

    def _tried_exclusive_complete(self) -> bool:
        key = f"probe-{secrets.token_hex(8)}"
        self.client.ask("PUT", key, headers=self._writing, body=b"1")
        try:
            return not self._put_parts(key, memoryview(b"2"), exclusive=True)
        except BackendMisconfigured:  # it does not know the condition
            return False
        finally:
            self.delete([key])

    # -- the four

    def put(self, key: str, data: Bytes, *, replace: bool = False) -> bool:
        """One PUT; from 64 MiB on in parts, at once. Where the store can't put exclusively, a HEAD before it."""
        body = memoryview(data).cast("B") if not isinstance(data, bytes) else data
        exclusive = not replace and self.exclusive_put
        if not replace and not exclusive and self.stat(key) is not None:
            return False
        if len(body) > MULTIPART_BYTES and (not exclusive or self.completes_exclusively):
            return self._put_parts(key, memoryview(body), exclusive=exclusive)
        headers = {**self._writing, "if-none-match": "*"} if exclusive else self._writing
        expected = _STANDING if exclusive else frozenset()
        return self._is_ours(key, body, self.client.ask("PUT", key, headers=headers, body=body, expected=expected))

    def _is_ours(self, key: str, body: Bytes, reply: Reply) -> bool:
        """Whether an exclusive write was this one's: when an answer was lost, what stands there tells."""
        if reply.refusal is None:
            return True
        if reply.status == 501:
            raise BackendMisconfigured(
                f"{self.label} does not put exclusively any more: {reply.refusal.message}",
                hint="export PENSTOCK_S3_EXCLUSIVE=false",
            )
        return reply.repeated and self._holds(key, body)

    def _holds(self, key: str, body: Bytes) -> bool:
        found = self.stat(key)
        return found is not None and found.size == len(body) and self.get(key) == body

    def _put_parts(self, key: str, body: memoryview, *, exclusive: bool) -> bool:
        begun = self.client.ask("POST", key, query={"uploads": ""}, headers=self._writing)
        upload = _text(ET.fromstring(begun.body), "UploadId")
        try:
            starts = range(0, len(body), PART_BYTES)
            pieces = [(number, body[at : at + PART_BYTES]) for number, at in enumerate(starts, 1)]
            tags = list(in_threads(lambda one: self._put_part(key, upload, *one), pieces, WIDTH))
            rows = "".join(
                f"<Part><PartNumber>{number}</PartNumber><ETag>{escape(tag)}</ETag></Part>"
                for (number, _), tag in zip(pieces, tags, strict=True)
            )
            done = self.client.ask(
                "POST", key, query={"uploadId": upload}, headers={"if-none-match": "*"} if exclusive else {},
                body=f"<CompleteMultipartUpload>{rows}</CompleteMultipartUpload>".encode(), expected=_TAKEN,
            )  # fmt: skip
        except BaseException:
            self._abort(key, upload)
            raise
        if done.refusal is not None:
            self._abort(key, upload)
            if done.status == 404 and not done.repeated:
                raise self.client.error(done.refusal, "POST", key)
        return self._is_ours(key, body, done)

    def _put_part(self, key: str, upload: str, number: int, body: memoryview) -> str:
        query = {"partNumber": str(number), "uploadId": upload}
        return str(self.client.ask("PUT", key, query=query, body=body).headers["ETag"])

    def _abort(self, key: str, upload: str) -> None:
        self.client.ask("ABORT", key, query={"uploadId": upload}, expected=_MISSING)

    def open(self, key: str, start: int = 0, length: int | None = None) -> BinaryIO:
        """One GET, read as it comes; one that breaks off goes on by another from where it was.

        Chunks are read so, and compared with the hash of their name by whoever reads them.
        """
        if length is not None and length <= 0:
            return io.BytesIO(self.get(key, start, length))
        return io.BufferedReader(ObjectStream(self.client, key, start, length, checks=False), _STREAM_BYTES)

    def list(self, prefix: str) -> Iterator[Stat]:
        """One GET a page."""
        for page, now_s in self._pages(prefix, {}):
            for one in page.findall("{*}Contents"):
                age_s = now_s - _unix(_text(one, "LastModified"))
                yield Stat(self.location.key(_text(one, "Key")), int(_text(one, "Size")), max(0.0, age_s))

    def _pages(self, prefix: str, more: Mapping[str, str]) -> Iterator[tuple[ET.Element, float]]:
        query = {"list-type": "2", "prefix": self.location.name(prefix), "max-keys": str(PAGE), **more}
        while True:
            reply = self.client.ask("LIST", query=query)
            page = ET.fromstring(reply.body)
            yield page, reply.now_s
            if _text(page, "IsTruncated") != "true":
                return
            query["continuation-token"] = _text(page, "NextContinuationToken")

    def delete(self, keys: Collection[str]) -> None:
        """One POST for a thousand keys, several at once."""
        left = list(keys)
        for _ in in_threads(self._delete, [left[at : at + PAGE] for at in range(0, len(left), PAGE)], 4):
            pass

    def _delete(self, keys: Sequence[str]) -> None:
        rows = "".join(f"<Object><Key>{escape(self.location.name(key))}</Key></Object>" for key in keys)
        body = f'<Delete xmlns="{_XML}"><Quiet>true</Quiet>{rows}</Delete>'.encode()
        digest = base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode("ascii")
        reply = self.client.ask("DELETE", query={"delete": ""}, headers={"content-md5": digest}, body=body)
        for one in ET.fromstring(reply.body).findall("{*}Error") if reply.body else ():
            code = _text(one, "Code")
            if code != "NoSuchKey":
                refusal = Refusal(403 if code == "AccessDenied" else 400, code, _text(one, "Message"))
                raise self.client.error(refusal, "DELETE", self.location.key(_text(one, "Key")))

    # -- faster than the defaults

    def get(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        """One GET; of a large object several, at once. A HEAD where no byte is asked for."""
        if length is not None and length <= 0:
            if self.stat(key) is None:
                raise KeyMissing(key)
            return b""
        stream = ObjectStream(self.client, key, start, length)
        if stream.left is None or stream.left <= RANGED_BYTES:
            with stream:
                return stream.readall()
        size, tag = stream.left, stream.tag
        stream.close()
        target = bytearray(size)
        view = memoryview(target)

        def fill(at: int) -> None:
            piece = view[at : at + PART_BYTES]
            with ObjectStream(self.client, key, start + at, len(piece), tag=tag) as part:
                part.fill(piece)

        for _ in in_threads(fill, range(0, size, PART_BYTES), WIDTH):
            pass
        return bytes(target)

    def get_many(self, keys: Iterable[str]) -> Iterator[tuple[str, bytes | None]]:
        """Many at once, in the order asked."""

        def one(key: str) -> tuple[str, bytes | None]:
            try:
                return key, self.get(key)
            except KeyMissing:
                return key, None

        return in_threads(one, keys, SMALL_WIDTH)

    def put_many(self, items: Iterable[tuple[str, Bytes]]) -> None:
        """Many at once."""
        for _ in in_threads(lambda item: self.put(*item), items, SMALL_WIDTH):
            pass

    def stat(self, key: str) -> Stat | None:
        """One HEAD."""
        reply = self.client.ask("HEAD", key, expected=_MISSING)
        if reply.status == 404:
            return None
        return Stat(key, int(reply.headers["Content-Length"]), max(0.0, reply.now_s - reply.modified_s))

    def touch(self, key: str) -> None:
        """One copy of the object onto itself."""
        source = quote(f"{self.location.bucket}/{self.location.name(key)}", safe="/-_.~")
        headers = {"x-amz-copy-source": source, "x-amz-metadata-directive": "REPLACE", **self._writing}
        if self.client.ask("COPY", key, headers=headers, expected=_MISSING).status == 404:
            raise KeyMissing(key)

    def list_folders(self, prefix: str) -> Iterator[str]:
        """One GET for a thousand folders."""
        for page, _ in self._pages(prefix, {"delimiter": "/"}):
            for kind, tag in (("CommonPrefixes", "Prefix"), ("Contents", "Key")):
                for one in page.findall(f"{{*}}{kind}"):
                    yield self.location.key(_text(one, tag))[len(prefix) :].rstrip("/")

    # -- what it says of itself

    @property
    def label(self) -> str:
        """The URL."""
        return self.location.url

    def options(self) -> dict[str, Any]:
        """As they were given, with what was found out since: a worker asks nobody again."""
        return {
            "url": self.location.url, "region": self.client.region, "endpoint": self.location.endpoint, **self._kept,
            "exclusive": self._exclusive,
        }  # fmt: skip

    def secrets(self) -> Mapping[str, str]:
        """Credentials of this moment; a job takes them as they are, whatever profile or role they came from.

        It can't ask for others when they end, so that those which end soon are replaced before.
        """
        who = self.identity.credentials(lasting_s=_GIVEN_FOR_S)
        found = {"AWS_ACCESS_KEY_ID": who.key, "AWS_SECRET_ACCESS_KEY": who.secret, GIVEN: "given"}
        return {**found, "AWS_SESSION_TOKEN": who.token} if who.token else found

    def bootstrap(self) -> str:
        """A signed GET, with the variables' credentials or those of the container or machine."""
        base = self.location.base(self.client.region)
        return bootstrap.source(base, self.location.name(""), self.client.region, self._always)

    def examine(self) -> Iterator[Finding]:
        """As whom, where, and what is allowed and heeded there."""
        from penstock_s3_store.examination import examine

        return examine(self, self._said_region)

    def close(self) -> None:
        """Close idle connections."""
        if "client" in vars(self):
            self.client.close()


def _encryption(sse: str | None, kms_key: str | None) -> dict[str, str]:
    """Headers of what is written. Raises BackendMisconfigured for a kind that S3 does not have."""
    if sse is None and kms_key is None:
        return {}
    kind = sse or "aws:kms"
    if kind not in _ENCRYPTIONS or (kms_key is not None and not kind.startswith("aws:kms")):
        raise BackendMisconfigured(
            f"{kind!r} is no encryption of S3" + (" with a key of KMS" if kms_key else ""),
            hint=f"--s3-sse=KIND   # one of {', '.join(_ENCRYPTIONS)}",
        )
    found = {"x-amz-server-side-encryption": kind}
    return found if kms_key is None else {**found, "x-amz-server-side-encryption-aws-kms-key-id": kms_key}


def _text(element: ET.Element, name: str) -> str:
    """The text of a child; some stores name no XML namespace."""
    return element.findtext(f"{{*}}{name}") or ""


def _unix(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
