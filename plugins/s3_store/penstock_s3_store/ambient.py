"""Credentials that a machine or container has by itself. Standard library alone: also a part of the bootstrap.

Looked for in this order: variables, a web identity (EKS), the container's role (ECS, Batch, EKS), the instance's role.
Source: "Standardized credential providers" of the AWS SDKs' reference; their variables have the same names everywhere.
"""

from __future__ import annotations

import calendar
import json
import os
import re
import ssl
import time
import urllib.error
import urllib.request
from http.client import HTTPException
from urllib.parse import urlencode

from penstock_s3_store.signing import Credentials

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_CONTAINER = "http://169.254.170.2"
_INSTANCE = "http://169.254.169.254"
_ROLES = "/latest/meta-data/iam/security-credentials/"


def ambient(region: str = "us-east-1", variables: bool = True) -> Credentials | None:
    """The first that is found, None when there are none. Raises OSError for one that is named and does not work."""
    for source in (of_variables, of_web_identity, of_container, of_instance):
        found = source(region) if variables or source != of_variables else None
        if found:
            return found
    return None


def of_variables(_: str = "") -> Credentials | None:
    """`AWS_ACCESS_KEY_ID` and its companions."""
    key, secret = os.environ.get("AWS_ACCESS_KEY_ID"), os.environ.get("AWS_SECRET_ACCESS_KEY")
    return Credentials(key, secret, os.environ.get("AWS_SESSION_TOKEN", "")) if key and secret else None


def of_web_identity(region: str) -> Credentials | None:
    """A token in a file, exchanged for a role."""
    path, role = os.environ.get("AWS_WEB_IDENTITY_TOKEN_FILE"), os.environ.get("AWS_ROLE_ARN")
    if not path or not role:
        return None
    with open(path) as file:
        asked = {
            "Action": "AssumeRoleWithWebIdentity", "Version": "2011-06-15", "RoleArn": role,
            "RoleSessionName": os.environ.get("AWS_ROLE_SESSION_NAME", "penstock"), "WebIdentityToken": file.read(),
        }  # fmt: skip
    url = os.environ.get("AWS_ENDPOINT_URL_STS", f"https://sts.{region}.amazonaws.com")
    return of_xml(_ask(f"{url}/", {}, urlencode(asked).encode()))


def of_container(_: str) -> Credentials | None:
    """The role of a task of ECS or Batch, or of a pod."""
    url = os.environ.get("AWS_CONTAINER_CREDENTIALS_FULL_URI", "")
    relative = os.environ.get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "")
    if relative:
        url = _CONTAINER + relative
    if not url:
        return None
    token = os.environ.get("AWS_CONTAINER_AUTHORIZATION_TOKEN")
    path = os.environ.get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")
    if path:
        with open(path) as file:
            token = file.read().strip()
    return _of_json(_ask(url, {"Authorization": token} if token else {}))


def of_instance(_: str) -> Credentials | None:
    """The role of the machine; None where there is no such service, or it has no role."""
    if os.environ.get("AWS_EC2_METADATA_DISABLED", "").lower() == "true":
        return None
    base = os.environ.get("AWS_EC2_METADATA_SERVICE_ENDPOINT", _INSTANCE).rstrip("/")
    try:
        asked = {"X-aws-ec2-metadata-token-ttl-seconds": "21600"}
        head = {"X-aws-ec2-metadata-token": _ask(f"{base}/latest/api/token", asked, method="PUT", tries=1)}
        role = _ask(base + _ROLES, head).split()[0]
        return _of_json(_ask(base + _ROLES + role, head))
    except (OSError, HTTPException, IndexError):
        return None


def of_xml(text: str) -> Credentials:
    """From an answer of STS."""
    found = dict(re.findall(r"<(AccessKeyId|SecretAccessKey|SessionToken|Expiration)>([^<]*)<", text))
    return _of_mapping(found, "SessionToken")


def _of_json(text: str) -> Credentials:
    return _of_mapping(json.loads(text), "Token")


def _of_mapping(found: Mapping[str, str], token: str) -> Credentials:
    end = found.get("Expiration")
    until = calendar.timegm(time.strptime(end[:19], "%Y-%m-%dT%H:%M:%S")) if end else None
    try:
        return Credentials(found["AccessKeyId"], found["SecretAccessKey"], found.get(token, ""), until)
    except KeyError as error:
        raise OSError(f"credentials without {error}") from error


def tls() -> ssl.SSLContext:
    """How other ends are trusted. Raises OSError."""
    return ssl.create_default_context(cafile=os.environ.get("AWS_CA_BUNDLE") or None)


def _ask(
    url: str, headers: Mapping[str, str], data: bytes | None = None, method: str | None = None, tries: int = 4
) -> str:
    """What a service of the machine says; no proxy stands between them. Raises OSError."""
    direct: Callable[..., urllib.request.OpenerDirector] = urllib.request.build_opener
    plain = url.startswith("http:")
    opener = direct(urllib.request.ProxyHandler({}) if plain else urllib.request.HTTPSHandler(context=tls()))
    for number in range(tries):
        try:
            request = urllib.request.Request(url, data, dict(headers), method=method)
            with opener.open(request, timeout=2 + number) as answer:
                return str(answer.read().decode())
        except (OSError, HTTPException) as error:
            refused = isinstance(error, urllib.error.HTTPError) and error.code < 500
            if refused or number == tries - 1:
                raise
            time.sleep(0.2 * 2**number)
    return ""
