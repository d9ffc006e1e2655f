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
from urllib.parse import quote, urlsplit

from penstock_s3_store.ambient import ambient, of_variables
from penstock_s3_store.signing import UNSIGNED, signed_headers

BASE, PREFIX, REGION = "", "", ""
MORE: dict[str, str] = {}


def fetch(key: str) -> bytes:
    """The object's bytes. Ends the process with one line when they can't be had."""
    base, region, skew_s, why = BASE, REGION, 0.0, ""
    given = os.environ.get("PENSTOCK_S3_CREDENTIALS")
    for number in range(8):
        try:
            who = of_variables() if given else ambient(region)
            if not who:
                sys.exit("penstock: this job has no AWS credentials: give it a role that may read " + base)
            url = base + quote("/" + PREFIX + key, safe="/-_.~")
            parts = urlsplit(url)
            head = signed_headers(
                who, "GET", parts.netloc, parts.path, "", MORE, UNSIGNED, region, time.time() + skew_s
            )
            with urllib.request.urlopen(urllib.request.Request(url, headers=head), timeout=60) as answer:
                data = answer.read()
                if len(data) == int(answer.headers["Content-Length"] or len(data)):
                    return bytes(data)
        except urllib.error.HTTPError as error:
            said = error.read().decode("utf-8", "replace")
            why = f"{error.code} {said[:500]}"
            other = error.headers["x-amz-bucket-region"] or "".join(re.findall("<Region>(.*?)<", said))
            if other and other != region:
                base, region = base.replace(f".{region}.", f".{other}."), other
            elif "RequestTimeTooSkewed" in said:
                skew_s = email.utils.parsedate_to_datetime(error.headers["Date"]).timestamp() - time.time()
            elif error.code < 500 and error.code not in (408, 429) and "RequestTimeout" not in said:
                break
        except (OSError, ValueError) as error:
            why = str(error)
        time.sleep(0.2 * 2**number)
    sys.exit(f"penstock: {base}/{PREFIX}{key} can't be fetched: {why}")
