"""The page about AWS is run, from the doctor's visit on."""

from __future__ import annotations

from pathlib import Path

import pytest

from plugins.aws_batch.tests.endpoint import Endpoint, Switches
from plugins.s3_store.tests import servers
from tests.docs.blocks import ROOT, blocks


def test_the_blocks_of_the_page_run_one_after_another(
    tmp_path: Path, image: str, switches: Switches, monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:  # fmt: skip
    for name in ("reader", "s3", "penstock"):
        (tmp_path / name).mkdir()
    server = servers.ministack(tmp_path / "s3")
    request.addfinalizer(server.stop)
    server.boto3().create_bucket(Bucket="my-bucket")
    keys = (server.key, server.secret)
    switches.launcher_credentials, switches.job_credentials = keys, {"": (*keys, "")}
    # images can't be pulled here, and the bucket is not AWS's: what a reader does not have to say
    (tmp_path / "penstock" / "penstock.toml").write_text(
        f'[aws-batch]\nimage = "{image}"\npoll_s = 0.1\n[s3]\nendpoint = "{server.endpoint}"\n'
    )
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    with Endpoint(switches) as endpoint:
        for name, value in endpoint.environment().items():
            monkeypatch.setenv(name, value)
        ran = [block for block in blocks(ROOT / "docs" / "aws.md") if block.run(tmp_path / "reader") is None]
        assert len([block for block in ran if block.language == "sh"]) == 4
