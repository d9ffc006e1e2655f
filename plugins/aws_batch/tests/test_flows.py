"""Whole flows on the endpoint: FlowSuite, and what only a run shows."""

from __future__ import annotations

import json

import pytest

from penstock.testing import FlowSuite
from penstock.testing.flow_suite import NESTED
from plugins.aws_batch.tests.endpoint import Endpoint, Switches
from plugins.aws_batch.tests.endpoint.jobs import ENDED
from plugins.s3_store.tests import servers
from tests.services.waiting import until

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

ROLE = "arn:aws:iam::123456789012:role/penstock-job"


class TestOnBatchAndS3(FlowSuite):
    """Jobs reach the bucket as their role, whose keys they get from the agent of their instance."""

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def services(cls, image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
        server = servers.ministack(tmp_path_factory.mktemp("ministack"))
        keys = (server.key, server.secret)
        switches = Switches(second_s=0.05, launcher_credentials=keys, job_credentials={"": (*keys, "")})
        with Endpoint(switches) as endpoint:
            cls.endpoint = endpoint
            cls.variables = endpoint.environment()
            cls.options = (
                "--executor=aws-batch", f"--aws-batch-queue={endpoint.queue}", f"--aws-batch-image={image}",
                "--aws-batch-poll-s=0.1", "--aws-batch-default-memory=512", f"--aws-batch-iam-role={ROLE}",
                f"--aws-batch-host-volumes={tmp_path_factory.getbasetemp()}",
                f"--datastore=s3://{server.bucket()}/flows", f"--s3-endpoint={server.endpoint}",
            )  # fmt: skip
            yield
        server.stop()

    def environment(self) -> Mapping[str, str]:
        return {**super().environment(), **self.variables}

    def test_a_job_drives_the_run(self, folder: Path) -> None:
        """Its image has a Python and nothing else; whoever started it is told the id and may go."""
        run = self.run(folder, "nested", "--detach")
        (driver,) = [one for one in self.endpoint.batch.jobs.values() if one.name.startswith("nestedflow-driver")]
        assert driver.request["retryStrategy"]["attempts"] == 5
        until(lambda: driver.status in ENDED)
        said = [one["message"] for one in self.endpoint.batch.events(driver.attempts[-1].stream)]
        assert driver.status == "SUCCEEDED", "\n".join(said)
        assert self.artifacts(folder, f"{run}/join")["result"] == NESTED

    def test_a_run_that_a_job_drives_is_cancelled_from_here(self, folder: Path) -> None:
        (folder / "decorated.py").write_text(DECORATED.replace("def start(self):", SLEEP))
        self.flow("run", "decorated.py", "--detach", "--run-id-file=id")
        (driver,) = [one for one in self.endpoint.batch.jobs.values() if one.name.startswith("decoratedflow-driver")]
        until(lambda: any(one.name.startswith("decoratedflow-start") for one in self.endpoint.batch.jobs.values()))
        self.flow("cancel", self.pathspec(folder, "decorated"))
        until(lambda: not [one for one in self.endpoint.batch.jobs.values() if one.status not in ENDED])
        assert driver.attempts[-1].exit_code == 130

    def test_a_run_whose_driver_waits_in_the_queue_has_not_died(self, folder: Path) -> None:
        """Nobody can drive it beside the job; who cancels it ends the job."""
        self.endpoint.switches.hold = True
        try:
            run = self.run(folder, "nested", "--detach")
            driver = [one for one in self.endpoint.batch.jobs.values() if one.name.startswith("nestedflow-driver")][-1]
            (listed,) = json.loads(self.flow("runs", "NestedFlow", "--limit=1", "--json").stdout)["runs"]
            assert (f"NestedFlow/{listed['run']}", listed["status"]) == (run, "running")
            refused = self.flow("continue", run, expect=2)
            assert b"which suite started, has waited since" in refused.stderr
            self.flow("cancel", run)
            until(lambda: driver.status in ENDED)
            assert driver.terminated
        finally:
            self.endpoint.switches.hold = False

    def test_one_step_by_its_decorator(self, folder: Path) -> None:
        """What it says reaches AWS Batch, and its memory is what the kernel grants."""
        (folder / "decorated.py").write_text(DECORATED)
        self.flow("run", "decorated.py", "--run-id-file=id")
        run = self.pathspec(folder, "decorated")
        assert self.artifacts(folder, f"{run}/end")["limit"] == 123 * 2**20
        jobs = {one.name.split("-")[1]: one for one in self.endpoint.batch.jobs.values() if "decorated" in one.name}
        assert jobs["work"].request["tags"]["team"] == "petß"
        assert "team" not in jobs["end"].request["tags"]
        assert jobs["end"].request["tags"]["penstock:run"] == run.partition("/")[2]
        assert jobs["end"].request["tags"]["penstock:step"] == "end"


SLEEP = """def start(self):
        import time
        time.sleep(600)"""
DECORATED = """
from penstock import FlowSpec, batch, step


class DecoratedFlow(FlowSpec):
    @step
    def start(self):
        self.next(self.work)

    @batch(memory=123, aws_batch_tags={"team": "petß"})
    @step
    def work(self):
        for path in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
            try:
                with open(path) as file:
                    self.limit = int(file.read())
            except OSError:
                pass
        self.next(self.end)

    @step
    def end(self):
        pass
"""
