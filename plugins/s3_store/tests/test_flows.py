"""Real flows, whole, with their data in a bucket: tasks on this machine, and elsewhere without boto3."""

from __future__ import annotations

import secrets
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from penstock.client import Client
from penstock.testing.flow_suite import FlowSuite
from penstock_s3_store.s3_datastore import S3Datastore
from plugins.s3_store.tests.conftest import come_in
from plugins.s3_store.tests.proxy import S3Proxy
from plugins.s3_store.tests.servers import S3Server
from tests.services.waiting import until

WIDE = Path(__file__).parents[3] / "examples" / "wide_flow.py"

SLOW = """
import time
from pathlib import Path
from penstock import FlowSpec, step

class SlowFlow(FlowSpec):
    @step
    def start(self):
        print("first", flush=True)
        Path("at work").touch()
        until = time.monotonic() + 120
        while not Path("go").exists() and time.monotonic() < until:
            time.sleep(0.01)
        print("last")
        self.next(self.end)

    @step
    def end(self):
        pass
"""


class _OnS3(FlowSuite):
    def start(self, server: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
        come_in(monkeypatch, server)
        self.server = server
        self.url = f"s3://{server.bucket()}/{secrets.token_hex(4)}"
        self.options = (*type(self).options, f"--datastore={self.url}", f"--s3-endpoint={server.endpoint}")

    def flow(self, *arguments: str, expect: int = 0) -> subprocess.CompletedProcess[bytes]:
        done = super().flow(*arguments, expect=expect)
        assert self.server.secret.encode() not in done.stdout + done.stderr
        return done

    @pytest.fixture(autouse=True)
    def nothing_secret_was_written(self, folder: Path, server_of_the_test: None) -> object:
        yield
        store = S3Datastore(url=self.url, endpoint=self.server.endpoint)
        shown = [key for key, data in store.get_many(one.key for one in store.list("")) if self._is_secret(data)]
        store.close()
        assert shown == []
        assert not any((folder / ".penstock").iterdir()), "the local store was used"

    def _is_secret(self, data: bytes | None) -> bool:
        return data is not None and self.server.secret.encode() in data


class TestTasksHere(_OnS3):
    @pytest.fixture(autouse=True)
    def server_of_the_test(self, ministack: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
        self.start(ministack, monkeypatch)


    def test_output_is_followed_from_another_machine(self, folder: Path, tmp_path: Path) -> None:
        """Another folder, and nothing but the URL; what follows ends with the task."""
        (folder / "slow.py").write_text(SLOW)
        running = [sys.executable, "-m", "penstock", "run", "slow.py", "--run-id-file=id", *self.options]
        with subprocess.Popen(running, env=self.environment(), stdin=subprocess.DEVNULL) as run:
            until(lambda: (folder / "at work").exists() or run.poll() is not None)
            task = f"SlowFlow/{(folder / 'id').read_text()}/start"
            following = [sys.executable, "-m", "penstock", "logs", "--follow", "--stdout", task, *self.options]
            elsewhere = tmp_path / "elsewhere"
            elsewhere.mkdir()
            with subprocess.Popen(following, cwd=elsewhere, env=self.environment(), stdout=subprocess.PIPE) as logs:
                assert logs.stdout is not None
                assert logs.stdout.readline() == b"first\n"
                (folder / "go").touch()
                assert logs.stdout.read() == b"last\n"
            assert (run.wait(), logs.returncode) == (0, 0)

    def test_a_run_of_a_thousand_tasks_is_read_in_few_requests(self, folder: Path) -> None:
        """Each of its tasks, and an artifact of each; and a task costs two requests where nothing is far."""
        shutil.copy(WIDE, folder)
        with S3Proxy(self.server.endpoint) as proxy:
            options = (f"--datastore={self.url}", f"--s3-endpoint={proxy.endpoint}", "--s3-exclusive")
            self.options = options
            self.flow("run", "wide_flow.py", "--width=2")
            few = proxy.count
            self.flow("run", "wide_flow.py", "--width=1000", "--max-workers=8")
            assert (proxy.count - 2 * few) / 998 < 2.1
            before = proxy.count
            client = Client(self.url, endpoint=proxy.endpoint)
            run = client.flow("WideFlow").latest_run
            assert len([task["primes"].data for task in run["count"]]) == 1000
            assert proxy.count - before <= 10
            client.stores.datastore.close()


class TestTasksElsewhere(_OnS3):
    """Their interpreter has no package at all, and a clock that is an hour off."""

    options = ("--executor=isolated",)

    @pytest.fixture(autouse=True)
    def server_of_the_test(self, seaweedfs: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
        self.start(seaweedfs, monkeypatch)


    def test_a_trivial_task_costs_four_requests_with_its_code(self, folder: Path) -> None:
        shutil.copy(WIDE, folder)
        few, many = (self._count(f"--width={width}") for width in (8, 24))
        assert many - few < 4.25 * 16, "the items of the larger one are an object of their own"

    def _count(self, *options: str) -> int:
        """Requests of a run but those that the clock brings."""
        with S3Proxy(self.server.endpoint) as proxy:
            self.options = ("--executor=isolated", "--isolated-clock-shift-s=0", f"--datastore={self.url}",
                            f"--s3-endpoint={proxy.endpoint}", "--s3-exclusive")  # fmt: skip
            self.flow("run", "wide_flow.py", *options)
            of_clock = [one for one in proxy.asked if one.kind == "LIST" or one.path.endswith(("/beat", "/cancel"))]
            return proxy.count - len(of_clock)


class TestTasksInContainers(_OnS3):
    """A stock image, which is given the run's credentials: it sees no variable and no file of this machine."""

    options = ("--executor=docker", "--docker-network=host")
    test_graphs = test_a_failed_run_is_resumed_and_nothing_runs_twice = test_a_dead_scheduler_is_continued = None

    @pytest.fixture(autouse=True)
    def server_of_the_test(self, ministack: S3Server, image: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.start(ministack, monkeypatch)
        monkeypatch.setenv("PENSTOCK_DOCKER_IMAGE", image)
