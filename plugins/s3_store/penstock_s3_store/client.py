"""Requests to one bucket: signed, repeated with patience, their refusals explained. Standard library alone.

The driver and the workers use the same client, so a worker needs nothing but Python.
"""

from __future__ import annotations

import binascii
import email.utils
import hashlib
import random
import time
import zlib
from urllib.parse import quote, urlsplit

from penstock.errors import BackendError, BackendMisconfigured, BackendUnavailable
from penstock_s3_store.answers import OLD_CREDENTIALS, SKEW, Refusal
from penstock_s3_store.connections import Connections, NoAnswer
from penstock_s3_store.signing import UNSIGNED, query_text, signed_headers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from penstock.contracts.datastore import Bytes
    from penstock_s3_store.connections import Answer
    from penstock_s3_store.identity import Identity
    from penstock_s3_store.location import Location

TRIES = 9  # with the waits between them a storm of 40 s is sat out
FIRST_TRIES = 4  # a store that has never answered is more likely named wrongly than away
LONGEST_WAIT_S = 10.0
_FIRST_WAIT_S = 0.1
METHODS = {"GET": "GET", "HEAD": "HEAD", "PUT": "PUT", "POST": "POST", "LIST": "GET", "COPY": "PUT", "ABORT": "DELETE",
           "DELETE": "POST"}  # fmt: skip
_UNTOLD = frozenset({400, 403})  # a HEAD has no body that could say why; a GET of the same object has
_EMPTY = hashlib.sha256(b"").hexdigest()


class Reply:
    """An answer that is none of the store's troubles. repeated: an earlier try may have done what was asked already."""

    __slots__ = ("answer", "body", "headers", "refusal", "repeated", "status")

    def __init__(self, answer: Answer, body: bytes, refusal: Refusal | None, *, repeated: bool) -> None:
        self.answer, self.body, self.refusal, self.repeated = answer, body, refusal, repeated
        self.status, self.headers = answer.status, answer.headers

    @property
    def now_s(self) -> float:
        """The store's clock, Unix time."""
        return _moment(self.headers["Date"]) or time.time()

    @property
    def modified_s(self) -> float:
        """When the object was written, by the store's clock."""
        return _moment(self.headers["Last-Modified"]) or self.now_s


