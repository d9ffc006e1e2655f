"""The right to drive a run: one holder, who it is, and when it is gone: here by the lock, elsewhere by silence."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from penstock.contracts.datastore import Stat
from penstock.errors import BackendUnavailable, RunDriven
from penstock.running import lease
from penstock.running.lease import SILENT_AFTER_S, Lease
from penstock.storage import keys, records
from penstock_local.file_datastore import FileDatastore
from tests.unit.dict_datastore import DictDatastore


@pytest.fixture
def store(tmp_path: Path) -> FileDatastore:
    return FileDatastore(str(tmp_path / "store"))


@pytest.fixture(autouse=True)
def short_wait(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(lease, "LOCK_WAIT_S", 0.0)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))


def elsewhere(store: Any, age_s: float, *, host: str = "far-away", number: int = 1) -> None:
    """Another machine's lease, with a last beat `age_s` ago by the store's clock."""
    data = {"token": "t", "host": host, "pid": 77, "user": "bob", "since_s": 0.0}
    store.put(keys.lease("F", "r", number), records.encode("lease", data))
    store.put(keys.run_beat("F", "r"), records.encode("beat", {}))
    for key in (keys.lease("F", "r", number), keys.run_beat("F", "r")):
        store.ages_s[key] = age_s


class Flaky(DictDatastore):
    """away: no call is answered."""

    away = False

    def list(self, prefix: str) -> Iterator[Stat]:
        if self.away:
            raise BackendUnavailable("nobody answers")
        return super().list(prefix)


def test_a_store_that_is_away_costs_nobody_the_lease_and_is_not_the_moment_to_look_at_wishes() -> None:
    store = Flaky()
    own = Lease(store, "F", "r", "ann")
    own.take(new=True)
    store.away = True
    assert own.beat(now=True)
    assert not own.just_beat
    store.away = False
    assert own.beat(now=True)
    assert own.just_beat
    own.release()


def test_one_that_can_not_claim_the_lease_lets_go_of_the_lock() -> None:
    store = Flaky()
    store.away, own = True, Lease(store, "F", "r", "ann")
    with pytest.raises(BackendUnavailable):
        own.take()
    store.put = lambda *_, **__: False  # type: ignore[method-assign]  # somebody else is faster
    store.away = False
    with pytest.raises(RunDriven):
        own.take()
    assert own.lock_fd == -1
    del store.put
    Lease(store, "F", "r", "bob").take()


def test_nobody(store: FileDatastore) -> None:
    found = lease.state(store, "F", "r")
    assert (found.alive, found.holder, str(found)) == (False, None, "nobody")


def test_the_holder_is_known_and_another_is_refused(store: FileDatastore) -> None:
    own = Lease(store, "F", "r", "ann")
    own.take(new=True)
    try:
        found = lease.state(store, "F", "r")
        assert found.alive
        assert str(found).startswith(f"ann on {os.uname().nodename}, process {os.getpid()}, since 2")
        with pytest.raises(RunDriven, match=r"F/r is driven by ann on") as told:
            Lease(store, "F", "r", "bob").take()
        assert told.value.hint.startswith("flow cancel F/r")
        assert own.beat(now=True)
    finally:
        own.release()
    assert not lease.state(store, "F", "r").alive


def test_after_a_release_the_next_takes_a_higher_number(store: FileDatastore) -> None:
    for number in (1, 2, 3):
        own = Lease(store, "F", "r", f"user{number}")
        own.take(new=number == 1)
        own.release()
        own.release()
        assert [one.key.rpartition("/")[2] for one in store.list(keys.lease_prefix("F", "r"))][-1:] or number == 1
    assert sorted(
        one.key.rpartition("/")[2] for one in store.list(keys.lease_prefix("F", "r"))
    ) == ["000001", "000002", "000003"]
    holder = lease.state(store, "F", "r").holder
    assert holder is not None
    assert holder["user"] == "user3"


def test_a_holder_whose_lease_was_taken_over_is_told_at_its_next_beat(store: FileDatastore) -> None:
    own = Lease(store, "F", "r", "ann")
    own.take(new=True)
    try:
        assert own.beat(now=True)
        store.put(keys.lease("F", "r", 2), records.encode("lease", {"token": "other"}))
        assert own.beat(), "between two beats nothing is asked"
        assert not own.just_beat
        assert not own.beat(now=True)
        assert own.just_beat
    finally:
        own.release()


def test_a_child_that_lives_on_holds_the_run_and_is_named(store: FileDatastore) -> None:
    own = Lease(store, "F", "r", "ann")
    own.take(new=True)
    path = store.local_path(keys.run_lock("F", "r"))
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=[own.lock_fd])
    try:
        assert lease.holders(path) == [child.pid]
        own.release()
        assert lease.state(store, "F", "r").alive, "the kernel frees the lock with its last holder"
        with pytest.raises(
            RunDriven, match=rf"is dead, but these processes of its tasks still run: {child.pid} \("
        ) as told:
            Lease(store, "F", "r", "bob").take()
        assert told.value.hint == f"kill {child.pid}"
    finally:
        child.communicate()
    assert not lease.state(store, "F", "r").alive
    Lease(store, "F", "r", "bob").take()


LEFT = """
import os, sys, time
os.setsid()
print(os.getpid(), flush=True)
if not os.fork():
    os.setpgid(0, 0)
    if sys.argv[1] == "sent away":
        os.setsid() if os.fork() == 0 else os._exit(0)
    print(os.getpid(), flush=True)
    time.sleep(600)
