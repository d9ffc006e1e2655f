"""What stores do beside what networks do."""

from __future__ import annotations

import calendar
import time
from email.utils import formatdate

from tests.services.proxy import CUT, LOST, OTHER_BYTES, RESET, TRICKLE, Proxy, Told

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SLOW_DOWN = "slow-down"
EXPIRED = "expired"
LATE_ERROR = "late-error"  # it is obeyed, and answered with an error
RIGHT_TIME = "right-time"  # refused if the client's clock is wrong, as AWS does
FAULTS = (SLOW_DOWN, RESET, LOST, LATE_ERROR, CUT, TRICKLE, OTHER_BYTES)
_ALLOWED_SKEW_S = 900
_REFUSALS = {SLOW_DOWN: (503, "SlowDown"), EXPIRED: (403, "ExpiredToken"), LATE_ERROR: (500, "InternalError"),
             RIGHT_TIME: (403, "RequestTimeTooSkewed")}  # fmt: skip


class S3Proxy(Proxy):
    """Kinds are methods, and `LIST`."""

    def kind(self, method: str, path: str, headers: Mapping[str, str]) -> str:
        """A listing is a GET of another kind."""
        return "LIST" if "list-type=2" in path else method

    def answer(self, fault: str, headers: Mapping[str, str], told: Callable[[], Told]) -> Told | None:
        """A refusal as S3 writes it."""
        if fault not in _REFUSALS or (fault == RIGHT_TIME and _skew_s(headers) < _ALLOWED_SKEW_S):
            return None
        if fault == LATE_ERROR:
            told()
        status, code = _REFUSALS[fault]
        body = f"<Error><Code>{code}</Code><Message>as planned</Message></Error>".encode()
        return Told(status, {"Date": formatdate(usegmt=True)}, body)


def _skew_s(headers: Mapping[str, str]) -> float:
    return abs(calendar.timegm(time.strptime(headers["x-amz-date"], "%Y%m%dT%H%M%SZ")) - time.time())
