"""Where objects are: bucket and prefix, and the address of a key. Pure."""

from __future__ import annotations

import re
from urllib.parse import quote, urlsplit

from penstock.errors import BackendMisconfigured

_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,253}[A-Za-z0-9]\Z")
_HOST_BUCKET = re.compile(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]\Z")  # a dot would not be covered by the certificate
_LONGEST_PREFIX = 120  # bytes: keys of S3 have at most 1,024, those of the contract 900
_EXAMPLE = "--datastore=s3://BUCKET/PREFIX"


class Location:
    """A bucket and the prefix in it.

    endpoint: `http[s]://HOST[:PORT][/PATH]`, None for AWS's own. path_style: None for what is usual there.
    Raises BackendMisconfigured for a URL or an endpoint that can't be.
    """

    def __init__(self, url: str, endpoint: str | None = None, path_style: bool | None = None) -> None:
        self.bucket, self.prefix = _parsed(url)
        self.endpoint = None if endpoint is None else _checked(endpoint)
        if path_style is None:
            path_style = self.endpoint is not None or not _HOST_BUCKET.match(self.bucket)
        self.path_style = path_style

    @property
    def url(self) -> str:
        """`s3://BUCKET/PREFIX`."""
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/")

    @property
    def is_aws(self) -> bool:
        """Whether it is AWS's own service, which is known to put exclusively."""
        host = urlsplit(self.endpoint or "").hostname
        return host is None or host.endswith((".amazonaws.com", ".amazonaws.com.cn"))

    def base(self, region: str) -> str:
        """`http[s]://HOST[:PORT][/PATH]`, to which a path that begins with `/` can be added."""
        base = self.endpoint
        if base is None:
            base = f"https://s3.{region}.amazonaws.com" + (".cn" if region.startswith("cn-") else "")
        if self.path_style:
            return f"{base}/{quote(self.bucket)}"
        scheme, _, rest = base.partition("://")
        return f"{scheme}://{self.bucket}.{rest}"

    def name(self, key: str) -> str:
        """The whole name of an object in its bucket."""
        return f"{self.prefix}/{key}" if self.prefix else key

    def key(self, name: str) -> str:
        """The key of a name."""
        return name[len(self.prefix) + 1 :] if self.prefix else name


def _parsed(url: str) -> tuple[str, str]:
    if not url:
        raise BackendMisconfigured("the s3 store needs a bucket", hint=_EXAMPLE)
    scheme, _, rest = url.partition("://")
    bucket, _, prefix = rest.partition("/")
    prefix = prefix.strip("/")
    if scheme != "s3" or not _BUCKET.match(bucket):
        raise BackendMisconfigured(f"{url!r} names no bucket", hint=_EXAMPLE)
    if any(part in ("", ".", "..") for part in prefix.split("/")) and prefix:
        raise BackendMisconfigured(f"{url!r} has an empty part, '.' or '..' in its prefix", hint=_EXAMPLE)
    if any(character in "?#*\\" or not character.isprintable() for character in prefix):
        raise BackendMisconfigured(f"{url!r} has a character in its prefix that no prefix can have", hint=_EXAMPLE)
    if len(prefix.encode("utf-8")) > _LONGEST_PREFIX:
        raise BackendMisconfigured(f"{url!r} has a prefix of more than {_LONGEST_PREFIX} bytes", hint=_EXAMPLE)
    return bucket, prefix


def _checked(endpoint: str) -> str:
    parts = urlsplit(endpoint)
    try:
        fine = parts.scheme in ("http", "https") and parts.hostname and (parts.port is None or parts.port > 0)
    except ValueError:  # the port is no number
        fine = False
    if not fine or parts.username is not None or parts.query or parts.fragment:
        raise BackendMisconfigured(
            f"{endpoint!r} is no URL of an S3 endpoint", hint="--s3-endpoint=http://127.0.0.1:9000"
        )
    return endpoint.rstrip("/")
