"""AWS Signature Version 4. Pure, standard library alone: also a part of the bootstrap.

Source: "Authenticating Requests (AWS Signature Version 4)" of the S3 API reference.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from urllib.parse import quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

UNSIGNED = "UNSIGNED-PAYLOAD"


class Credentials:
    """Who signs. token: of a session, "" for a user's own key. until_s: Unix time of its end, None for never."""

    __slots__ = ("key", "secret", "token", "until_s")

    def __init__(self, key: str, secret: str, token: str = "", until_s: float | None = None) -> None:
        self.key, self.secret, self.token, self.until_s = key, secret, token, until_s


def query_text(query: Mapping[str, str]) -> str:
    """A query as it is sent and signed: every character but the plain ones quoted, then sorted."""
    plain = "-_.~"
    pairs = sorted((quote(name, safe=plain), quote(value, safe=plain)) for name, value in query.items())
    return "&".join(f"{name}={value}" for name, value in pairs)


def signed_headers(
    who: Credentials,
    method: str,
    host: str,
    path: str,
    query: str,
    headers: Mapping[str, str],
    payload: str,
    region: str,
    now_s: float,
    service: str = "s3",
) -> dict[str, str]:
    """The headers of a request with its signature. path: quoted; query: of `query_text`; payload: sha256, or UNSIGNED.

    headers: by names in lower case. now_s: Unix time as the server sees it.
    """
    moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now_s))
    found = {**headers, "host": host, "x-amz-date": moment, "x-amz-content-sha256": payload}
    if who.token:
        found["x-amz-security-token"] = who.token
    names = sorted(found)
    signed = ";".join(names)
    lines = "".join(f"{name}:{' '.join(found[name].split())}\n" for name in names)
    request = f"{method}\n{path}\n{query}\n{lines}\n{signed}\n{payload}"
    scope = f"{moment[:8]}/{region}/{service}/aws4_request"
    text = f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
    key = ("AWS4" + who.secret).encode()
    for part in [*scope.split("/"), text]:
        key = hmac.digest(key, part.encode(), "sha256")
    found["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={who.key}/{scope}, SignedHeaders={signed}, Signature={key.hex()}"
    )
    return found
