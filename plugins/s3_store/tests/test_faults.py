"""What networks and stores do, done by a proxy of our own: a call ends as if nothing had been, or with one error."""

from __future__ import annotations

import random
import secrets
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from penstock.client import Client
from penstock.contracts.finding import GOOD
from penstock.errors import BackendMisconfigured, BackendUnavailable
from penstock.testing.flow_suite import FLOWS, NESTED
from penstock_s3_store import client, connections, s3_datastore
from penstock_s3_store.identity import GIVEN
from penstock_s3_store.s3_datastore import S3Datastore
from plugins.s3_store.tests.conftest import come_in
from plugins.s3_store.tests.proxy import EXPIRED, FAULTS, LATE_ERROR, RIGHT_TIME, SLOW_DOWN, S3Proxy
from plugins.s3_store.tests.servers import REGION, S3Server
from tests.services.proxy import CUT, LOST, OTHER_BYTES, RESET, TRICKLE, Asked

DATA = random.Random(7).randbytes(300_000)


@pytest.fixture
def proxy(ministack: S3Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Proxy]:
    come_in(monkeypatch, ministack)
    monkeypatch.setattr(client, "_FIRST_WAIT_S", 0.001)
    monkeypatch.setattr(connections, "WINDOW_S", 0.3)
    with S3Proxy(ministack.endpoint) as proxy:
        yield proxy


@pytest.fixture
def store(proxy: S3Proxy, ministack: S3Server) -> Iterator[S3Datastore]:
    store = S3Datastore(url=f"s3://{ministack.bucket()}/x", endpoint=proxy.endpoint, exclusive=True)
    yield store
    store.close()


def _times(count: int, fault: str, method: str = "") -> Callable[[Asked], str]:
    """A fault for the first `count` requests, of one method or all."""
    left = [count]

    def choose(asked: Asked) -> str:
        if method in ("", asked.method) and left[0]:
            left[0] -= 1
            return fault
        return ""

    return choose


@pytest.mark.parametrize("fault", FAULTS)
def test_each_call_outlasts_a_fault(proxy: S3Proxy, store: S3Datastore, fault: str) -> None:
    """Each call meets it twice."""

    def meets(call: Callable[[], object]) -> object:
        proxy.choose = _times(2, fault)
        return call()

    assert meets(lambda: store.put("a/b", DATA)) is True
    assert meets(lambda: store.put("a/b", b"other")) is False
    assert meets(lambda: store.put("a/c", b"replaced", replace=True)) is True
    if fault == OTHER_BYTES:  # no sum covers a range, and XML is no longer XML
        with pytest.raises(BackendUnavailable, match="other bytes than were stored"):
            meets(lambda: store.get("a/b"))
        return
    assert meets(lambda: store.get("a/b")) == DATA
    assert meets(lambda: store.get("a/b", 10, 200_000)) == DATA[10:200_010]
    with store.open("a/b") as stream:
        assert meets(stream.read) == DATA
    assert sorted(one.key for one in meets(lambda: list(store.list("")))) == ["a/b", "a/c"]
    assert list(meets(lambda: list(store.list_folders("")))) == ["a"]
    assert meets(lambda: store.stat("a/b")).size == len(DATA)
    meets(lambda: store.touch("a/b"))
    meets(lambda: store.delete(["a/b", "a/c"]))
    proxy.choose = _times(0, "")
    assert list(store.list("")) == []
    assert proxy.faults[fault] >= 12


@pytest.mark.parametrize("fault", [LOST, LATE_ERROR])
def test_a_writer_whose_answer_was_lost_knows_its_own_work(proxy: S3Proxy, store: S3Datastore, fault: str) -> None:
    for size in (10, 5_000_000):
        key = f"own/{size}"
        proxy.choose = _times(1, fault, "PUT")
        assert store.put(key, b"m" * size) is True
        proxy.choose = _times(1, fault, "PUT")
        assert store.put(key, b"t" * size) is False
        assert store.get(key) == b"m" * size


@pytest.mark.parametrize("fault", [SLOW_DOWN, RESET, LOST, LATE_ERROR])
def test_an_object_in_parts_outlasts_faults(
    proxy: S3Proxy, store: S3Datastore, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3_datastore, "MULTIPART_BYTES", 1 << 20)
    monkeypatch.setattr(s3_datastore, "RANGED_BYTES", 1 << 20)
    monkeypatch.setattr(s3_datastore, "PART_BYTES", 5 << 20)
    data = random.Random(1).randbytes(12 << 20)
    assert store.completes_exclusively is True
    for method in ("PUT", "POST"):
        key = f"parts/{method}"
        proxy.choose = _times(2, fault, method)
        assert store.put(key, data) is True
        assert store.put(key, data[::-1]) is False
        proxy.choose = _times(2, fault, "GET")
        assert store.get(key) == data
    assert store.put("parts/PUT", b"x" + data, replace=True) is True
    assert store.get("parts/PUT", 1) == data


