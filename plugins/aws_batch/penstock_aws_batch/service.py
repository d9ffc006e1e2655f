"""Calls to AWS: paced, repeated where that is safe, and their errors as ours.

    refused as too many         waits longer, asks again; after a while BackendUnavailable
    no answer, or a 5xx         a question is asked again; a change that may have been made raises AnswerLost
    expired credentials         read anew once, then BackendUnavailable: they can be renewed while a run waits
    no credentials, no region,
    a forbidden action          BackendMisconfigured, in AWS's words and with what to type
    all else                    Refused: it is about this very request
"""

from __future__ import annotations

import os
import threading
import time

from penstock.errors import BackendMisconfigured, BackendUnavailable
from penstock_aws_batch.pace import Pace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_PATIENCE_S = 20.0  # how long one call is repeated before the caller hears of it
_ASKED_AGAIN_AFTER_S = 0.2
_IN_A_JOB = {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI"}  # it has a role, no files
_TOO_MANY = frozenset({"TooManyRequestsException", "ThrottlingException", "Throttling", "RequestLimitExceeded"})
_EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired"})
_FORBIDDEN = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"})
_ANSWERS_NOTHING = frozenset({"terminate_job"})  # of others the SDK makes an empty answer when it was cut off
_UNTRUSTED = frozenset(
    {"UnrecognizedClientException", "InvalidClientTokenId", "InvalidSignatureException", "SignatureDoesNotMatch"}
)


class AnswerLost(BackendUnavailable):
    """Nobody knows whether the call was obeyed."""


class Refused(BackendMisconfigured):
    """AWS, or its library, says no to this very request. code: the type of its error."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Service:
    """The AWS account, for any number of threads, made when it is first called.

    region, profile: None for the SDK's own choice.
    """

    def __init__(self, region: str | None, profile: str | None) -> None:
        self._region, self._profile = region, profile
        self._clients: dict[str, Any] = {}
        self._left: list[Any] = []  # clients of credentials that have expired: other threads may still use them
        self._paces: dict[str, Pace] = {}
        self._session = 0  # how often the credentials were read anew
        self._proven = True  # whether those of this session were good for anything yet
        self._lock = threading.Lock()

    def call(self, service: str, action: str, *, changes: bool = False, **request: Any) -> dict[str, Any]:
        """One action (`describe_jobs`), with its answer.

        changes: it must not be done twice. Raises Refused, and what the module says.
        """
        from botocore.exceptions import BotoCoreError, ClientError, EndpointConnectionError

        pace = self._paces.setdefault(action, Pace())
        until = time.monotonic() + _PATIENCE_S
        while True:
            pace.wait()
            session, unknown = self._session, False
            try:
                answer: dict[str, Any] = getattr(self._client(service), action)(**request)
            except ClientError as error:
                trouble = self._refused(error, action, changes, pace, session)
            except BotoCoreError as error:
                unknown = isinstance(error, EndpointConnectionError)
                trouble = self._unanswered(error, action, changes, session)
            else:
                if len(answer) > 1 or action in _ANSWERS_NOTHING:  # beside what was said of the request itself
                    self._proven = self._proven or session == self._session
                    pace.went_well()
                    return answer
                trouble = self._nobody_knows(f"{action}: the answer broke off", changes)
            if time.monotonic() > until:
                raise BackendUnavailable(
                    f"AWS does not let us, or does not answer: {trouble}",
                    hint="--aws-batch-region=REGION   # if that is no region of yours" if unknown else "",
                )

    @property
    def region(self) -> str:
        """The region that is in use."""
        return str(self._client("batch").meta.region_name)

    def _client(self, service: str) -> Any:
        with self._lock:
            if service not in self._clients:
                import boto3
                from botocore.config import Config

                profile = None if _IN_A_JOB & os.environ.keys() else self._profile
                session = boto3.session.Session(profile_name=profile, region_name=self._region)
                once = Config(retries={"total_max_attempts": 1}, connect_timeout=10, read_timeout=30)
                self._clients[service] = session.client(service, config=once)
            return self._clients[service]

    def _refused(self, error: Any, action: str, changes: bool, pace: Pace, session: int) -> str:
        """An error answer: what may pass if it is asked again, as text; all else is raised."""
        code, said = error.response["Error"]["Code"], error.response["Error"].get("Message") or str(error)
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        if code in _TOO_MANY or status == 429:
            pace.refused()
        elif code in _EXPIRED:
            self._renew(said, session)
        elif status >= 500:
            return self._nobody_knows(f"{action}: {said}", changes)
        elif code in _FORBIDDEN:
            raise BackendMisconfigured(
                f"AWS forbids {action}: {said}", hint="aws sts get-caller-identity   # who needs a policy for it"
            ) from error
        elif code in _UNTRUSTED:
            raise BackendMisconfigured(
                f"AWS does not accept the credentials: {said}", hint="aws sts get-caller-identity   # whose they are"
            ) from error
        else:
            raise Refused(code, said) from error
        return f"{action}: {said}"

    def _unanswered(self, error: Exception, action: str, changes: bool, session: int) -> str:
        """No answer: likewise."""
        import botocore.exceptions as sdk

        if isinstance(error, (sdk.NoCredentialsError, sdk.PartialCredentialsError, sdk.ProfileNotFound)):
            raise BackendMisconfigured(
                f"AWS credentials are missing: {error}", hint="aws configure   # or aws sso login, or AWS_PROFILE=..."
            ) from error
        if isinstance(error, (sdk.NoRegionError, sdk.InvalidRegionError)):
            raise BackendMisconfigured(
                f"no AWS region is chosen: {error}", hint="--aws-batch-region=REGION   # or AWS_DEFAULT_REGION=..."
            ) from error
        if isinstance(error, (sdk.CredentialRetrievalError, sdk.TokenRetrievalError, sdk.UnauthorizedSSOTokenError)):
            self._renew(str(error), session)
        elif isinstance(error, (sdk.HTTPClientError, sdk.ConnectionError)):
            never_sent = isinstance(error, sdk.EndpointConnectionError)
            return self._nobody_knows(f"{action}: {error}", changes and not never_sent)
        else:  # a request that is no request
            raise Refused(type(error).__name__, f"{action}: {error}") from error
        return f"{action}: {error}"

    @staticmethod
    def _nobody_knows(trouble: str, changes: bool) -> str:
        """Whether it was done. Raises AnswerLost where it must not be done twice."""
        if changes:
            raise AnswerLost(trouble)
        time.sleep(_ASKED_AGAIN_AFTER_S)
        return trouble

    def _renew(self, said: str, session: int) -> None:
        """Once by reading the credentials anew, which a login may have written; then it takes a person.

        session: of the call that failed. Another thread may have read them anew since, for all.
        """
        with self._lock:
            if session != self._session:
                return
            self._left += self._clients.values()
            self._clients = {}
            self._session += 1
            proven, self._proven = self._proven, False
        if not proven:
            raise BackendUnavailable(
                f"the AWS credentials have expired: {said}", hint="aws sso login   # the run waits for new ones"
            )

    def close(self) -> None:
        """Close connections. May be called twice."""
        with self._lock:
            clients, self._clients, self._left = [*self._clients.values(), *self._left], {}, []
        for client in clients:
            client.close()
