"""As whom the store is used: credentials, refreshed before they end.

Of a job that was given some: those. Else of the profile, of variables, of AWS's files (read by botocore, the lower half
of boto3: single sign-on, programs, chains of roles), else what the machine has by itself; then perhaps a role over it.
"""

from __future__ import annotations

import os
import time
from http.client import HTTPException
from urllib.parse import urlsplit

from penstock.errors import BackendMisconfigured, BackendUnavailable
from penstock_s3_store import ambient
from penstock_s3_store.signing import Credentials, query_text, signed_headers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

GIVEN = "PENSTOCK_S3_CREDENTIALS"  # `given`: the variables are the credentials of the run, whatever else there is
_EARLY_S = 300.0  # credentials that end sooner are replaced: a request may take a while
_HOW = "aws configure   # or: export AWS_ACCESS_KEY_ID=... AWS_SECRET_ACCESS_KEY=...; or --s3-profile=NAME"


class Identity:
    """Credentials, and what else AWS's variables and files say. profile, role: as the options."""

    def __init__(self, profile: str | None = None, role: str | None = None) -> None:
        self._profile, self._role = profile, role
        self._found: Credentials | None = None
        self._session: Any = None

    # -- configuration

    @property
    def region(self) -> str | None:
        """The region that is configured."""
        said = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
        session = None if said and self._profile is None else self._files()
        found: str | None = said if session is None else session.get_config_variable("region") or said
        return found

    @property
    def endpoint(self) -> str | None:
        """The endpoint that is configured, for S3 or for all services. Source: "Service-specific endpoints" of AWS."""
        if os.environ.get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "").lower() == "true":
            return None
        said = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
        session = None if said else self._files()
        if session is None:
            return said
        profile = session.get_scoped_config()
        services = session.full_config.get("services", {}).get(profile.get("services"), {})
        found: str | None = services.get("s3", {}).get("endpoint_url") or profile.get("endpoint_url")
        return found

    @property
    def authorities(self) -> str | None:
        """The file of those who sign certificates, where it is not the system's."""
        said = os.environ.get("AWS_CA_BUNDLE") or None
        session = None if said else self._files()
        found: str | None = said if session is None else session.get_scoped_config().get("ca_bundle")
        return found

    def _files(self) -> Any:
        """AWS's files, as botocore reads them; None where there are none, as in a job elsewhere."""
        if self._session is None and os.environ.get(GIVEN) is None and _there_are_files():
            self._session = _botocore_session(self._profile)
        return self._session

    # -- credentials

    @property
    def given(self) -> bool:
        """Whether this is a job that was given the run's credentials, and can have no others."""
        return bool(os.environ.get(GIVEN))

    def credentials(self, *, anew: bool = False, lasting_s: float = _EARLY_S) -> Credentials:
        """What to sign with, good for `lasting_s` where that can be had. anew: the store refused what there was as old.

        Raises BackendMisconfigured when there is nothing, BackendUnavailable when what should give it does not answer.
        """
        found = self._found
        if found is None or anew or (found.until_s is not None and found.until_s - time.time() < lasting_s):
            found = self._found = self._look(anew=anew)
        return found

    def _look(self, *, anew: bool) -> Credentials:
        if self.given:
            found = ambient.of_variables()
        else:
            found = None if self._profile else ambient.of_variables()
            found = found or self._of_files(anew=anew) or self._of_machine()
            if found is not None and self._role is not None:
                found = self._assumed(found)
        if found is None and self._profile is not None:
            raise BackendMisconfigured(
                f"AWS's files, where the profile {self._profile} would stand, are not here",
                hint=f"aws configure --profile={self._profile}   # writes ~/.aws/config and ~/.aws/credentials",
            )
        if found is None:
            raise BackendMisconfigured("there are no AWS credentials here for the s3 store", hint=_HOW)
        return found

    def _of_machine(self) -> Credentials | None:
        try:
            # a profile that is said stands above variables; of a job elsewhere, which has no files, the role is meant
            return ambient.ambient(self.region or "us-east-1", variables=self._profile is None)
        except (OSError, HTTPException, ValueError) as error:
            raise BackendUnavailable(f"the credentials of this machine can't be had: {error}") from error

    def _of_files(self, *, anew: bool) -> Credentials | None:
        if anew:
            self._session = None  # a new look at the files: `aws sso login` may have written them
        session = self._files()
        if session is None:
            return None
        from botocore import exceptions as sdk

        try:
            source = session.get_credentials()
            frozen = None if source is None else source.get_frozen_credentials()
        except (sdk.HTTPClientError, sdk.ConnectionError) as error:  # a run waits for it
            raise BackendUnavailable(f"AWS credentials: {error}", hint=_login(self._profile)) from error
        except (sdk.BotoCoreError, RuntimeError) as error:  # the latter for credentials that have ended when they come
            raise BackendMisconfigured(f"AWS credentials: {error}", hint=_login(self._profile)) from error
        if frozen is None:
            return None
        refreshable = hasattr(source, "refresh_needed")  # botocore knows the end, and looks at it by itself
        return Credentials(frozen.access_key, frozen.secret_key, frozen.token or "", 0.0 if refreshable else None)

    def _assumed(self, who: Credentials) -> Credentials:
        """The role's. Source: AssumeRole of the STS API reference."""
        region = self.region or "us-east-1"
        asked = {"Action": "AssumeRole", "RoleArn": self._role or "", "RoleSessionName": "penstock"}
        return ambient.of_xml(ask_sts(who, region, asked))


