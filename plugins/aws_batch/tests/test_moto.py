"""The suite once more against moto's Batch, another reading of the same API: what it does not do is named here."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

from penstock.contracts.executor import Executor, RunInfo
from penstock.testing import ExecutorSuite, HttpDatastore, HttpStoreServer
from penstock_aws_batch.examination import STARTS_JOBS
from plugins.aws_batch.tests.endpoint.jobs import REGION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from penstock.contracts.datastore import Datastore


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")  # of moto's
class TestOnMoto(ExecutorSuite):
    many = 3

    # DescribeJobs of moto tells no exit code of a job that failed, and these tests ask for it
    test_an_attempt_that_fails_is_a_job_that_failed = None
    test_an_attempt_that_dies_is_a_job_that_failed = None
    test_a_job_has_the_exit_code_of_its_program = None
    test_a_job_that_a_signal_ends_has_failed = None
    test_the_platform_ends_a_job_that_takes_too_long = None  # it lasts the full minute there
    test_jobs_of_a_gang_run_side_by_side_and_find_the_first = None  # what overrides say of nodes is ignored there

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def services(cls, image: str) -> Iterator[None]:
        with contextlib.ExitStack() as stack:
            environment = stack.enter_context(pytest.MonkeyPatch.context())
            environment.setenv("MOTO_DOCKER_NETWORK_NAME", "host")
            # In a container it asks for its own address, and leaves the pipe of that open until other tests run.
            environment.setattr("moto.settings.is_docker", lambda: False)
            server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
            server.start()
            stack.callback(server.stop)
            host, port = server.get_host_and_port()
            cls.url, cls.image = f"http://{host}:{port}", image
            for name, value in {
                "AWS_ENDPOINT_URL": cls.url, "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret",
                "AWS_REGION": REGION, "AWS_DEFAULT_REGION": REGION,
            }.items():  # fmt: skip
                environment.setenv(name, value)
            cls.role = _make_queue()
            cls.store = stack.enter_context(HttpStoreServer())
            yield

    def make(self, run: RunInfo, folder: Path) -> Executor:
        from penstock_aws_batch.executor import BatchExecutor

        return BatchExecutor(
            run, queue="penstock", image=self.image, default_memory=512, poll_s=0.1, iam_role=self.role
        )

    def make_datastore(self, folder: Path) -> Datastore:
        return HttpDatastore(self.store.url)


def _make_queue() -> str:
    """An account with a network, a role, a compute environment and a queue; returns the role."""
    ec2, iam, batch = boto3.client("ec2"), boto3.client("iam"), boto3.client("batch")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.1.0/24")["Subnet"]["SubnetId"]
    group = ec2.create_security_group(GroupName="g", Description="g", VpcId=vpc)["GroupId"]
    trust = {"Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": STARTS_JOBS}}]}
    role = iam.create_role(RoleName="r", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    iam.create_instance_profile(InstanceProfileName="r")
    iam.add_role_to_instance_profile(InstanceProfileName="r", RoleName="r")
    batch.create_compute_environment(
        computeEnvironmentName="penstock", type="MANAGED", serviceRole=role,
        computeResources={"type": "EC2", "minvCpus": 0, "maxvCpus": 8, "instanceTypes": ["optimal"],
                          "subnets": [subnet], "securityGroupIds": [group],
                          "instanceRole": role.replace("role", "instance-profile")},
    )  # fmt: skip
    batch.create_job_queue(
        jobQueueName="penstock", state="ENABLED", priority=1,
        computeEnvironmentOrder=[{"order": 1, "computeEnvironment": "penstock"}],
    )  # fmt: skip
    return str(role)