class S3Client:
    """One bucket. region: None where the bucket shall tell. always: headers of every request."""

    def __init__(
        self, location: Location, identity: Identity, region: str | None, always: Mapping[str, str] | None = None
    ) -> None:
        self.location, self.identity = location, identity
        self._region, self._always = region, dict(always or {})
        self._connections = Connections(lambda: identity.authorities)
        self._skew_s = 0.0  # the store's clock minus ours
        self._has_answered = False

    @property
    def region(self) -> str:
        """Of the bucket, as far as it is known."""
        if self._region is None:
            self._region = self.identity.region or "us-east-1"
        return self._region

    # -- a request

    def ask(
        self,
        kind: str,
        key: str | None = None,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: Bytes | None = None,
        expected: frozenset[int] = frozenset(),
        stream: bool = False,
    ) -> Reply:
        """One request, repeated as long as it makes sense. kind: one of `METHODS`; key: None for the bucket.

        expected: statuses beside 2xx that the caller understands. stream: the body of a success is left to be read.
        Raises BackendUnavailable, BackendMisconfigured.
        """
        repeated, number, mended = False, 0, 0
        while True:
            number += 1
            try:
                reply = self._once(kind, key, query or {}, headers or {}, body, repeated=repeated, stream=stream)
            except NoAnswer as error:
                repeated = repeated or error.began
                self._wait(number, str(error), error)
                continue
            if reply.refusal is None or reply.status in expected:
                return reply
            if mended < 3 and self._mends(reply.refusal, reply):
                mended += 1
                continue
            if not reply.refusal.again or number >= TRIES:
                raise self.error(reply.refusal, kind, key)
            repeated = repeated or reply.status >= 500
            self._wait(number, "", None)

    def _once(
        self,
        kind: str,
        key: str | None,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        body: Bytes | None,
        *,
        repeated: bool,
        stream: bool,
    ) -> Reply:
        method = METHODS[kind]
        url, head = self._signed(method, key, query_text(query), headers, body)
        answer = self._connections.exchange(method, url, head, body)
        self._has_answered = True
        fine = 200 <= answer.status < 300
        data = b"" if stream and fine else answer.read()
        if fine and (not data.startswith(b"<") or b"<Error>" not in data[:200]):
            return Reply(answer, data, None, repeated=repeated)
        refusal = Refusal.of(answer.status, data, answer.headers["x-amz-bucket-region"] or "")
        if kind == "HEAD" and answer.status in _UNTOLD:
            first = {**headers, "range": "bytes=0-0"}
            told = self._once("GET", key, query, first, None, repeated=repeated, stream=False).refusal
            if told is None or told.status not in _UNTOLD:
                told = Refusal(503, "", "it refused a HEAD, and a GET of the same object not")
            refusal = told
        return Reply(answer, data, refusal, repeated=repeated)

    def _signed(
        self, method: str, key: str | None, query: str, headers: Mapping[str, str], body: Bytes | None
    ) -> tuple[str, dict[str, str]]:
        base = self.location.base(self.region)
        url = base + ("/" if key is None and not self.location.path_style else "")
        if key is not None:
            url += "/" + quote(self.location.name(key), safe="/-_.~")
        parts = urlsplit(url)
        # over TLS nobody changes a body on its way; what the store keeps is compared with the checksum
        payload = _EMPTY if not body else UNSIGNED if parts.scheme == "https" else hashlib.sha256(body).hexdigest()
        found = {**self._always, **headers}
        if body is not None and method == "PUT":
            found["x-amz-checksum-crc32"] = checksum(body)
        head = signed_headers(
            self.identity.credentials(), method, parts.netloc, parts.path or "/", query, found, payload, self.region,
            time.time() + self._skew_s,
        )  # fmt: skip
        return (f"{url}?{query}" if query else url), head

    def _mends(self, refusal: Refusal, reply: Reply) -> bool:
        """Whether the next try will be another request: to the right region, at the right time, by new credentials."""
        if refusal.code in OLD_CREDENTIALS:
            self.identity.credentials(anew=True)
            return True
        if refusal.code in SKEW or (refusal.status == 403 and abs(reply.now_s - time.time() - self._skew_s) > 600):
            self._skew_s = reply.now_s - time.time()
            return True
        if refusal.region and refusal.region != self.region and refusal.status in (301, 307, 400, 403):
            self._region = refusal.region
            return True
        return False

    def _wait(self, number: int, reason: str, error: NoAnswer | None) -> None:
        """Longer each time, and never as long as others: a store that is asked too much is not asked by all at once."""
        if error is not None and number >= (TRIES if self._has_answered else FIRST_TRIES):
            where = self.location.endpoint or self.location.base(self.region)
            raise BackendUnavailable(
                f"{where} does not answer: {reason} ({number} tries)",
                hint="flow doctor   # or look at --s3-endpoint and --s3-region" if not self._has_answered else "",
            ) from error
        if error is None or number > 1:  # a connection that had been idle may have ended meanwhile
            time.sleep(random.uniform(0.3, 1.0) * min(LONGEST_WAIT_S, _FIRST_WAIT_S * 2.0**number))

    def error(self, refusal: Refusal, kind: str, key: str | None) -> BackendError:
        """What the user reads of a refusal."""
        if refusal.code in OLD_CREDENTIALS and self.identity.given:
            return BackendMisconfigured(
                "the credentials that the run gave this job have ended before it did",
                hint="aws configure   # an access key does not end; or a role with longer sessions, or a shorter step",
            )
        name = "" if key is None else self.location.name(key)
        return refusal.error(self.location, kind, name, self.identity.credentials().key, self.region)

    def close(self) -> None:
        """Close idle connections."""
        self._connections.close()


def checksum(data: Bytes) -> str:
    """CRC-32, as S3 writes it."""
    return checksum_text(zlib.crc32(data))


def checksum_text(crc32: int) -> str:
    """The number as S3 writes it."""
    return binascii.b2a_base64(crc32.to_bytes(4, "big"), newline=False).decode("ascii")


def _moment(text: str | None) -> float | None:
    """Unix time of an HTTP date."""
    if text is None:
        return None
    try:
        return email.utils.parsedate_to_datetime(text).timestamp()
    except ValueError:
        return None