def ask_sts(who: Credentials, region: str, asked: dict[str, str]) -> str:
    """A call of STS. Raises BackendMisconfigured when it is refused, BackendUnavailable when nobody answers."""
    import urllib.error
    import urllib.request

    from penstock_s3_store.answers import Refusal

    suffix = ".cn" if region.startswith("cn-") else ""
    base = os.environ.get("AWS_ENDPOINT_URL_STS") or os.environ.get("AWS_ENDPOINT_URL")
    base = (base or f"https://sts.{region}.amazonaws.com{suffix}").rstrip("/")
    query = query_text({**asked, "Version": "2011-06-15"})
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    headers = signed_headers(who, "GET", urlsplit(base).netloc, "/", query, {}, empty, region, time.time(), "sts")
    try:
        request = urllib.request.Request(f"{base}/?{query}", headers=headers)
        trust = ambient.tls() if request.type == "https" else None
        with urllib.request.urlopen(request, timeout=20, context=trust) as got:
            return str(got.read().decode())
    except urllib.error.HTTPError as error:
        refusal = Refusal.of(error.code, error.read())
        raise BackendMisconfigured(
            f"{asked.get('RoleArn', 'STS')}: {refusal.message or refusal.code}", hint=_login(None)
        ) from error
    except OSError as error:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        raise BackendUnavailable(f"{base} does not answer: {reason}", hint=_login(None)) from error


def _there_are_files() -> bool:
    """Whether AWS's command line was ever configured here."""
    named = (("AWS_CONFIG_FILE", "~/.aws/config"), ("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials"))
    return any(os.path.exists(os.path.expanduser(os.environ.get(name) or usual)) for name, usual in named)


def _botocore_session(profile: str | None) -> Any:
    try:
        import botocore.session
        from botocore.exceptions import BotoCoreError
    except ImportError as error:
        if profile is None:
            return None
        raise BackendMisconfigured(
            f"the profile {profile} is read by botocore, which is not installed here", hint="pip install botocore"
        ) from error
    try:
        session = botocore.session.Session(profile=profile)
        session.get_scoped_config()
    except BotoCoreError as error:
        raise BackendMisconfigured(f"AWS's files: {error}", hint="aws configure list-profiles") from error
    return session


def _login(profile: str | None) -> str:
    return "aws sts get-caller-identity" + (f" --profile={profile}" if profile else "") + "   # must work first"
