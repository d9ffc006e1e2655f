"""One notebook, several buckets: each client keeps its endpoint and whom it comes as."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from penstock.client import Client
from penstock.errors import BackendMisconfigured
from penstock.testing.flow_suite import FLOWS, NESTED
from plugins.s3_store.tests.servers import REGION, S3Server


def test_two_stores_side_by_side(
    ministack: S3Server, seaweedfs: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other servers, buckets and credentials; the same flow, and what they read is read in turns."""
    servers = {"one": ministack, "two": seaweedfs}
    rows = "".join(
        f"[profile {name}]\naws_access_key_id={server.key}\naws_secret_access_key={server.secret}\nregion={REGION}\n"
        for name, server in servers.items()
    )
    (tmp_path / "config").write_text(rows)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path)
    shutil.copy(FLOWS / "nested.py", tmp_path)
    urls = {name: f"s3://{server.bucket()}/p" for name, server in servers.items()}
    runs = {}
    for name, server in servers.items():
        options = [f"--datastore={urls[name]}", f"--s3-endpoint={server.endpoint}", f"--s3-profile={name}"]
        command = [sys.executable, "-m", "penstock", "run", "nested.py", "--run-id-file=id", *options]
        subprocess.run(command, stdin=subprocess.DEVNULL, check=True)
        runs[name] = (tmp_path / "id").read_text()
    clients = {name: Client(urls[name], endpoint=servers[name].endpoint, s3_profile=name) for name in servers}
    found = {name: client.flow("NestedFlow") for name, client in clients.items()}
    assert {name: [run.id for run in flow] for name, flow in found.items()} == {name: [runs[name]] for name in servers}
    for ours, theirs in zip(found["one"].latest_run, found["two"].latest_run, strict=True):
        assert sorted(task.id for task in ours) == sorted(task.id for task in theirs)
    assert [flow.latest_run["join"].task["result"].data for flow in found.values()] == [NESTED] * 2
    stranger = Client(urls["two"], endpoint=seaweedfs.endpoint, s3_profile="one")
    with pytest.raises(BackendMisconfigured, match=f"{ministack.key[:4]}...{ministack.key[-4:]}"):
        list(stranger.flow("NestedFlow"))
    for client in (*clients.values(), stranger):
        client.stores.datastore.close()
