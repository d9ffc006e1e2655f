"""The pages about buckets are run, on a server that has their bucket; the policy that they show is enough, no more."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from penstock.testing.flow_suite import FLOWS
from penstock_s3_store.s3_datastore import S3Datastore
from plugins.s3_store.tests.conftest import come_in
from plugins.s3_store.tests.servers import S3Server
from tests.docs.blocks import ROOT, blocks

BUCKET = "my-bucket"  # of the pages
PAGE = ROOT / "docs" / "s3.md"


@pytest.fixture
def bucket(ministack: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    come_in(monkeypatch, ministack)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", ministack.endpoint)
    ministack.boto3().create_bucket(Bucket=BUCKET)


@pytest.mark.usefixtures("bucket")
@pytest.mark.parametrize("page", [PAGE, ROOT / "plugins" / "s3_store" / "README.md"], ids=["docs", "README"])
def test_the_blocks_of_a_page_run_one_after_another(page: Path, tmp_path: Path) -> None:
    folder = tmp_path / "reader"
    folder.mkdir()
    shutil.copy(FLOWS / "linear.py", folder / "petsflow.py")
    for block in blocks(page):
        block.run(folder)


@pytest.mark.usefixtures("bucket")
def test_the_policy_is_enough_and_nothing_in_it_is_too_much(
    ministack: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    (policy,) = [json.loads(block.text) for block in blocks(PAGE) if block.file == "policy.json"]
    on_bucket, on_objects = policy["Statement"]
    iam = ministack.boto3("iam")
    iam.create_user(UserName="reader-of-the-page")
    made = iam.create_access_key(UserName="reader-of-the-page")["AccessKey"]
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", made["AccessKeyId"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", made["SecretAccessKey"])

    def bad(statements: list[object]) -> list[str]:
        document = json.dumps({**policy, "Statement": statements})
        iam.put_user_policy(UserName="reader-of-the-page", PolicyName="page", PolicyDocument=document)
        store = S3Datastore(url=f"s3://{BUCKET}/flows")
        found = [one.what for one in store.examine() if one.state != "good"]
        store.close()
        return found

    assert bad([on_bucket, on_objects]) == []
    for action, what in (("s3:GetObject", "read"), ("s3:PutObject", "write"), ("s3:DeleteObject", "delete")):
        less = [one for one in on_objects["Action"] if one != action]
        assert what in bad([on_bucket, {**on_objects, "Action": less}]), action
