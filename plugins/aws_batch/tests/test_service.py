"""Calls from several threads, and answers that are none."""

from __future__ import annotations

import threading
from collections import Counter
from pathlib import Path

import pytest

from penstock.contracts.executor import Job, RunInfo
from penstock.errors import BackendUnavailable, JobRejected
from penstock_aws_batch.executor import BatchExecutor
from penstock_aws_batch.service import Refused, Service
from plugins.aws_batch.tests.endpoint import Endpoint, Switches

THREADS = 8


def credentials(folder: Path, key: str) -> None:
    (folder / "credentials").write_text(f"[default]\naws_access_key_id={key}\naws_secret_access_key=secret\n")


@pytest.fixture
def from_file(tmp_path: Path, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Credentials lie in a file, as a login writes it."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    endpoint.gate.expired.add("AKIAOLD")
    credentials(tmp_path, "AKIAOLD")
    return tmp_path


def at_once(service: Service) -> Counter[str]:
    """How the same call ends in each of several threads."""
    found: Counter[str] = Counter()

    def call() -> None:
        try:
            service.call("batch", "describe_job_queues")
        except BackendUnavailable as error:
            found[str(error)] += 1
        else:
            found["answered"] += 1

    threads = [threading.Thread(target=call) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def test_credentials_that_were_renewed_are_good_for_all_threads(
    endpoint: Endpoint, from_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of them have asked with the old ones before any of them hears that those have expired."""
    together, principal = threading.Barrier(THREADS), endpoint.gate.principal

    def late(authorization: str) -> str:
        if "AKIAOLD" in authorization:
            together.wait(30)
        return principal(authorization)

    monkeypatch.setattr(endpoint.gate, "principal", late)
    service = Service(None, None)
    service._client("batch")  # made with the old ones
    credentials(from_file, endpoint.switches.launcher_credentials[0])
    assert at_once(service) == {"answered": THREADS}
    service.close()


def test_credentials_that_stay_expired_are_told_and_may_be_renewed_later(endpoint: Endpoint, from_file: Path) -> None:
    service = Service(None, None)
    with pytest.raises(BackendUnavailable, match="expired"):
        service.call("batch", "describe_job_queues")
    with pytest.raises(BackendUnavailable, match="expired"):
        service.call("batch", "describe_job_queues")
    credentials(from_file, endpoint.switches.launcher_credentials[0])
    assert service.call("batch", "describe_job_queues")["jobQueues"]
    service.close()


def test_a_request_that_is_none_keeps_no_other_job_from_its_handle(endpoint: Endpoint, switches: Switches) -> None:
    switches.hold = True
    executor = BatchExecutor(RunInfo(flow="F", run="r", user="u"), queue=endpoint.queue, image="any")
    jobs = [Job(name=f"f-work-{number}-0", message="", command=("true",)) for number in range(4)]
    jobs[2] = jobs[2].changed(options={"share_identifier": 7})  # the library refuses it: no text
    found = executor.submit_many(jobs)
    assert [type(one) for one in found] == [str, str, JobRejected, str]
    assert len(endpoint.batch.jobs) == 3
    executor.cancel([one for one in found if isinstance(one, str)])
    executor.close()
    with pytest.raises(Refused, match="describe_jobs"):
        Service(None, None).call("batch", "describe_jobs", jobs="none")


def test_a_region_that_is_none_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("penstock_aws_batch.service._PATIENCE_S", 0.0)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    service = Service("eu-nowhere-9", None)
    with pytest.raises(BackendUnavailable, match=r"batch\.eu-nowhere-9\.amazonaws\.com") as error:
        service.call("batch", "describe_job_queues")
    assert error.value.hint.startswith("--aws-batch-region=")
    service.close()
