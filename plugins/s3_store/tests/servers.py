"""Real S3 servers of different make, each a process of its own on this machine, over HTTP.

ministack checks signatures of users that were made through it (the key in its environment is let in unchecked, so it is
only used to make them). SeaweedFS is a real storage server, correct and slow where many write one key. rclone lacks
conditional writes.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import boto3

from tests.services.ports import Ports
from tests.services.waiting import until

REGION = "us-east-1"
READER = "AKIAREADREADREADREAD"  # key and secret of somebody who may read in SeaweedFS, and no more


class S3Server:
    """A server that runs. key, secret: of a user who may do everything; makes buckets for whoever asks."""

    def __init__(
        self, name: str, port: int, key: str, secret: str, process: subprocess.Popen[bytes], ports: Ports
    ) -> None:
        self.name, self.key, self.secret, self.process, self._ports = name, key, secret, process, ports
        self.endpoint = f"http://127.0.0.1:{port}"

    @property
    def variables(self) -> dict[str, str]:
        """By which anybody comes in; no files of AWS's, and no machine that has a role."""
        return {
            "AWS_ACCESS_KEY_ID": self.key, "AWS_SECRET_ACCESS_KEY": self.secret, "AWS_DEFAULT_REGION": REGION,
            "AWS_CONFIG_FILE": "/nowhere/config", "AWS_SHARED_CREDENTIALS_FILE": "/nowhere/credentials",
            "AWS_EC2_METADATA_DISABLED": "true",
        }  # fmt: skip

    def boto3(self, service: str = "s3", endpoint: str | None = None) -> object:
        """AWS's own client of this server."""
        return boto3.client(
            service, endpoint_url=endpoint or self.endpoint, aws_access_key_id=self.key,
            aws_secret_access_key=self.secret, region_name=REGION,
        )  # fmt: skip

    def bucket(self) -> str:
        """A new bucket."""
        name = f"b-{secrets.token_hex(6)}"
        self.boto3().create_bucket(Bucket=name)
        return name

    def stop(self) -> None:
        """By force: SeaweedFS takes more than 40 s to end by itself."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self._ports.close()


def ministack(folder: Path) -> S3Server:
    """With a user whose signatures are checked."""
    ports = Ports()
    port = ports.take()
    root = {"AWS_ACCESS_KEY_ID": "AKIAROOTROOTROOTROOT", "AWS_SECRET_ACCESS_KEY": "root"}
    settings = {"AUTH": "true", "BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(port), **root}
    process = _start(["ministack"], folder, settings)
    endpoint = f"http://127.0.0.1:{port}"
    _until_answers(f"{endpoint}/_ministack/health", process)
    iam = boto3.client(
        "iam", endpoint_url=endpoint, aws_access_key_id=root["AWS_ACCESS_KEY_ID"], aws_secret_access_key="root",
        region_name=REGION,
    )  # fmt: skip
    iam.create_user(UserName="penstock")
    everything = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    iam.put_user_policy(UserName="penstock", PolicyName="all", PolicyDocument=json.dumps(everything))
    made = iam.create_access_key(UserName="penstock")["AccessKey"]
    return S3Server("ministack", port, made["AccessKeyId"], made["SecretAccessKey"], process, ports)


def seaweedfs(folder: Path) -> S3Server:
    """Volumes are small, and enough for many buckets: each takes 7."""
    ports = Ports()
    port, key, secret = ports.take(), "AKIAWEEDWEEDWEEDWEED", secrets.token_hex(16)
    who = {"name": "t", "credentials": [{"accessKey": key, "secretKey": secret}],
           "actions": ["Admin", "Read", "Write", "List", "Tagging"]}  # fmt: skip
    key_of_reader = {"accessKey": READER, "secretKey": READER}
    reader = {"name": "reader", "credentials": [key_of_reader], "actions": ["Read", "List"]}
    (folder / "s3.json").write_text(json.dumps({"identities": [who, reader]}))
    command = ["weed", "server", f"-dir={folder}", "-ip=127.0.0.1", "-filer", "-s3", f"-s3.port={port}",
               f"-s3.config={folder / 's3.json'}", "-volume.max=400", "-master.volumeSizeLimitMB=64",
               "-master.telemetry=false", *(f"-{part}={ports.take()}" for part in _WEED_PORTS)]  # fmt: skip
    server = S3Server("seaweedfs", port, key, secret, _start(command, folder, {}), ports)
    _until_answers(server.endpoint, server.process)
    until(lambda: _takes_a_write(server), "SeaweedFS does not take a write")  # it answers before
    return server


def _takes_a_write(server: S3Server) -> bool:
    try:
        server.boto3().put_object(Bucket=server.bucket(), Key="x", Body=b"x")
    except Exception:  # noqa: BLE001  whatever it says while it wakes up
        return False
    return True


_WEED_PORTS = ("master.port", "master.port.grpc", "volume.port", "volume.port.grpc", "filer.port", "filer.port.grpc",
               "s3.port.grpc", "s3.port.iceberg", "s3.port.lance")  # fmt: skip


def rclone(folder: Path) -> S3Server:
    """Puts are never exclusive."""
    ports = Ports()
    port, key, secret = ports.take(), "AKIARCLONERCLONERCLO", secrets.token_hex(16)
    (folder / "data").mkdir()
    process = _start(["rclone", "serve", "s3", f"--addr=127.0.0.1:{port}", f"--auth-key={key},{secret}",
                      "--vfs-cache-mode=off", str(folder / "data")], folder, {})  # fmt: skip
    server = S3Server("rclone", port, key, secret, process, ports)
    _until_answers(server.endpoint, process)
    return server


def _start(command: list[str], folder: Path, settings: dict[str, str]) -> subprocess.Popen[bytes]:
    program = shutil.which(command[0], path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    assert program is not None, f"{command[0]} is not installed"
    plain = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    with open(folder / "log", "wb") as log:
        return subprocess.Popen(
            [program, *command[1:]], cwd=folder, env={**plain, **settings}, stdin=subprocess.DEVNULL, stdout=log,
            stderr=log, start_new_session=True,
        )  # fmt: skip


def _until_answers(url: str, process: subprocess.Popen[bytes]) -> None:
    def answers() -> bool:
        try:
            urllib.request.urlopen(url, timeout=5).close()
        except urllib.error.HTTPError as error:
            error.close()
        except OSError:
            assert process.poll() is None, f"the server ended with {process.returncode}"
            return False
        return True

    until(answers, f"{url} does not answer")


