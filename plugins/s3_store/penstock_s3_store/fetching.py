"""One object, fetched by a bare interpreter. Standard library alone; only ever a part of the bootstrap.

`BASE`, `PREFIX`, `REGION` and `MORE` stand before it, and `signing` and `ambient` are part of the same source.
"""

from __future__ import annotations

import email.utils
import os
import re
import sys
import time
import urllib.error
import urllib.request
from http.client import HTTPException
from urllib.parse import quote, urlsplit

from penstock_s3_store.ambient import ambient, of_variables, tls
from penstock_s3_store.signing import UNSIGNED, signed_headers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

BASE, PREFIX, REGION = "", "", ""
MORE: dict[str, str] = {}


def fetch(key: str) -> bytes:
    """The object's bytes. Ends the process with one line when they can't be had."""
    base, region, skew_s, why = BASE, REGION, 0.0, ""
    for number in range(8):
        time.sleep(0.2 * 2**number if number else 0)
        try:
            who = of_variables() if os.environ.get("PENSTOCK_S3_CREDENTIALS") else ambient(region)
            if not who:
                sys.exit("penstock: this job has no AWS credentials: give it a role that may read " + base)
            url = base + quote("/" + PREFIX + key, safe="/-_.~")
            parts = urlsplit(url)
            now_s = time.time() + skew_s
            head = signed_headers(who, "GET", parts.netloc, parts.path, "", MORE, UNSIGNED, region, now_s)
            status, headers, data = _answer(urllib.request.Request(url, headers=head))
            if status == 200:
                return data
            said = data.decode("utf-8", "replace")
            why = f"{status} {said[:500]}"
            other = headers["x-amz-bucket-region"] or "".join(re.findall("<Region>(.*?)<", said))
            if other and other != region:
                base, region = base.replace(f".{region}.", f".{other}."), other
            elif "RequestTimeTooSkewed" in said:
                skew_s = email.utils.parsedate_to_datetime(headers["Date"]).timestamp() - time.time()
            elif status < 500 and status not in (408, 429) and not re.search("RequestTimeout|ExpiredToken", said):
                break
        except (OSError, HTTPException, ValueError) as error:
            why = str(error)
    sys.exit(f"penstock: {base}/{PREFIX}{key} can't be fetched: {why}")


def _answer(request: urllib.request.Request) -> tuple[int, Any, bytes]:
    """Status, headers and the whole body, whatever the status. Raises OSError."""
    try:
        answer = urllib.request.urlopen(request, timeout=60, context=tls() if BASE[:5] == "https" else None)
    except urllib.error.HTTPError as error:
        answer = error
    with answer:
        data, since = bytearray(), time.monotonic()
        while part := answer.read1(65536):
            data += part
            took_s = time.monotonic() - since
            if took_s > 15 and len(data) < 2000 * took_s:  # as `connections` has it: alive, and useless
                raise OSError("its answer trickles")
        if answer.length:
            raise OSError("its answer broke off")
        return answer.status, answer.headers, bytes(data)
