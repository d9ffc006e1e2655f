"""A thousand tasks."""

from __future__ import annotations

import pytest

from penstock.client import Client
from tests.examples.conftest import EXAMPLES, Flow

FILE = EXAMPLES / "wide_flow.py"


@pytest.mark.parametrize(
    ("width", "primes"), [(0, 0), (1, 25), (10, 168), (1000, 9592)]
)  # Source: primes below 100, 1,000 and 100,000, OEIS A006880
def test_primes_of_as_many_blocks_as_asked_for(width: int, primes: int, flow: Flow, client: Client) -> None:
    done = flow("run", FILE, f"--width={width}", "--quiet")
    assert done.returncode == 0, done.stderr
    assert f"{primes} primes below {width * 100}" in done.stdout
    run = client.run("WideFlow/latest")
    assert run.data.primes == primes
    if width:
        tasks = list(run["count"])
        assert [task.id for task in tasks] == [str(index) for index in range(width)]
        assert tasks[-1].data.primes <= 25
