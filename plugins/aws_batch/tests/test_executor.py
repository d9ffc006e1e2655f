"""The suite of `penstock.testing` on the endpoint: each promise of the contract, by real containers."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from penstock.contracts.executor import Executor, RunInfo
from penstock.testing import ExecutorSuite, HttpDatastore, HttpStoreServer
from plugins.aws_batch.tests.endpoint import Endpoint, Switches

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from penstock.contracts.datastore import Datastore


class TestBatchExecutor(ExecutorSuite):
    many = 6
    jobs_see_folder = True  # as a volume of the host, which is this machine

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def services(cls, image: str) -> Iterator[None]:
        with contextlib.ExitStack() as stack:
            environment = stack.enter_context(pytest.MonkeyPatch.context())
            switches = Switches(second_s=0.05, slots=4, unseen=1, nodes_late=True, late_logs=1)
            endpoint = stack.enter_context(Endpoint(switches))
            for name, value in endpoint.environment().items():
                environment.setenv(name, value)
            cls.queue, cls.image = endpoint.queue, image
            cls.store = stack.enter_context(HttpStoreServer())
            yield

    def make(self, run: RunInfo, folder: Path) -> Executor:
        from penstock_aws_batch.executor import BatchExecutor

        return BatchExecutor(
            run, queue=self.queue, image=self.image, iam_role="arn:aws:iam::123456789012:role/penstock-job",
            default_memory=512, poll_s=0.1, host_volumes=(str(folder),),
        )  # fmt: skip

    def make_datastore(self, folder: Path) -> Datastore:
        return HttpDatastore(self.store.url)