def test_old_credentials_are_replaced_once_and_then_told(
    proxy: S3Proxy, store: S3Datastore, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy.choose = _times(1, EXPIRED)
    assert store.put("a", b"x") is True
    proxy.choose = _times(2, EXPIRED)  # the answer to a HEAD does not say why
    assert store.stat("a").size == 1
    proxy.choose = _times(100, EXPIRED)
    with pytest.raises(BackendMisconfigured, match="credentials have expired"):
        store.get("a")
    assert proxy.faults[EXPIRED] < 10
    monkeypatch.setenv(GIVEN, "given")
    with pytest.raises(BackendMisconfigured, match="that the run gave this job have ended before it did"):
        store.get("a")


def test_a_storm_that_does_not_end_is_one_error(proxy: S3Proxy, store: S3Datastore) -> None:
    proxy.choose = _times(1000, SLOW_DOWN)
    with pytest.raises(BackendUnavailable, match="SlowDown"):
        store.get("a")
    assert proxy.count == client.TRIES
    proxy.choose = _times(1000, RESET)
    with pytest.raises(BackendUnavailable, match=r"does not answer: .* \(9 tries\)"):
        store.get("a")


def test_the_bucket_tells_its_region(ministack: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    come_in(monkeypatch, ministack)
    store = S3Datastore(url=f"s3://{ministack.bucket()}", region="eu-west-7", endpoint=ministack.endpoint)
    assert store.put("a", b"x") is True
    assert store.options()["region"] == REGION
    doubtful = [one for one in store.examine() if one.state != GOOD]
    assert [(one.what, one.hint) for one in doubtful] == [("bucket", f"--s3-region={REGION}")]
    store.close()


class Weather:
    """Faults by chance, a storm in which the store refuses everything, and one answer that trickles."""

    def __init__(self, seed: int, else_: str) -> None:
        self._chance, self._else = random.Random(seed), else_
        self._trickled = False

    def __call__(self, asked: Asked) -> str:
        if 40 <= asked.number < 46:  # fewer than the tries of a call
            return SLOW_DOWN
        if asked.number >= 46 and asked.kind == "GET" and not self._trickled:
            self._trickled = True
            return TRICKLE
        if self._chance.random() < 0.1:
            return self._chance.choice((SLOW_DOWN, RESET, LOST, LATE_ERROR, CUT, EXPIRED))
        return self._else


# The clocks of isolated jobs are off by an hour, and AWS would say so.
EXECUTORS = {
    "here": ((), ""),
    "elsewhere": (("--executor=isolated",), RIGHT_TIME),
    "in containers": (("--executor=docker", "--docker-network=host"), ""),
}


@pytest.mark.parametrize("where", EXECUTORS)
def test_a_run_on_a_bad_network_ends_like_any_other(
    ministack: S3Server, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    come_in(monkeypatch, ministack)
    options, always = EXECUTORS[where]
    if "docker" in "".join(options):
        options = (*options, f"--docker-image={request.getfixturevalue('image')}")
    url = f"s3://{ministack.bucket()}/{secrets.token_hex(4)}"
    shutil.copy(FLOWS / "nested.py", tmp_path)
    with S3Proxy(ministack.endpoint, Weather(3, always)) as proxy:
        done = subprocess.run(
            [sys.executable, "-m", "penstock", "run", "nested.py", f"--datastore={url}",
             f"--s3-endpoint={proxy.endpoint}", *options],
            cwd=tmp_path, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert {SLOW_DOWN, TRICKLE} <= set(proxy.faults)
        assert len(proxy.faults) > 4
    reader = Client(url, endpoint=ministack.endpoint)
    assert reader.flow("NestedFlow").latest_run["join"].task["result"].data == NESTED
    reader.stores.datastore.close()


def test_a_job_whose_credentials_end_before_it_says_so(
    ministack: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It can't store its record, so what it said last is all that tells."""
    come_in(monkeypatch, ministack)
    shutil.copy(FLOWS / "linear.py", tmp_path)
    end = _times(8, EXPIRED, "PUT")  # the tries of the attempt, and of its host in its place
    with S3Proxy(ministack.endpoint, lambda one: end(one) if one.path.endswith("middle/0/0.record") else "") as proxy:
        done = subprocess.run(
            [sys.executable, "-m", "penstock", "run", "linear.py", f"--datastore=s3://{ministack.bucket()}/p",
             f"--s3-endpoint={proxy.endpoint}", "--executor=isolated", "--isolated-clock-shift-s=0"],
            cwd=tmp_path, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        )  # fmt: skip
    assert done.returncode == 1
    assert "its last words: penstock: the credentials that the run gave this job have ended" in done.stderr
    assert "Traceback" not in done.stderr