input()
"""


@pytest.mark.parametrize("kind", ["left behind", "sent away"])
def test_what_a_dead_host_left_is_ended_unless_it_was_sent_away(
    store: FileDatastore, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = Lease(store, "F", "r", "ann")
    own.take(new=True)
    host = subprocess.Popen(
        [sys.executable, "-c", LEFT, kind], pass_fds=[own.lock_fd], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert host.stdin is not None
    assert host.stdout is not None
    own.keep_host(int(host.stdout.readline()))
    child = int(host.stdout.readline())
    own.release()
    host.kill()
    host.wait()
    host.stdin.close()
    host.stdout.close()
    try:
        if kind == "sent away":
            with pytest.raises(RunDriven, match=rf"these processes of its tasks still run: {child} \("):
                Lease(store, "F", "r", "bob").take()
            os.kill(child, 0)
        else:
            monkeypatch.setattr(lease, "LOCK_WAIT_S", 10.0)
            after = Lease(store, "F", "r", "bob")
            after.take()
            after.release()
            assert child not in lease.holders(store.local_path(keys.run_lock("F", "r")))
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)


def test_a_driver_that_was_killed_is_gone_at_once(store: FileDatastore) -> None:
    code = (
        "import sys\nfrom penstock.running.lease import Lease\n"
        "from penstock_local.file_datastore import FileDatastore\n"
        "own = Lease(FileDatastore(sys.argv[1]), 'F', 'r', 'ann'); own.take(new=True)\n"
        "print('held', flush=True); input()\n"
    )
    child = subprocess.Popen([sys.executable, "-c", code, store.label], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"held\n"
        found = lease.state(store, "F", "r")
        assert found.alive
        assert found.holder is not None
        assert found.holder["pid"] == child.pid
        child.kill()
    assert not lease.state(store, "F", "r").alive
    own = Lease(store, "F", "r", "bob")
    own.take()
    own.release()


@pytest.mark.parametrize(
    ("age_s", "alive"),
    [
        (0.0, True), (SILENT_AFTER_S - 1, True), (SILENT_AFTER_S + 1, False), (1e6, False),
    ],
)  # fmt: skip
def test_from_elsewhere_silence_tells(age_s: float, alive: bool) -> None:
    store = DictDatastore()
    elsewhere(store, age_s)
    found = lease.state(store, "F", "r")
    assert (found.alive, found.silent_s) == (alive, age_s)
    assert str(found) == f"bob on far-away, process 77, since 1970-01-01 00:00:00 UTC, silent for {age_s:.0f} s"


def test_a_living_driver_elsewhere_is_not_replaced_unless_one_insists() -> None:
    store = DictDatastore()
    elsewhere(store, 1.0)
    with pytest.raises(RunDriven, match="bob on far-away") as told:
        Lease(store, "F", "r", "ann").take()
    assert "--takeover" in told.value.hint
    own = Lease(store, "F", "r", "ann")
    own.take(takeover=True)
    own.release()
    assert max(key for key in store.objects if "/lease/" in key).endswith("000002")


def test_a_silent_driver_elsewhere_is_replaced() -> None:
    store = DictDatastore()
    elsewhere(store, SILENT_AFTER_S + 1)
    own = Lease(store, "F", "r", "ann")
    own.take()
    own.release()


def test_of_two_who_take_at_the_same_moment_one_wins() -> None:
    """The other had looked at the same highest number, and finds the next one claimed."""
    store = DictDatastore()
    elsewhere(store, 1e6)
    own = Lease(store, "F", "r", "ann")
    own._highest = lambda: 0  # type: ignore[method-assign]  # what it saw before the other wrote
    with pytest.raises(RunDriven, match="took the lease at the same moment"):
        own.take()
    own.release()


def test_a_torn_lease_of_this_machine_is_judged_by_its_lock(store: FileDatastore) -> None:
    own = Lease(store, "F", "r", "ann")
    own.take(new=True)
    store.put(keys.lease("F", "r", 1), b"", replace=True)
    assert lease.state(store, "F", "r").alive
    own.release()
    assert not lease.state(store, "F", "r").alive


def test_a_job_that_has_not_begun_holds_the_run_until_it_does() -> None:
    """It can't be continued by anybody else, and is no run that died."""
    store = DictDatastore()
    lease.hold_for_job(store, "F", "r", "ann", "the job 7 of batch")
    store.ages_s[keys.lease("F", "r", 1)] = 10 * SILENT_AFTER_S
    found = lease.state(store, "F", "r")
    assert (found.alive, found.to_come) == (True, True)
    assert "the job 7 of batch, which ann started, has waited since" in str(found)
    with pytest.raises(RunDriven, match="the job 7 of batch"):
        Lease(store, "F", "r", "bob").take()
    job = Lease(store, "F", "r", "ann")
    job.take(for_job=True)
    assert not lease.state(store, "F", "r").to_come
    lease.hold_for_job(store, "F", "r", "ann", "the job 7 of batch")  # said too late: it drives already
    assert not lease.state(store, "F", "r").to_come
    job.release()


def test_a_job_that_never_begins_holds_no_run_for_ever() -> None:
    store = DictDatastore()
    lease.hold_for_job(store, "F", "r", "ann", "the job 7 of batch")
    store.ages_s[keys.lease("F", "r", 1)] = lease.JOB_WAITS_S + 1
    assert not lease.state(store, "F", "r").alive
    own = Lease(store, "F", "r", "bob")
    own.take()
    own.release()
