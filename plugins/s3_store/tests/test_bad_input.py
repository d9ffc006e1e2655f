"""What a user's first day brings: one message with the next command, by `flow run` and by `flow doctor` alike."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from penstock.testing.flow_suite import FLOWS
from plugins.s3_store.tests.servers import READER, S3Server

NOBODY = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}

# name: URL, options, variables, message, hint. B, E: bucket and endpoint of the server.
CASES = {
    "no credentials": ("s3://B/p", (), NOBODY, "there are no AWS credentials here", "aws configure"),
    "wrong secret": (
        "s3://B/p", (), {"AWS_SECRET_ACCESS_KEY": "wrong"}, "the secret key does not belong to the access key",
        "AWS_SECRET_ACCESS_KEY",
    ),
    "unknown key": (
        "s3://B/p", (), {"AWS_ACCESS_KEY_ID": "AKIANOBODYNOBODYNOBO"}, "does not know the access key AKIA...NOBO",
        "aws sts get-caller-identity",
    ),
    "missing bucket": ("s3://no-such-bucket-here/p", (), {}, "there is no bucket no-such-bucket-here", "aws s3 mb"),
    "nobody there": ("s3://B/p", ("--s3-endpoint=http://127.0.0.1:1",), {}, "does not answer", "--s3-endpoint"),
    "no TLS there": ("s3://B/p", ("--s3-endpoint=https:E",), {}, "does not speak TLS", "--s3-endpoint=http:"),
    "no such host": (
        "s3://B/p", ("--s3-endpoint=http://store.invalid",), {}, "http://store.invalid does not answer", "--s3-end",
    ),
    "no proxy": (
        "s3://B/p", (), {"http_proxy": "http://me:word@127.0.0.1:1"}, "Connection refused", "flow doctor",
    ),
    "no such proxy": (
        "s3://B/p", (), {"HTTP_PROXY": "socks5://me:word@h:1"}, "socks5://h:1 is no proxy", "export http_proxy=http://",
    ),
    "no such profile": (
        "s3://B/p", ("--s3-profile=prod",), {}, "the profile prod would stand, are not here", "aws configure --profile",
    ),
    "no such role": (
        "s3://B/p", ("--s3-role=arn:aws:iam::000000000000:role/none",), {"AWS_ENDPOINT_URL_STS": "http:E"},
        "role/none", "aws sts get-caller-identity",
    ),
    "bucket of others": (
        "s3://B/p", (), {"AWS_ACCESS_KEY_ID": "111122223333"}, "may not do s3:PutObject on arn:aws:s3:::B/p/", "allow",
    ),
    "half a URL": ("s3:B/p", (), {}, "can't be imported", "--datastore=s3://"),
    "capitals": ("S3://B/p", (), {}, "there is no datastore 'S3'", "did you mean --datastore=s3?"),
    "no endpoint": ("s3://B/p", ("--s3-endpoint=127.0.0.1:9000",), {}, "is no URL of an S3 endpoint", "http://"),
    "no bucket": ("s3://", (), {}, "names no bucket", "--datastore=s3://BUCKET/PREFIX"),
    "name alone": ("s3", (), {}, "the s3 store needs a bucket", "--datastore=s3://BUCKET/PREFIX"),
    "odd prefix": ("s3://B/a//b", (), {}, "empty part", "--datastore=s3://BUCKET/PREFIX"),
    "longest prefix": (f"s3://B/{'x' * 121}", (), {}, "more than 120 bytes", "--datastore=s3://BUCKET/PREFIX"),
    "encryption": ("s3://B/p", ("--s3-sse=rot13",), {}, "is no encryption of S3", "AES256"),
    "unknown option": ("s3://B/p", ("--s3-regoin=x",), {}, "--s3-regoin", "--s3-region"),
}  # fmt: skip


@pytest.fixture
def server(ministack: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> S3Server:
    shutil.copy(FLOWS / "linear.py", tmp_path)
    monkeypatch.chdir(tmp_path)
    return ministack


@pytest.mark.parametrize("command", ["run", "doctor"])
@pytest.mark.parametrize("name", CASES)
def test_one_message_and_the_next_command(server: S3Server, name: str, command: str) -> None:
    url, options, variables, message, hint = CASES[name]
    port = server.endpoint.removeprefix("http:")
    options = tuple(option.replace(":E", f":{port}") for option in options)
    variables = {name: text.replace(":E", f":{port}") for name, text in variables.items()}
    words = ("run", "linear.py") if command == "run" else (command,)
    bucket = server.bucket()
    said = _flow(server, bucket, url, words, options, variables)
    assert message.replace(":::B", f":::{bucket}") in said
    assert hint in said
    assert "Traceback" not in said
    assert server.secret not in said


def test_a_forbidden_action_is_named_with_who_may_not(seaweedfs: S3Server, tmp_path: Path, monkeypatch) -> None:
    shutil.copy(FLOWS / "linear.py", tmp_path)
    monkeypatch.chdir(tmp_path)
    who = {"AWS_ACCESS_KEY_ID": READER, "AWS_SECRET_ACCESS_KEY": READER}
    bucket = seaweedfs.bucket()
    said = _flow(seaweedfs, bucket, "s3://B/p", ("run", "linear.py"), ("--s3-exclusive",), who)
    assert f"the access key AKIA...READ may not do s3:PutObject on arn:aws:s3:::{bucket}/p/format" in said
    assert "allow s3:PutObject in its policy" in said
    said = _flow(seaweedfs, bucket, "s3://B/p", ("doctor",), (), who)
    assert "ok    datastore s3: read: objects, yes" in said
    assert "FAIL  datastore s3: write: the access key AKIA...READ may not do s3:PutObject" in said
    assert "FAIL  datastore s3: delete: " in said


def test_a_store_without_conditions_is_told_and_serves_what_it_can(
    rclone: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(FLOWS / "linear.py", tmp_path)
    monkeypatch.chdir(tmp_path)
    bucket = rclone.bucket()
    said = _flow(rclone, bucket, "s3://B/p", ("doctor",), (), {}, expect=0)
    assert "?     datastore s3: exclusive put: the store ignores If-None-Match" in said
    said = _flow(rclone, bucket, "s3://B/p", ("run", "linear.py", "--executor=isolated"), (), {})
    assert "can't put exclusively" in said
    assert list(rclone.boto3().list_objects_v2(Bucket=bucket).get("Contents", [])) == [], "something was written"
    said = _flow(rclone, bucket, "s3://B/p", ("run", "linear.py"), (), {}, expect=0)
    assert "this store can't put exclusively: while the run goes on, nobody else may drive it" in said
    assert "succeeded" in said


def test_what_is_well_is_told_too(server: S3Server) -> None:
    said = _flow(server, server.bucket(), "s3://B/p", ("doctor", "--json"), (), {}, expect=0)
    found = [one for one in json.loads(said)["findings"] if one["subject"] == "datastore s3"]
    assert [one["what"] for one in found] == [
        "identity", "bucket", "write", "read", "copy", "delete", "exclusive put",
    ]  # fmt: skip
    assert found[-1]["said"] == "yes, for objects in parts too"


def _flow(
    server: S3Server,
    bucket: str,
    url: str,
    command: tuple[str, ...],
    options: tuple[str, ...],
    variables: dict[str, str],
    expect: int | None = None,
) -> str:
    """Run a command of `flow`; what it said. It must fail, unless told what to expect."""
    url = url.replace("//B", f"//{bucket}")
    done = subprocess.run(
        [sys.executable, "-m", "penstock", *command, f"--datastore={url}", *options],
        env={**os.environ, **server.variables, "PENSTOCK_S3_ENDPOINT": server.endpoint, **variables},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    said = done.stdout + (done.stderr if "--json" not in command else "")
    assert (done.returncode != 0) if expect is None else (done.returncode == expect), said
    return said
