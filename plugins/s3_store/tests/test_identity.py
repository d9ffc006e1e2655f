"""As whom the store is used: each source of credentials for real, by the services that give them out."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from penstock.errors import BackendMisconfigured
from penstock_s3_store.identity import GIVEN, Identity
from penstock_s3_store.s3_datastore import S3Datastore
from plugins.s3_store.tests.servers import S3Server

ROLE = "arn:aws:iam::000000000000:role/penstock"
GIVES = {"AccessKeyId": "AKIAGIVEN", "SecretAccessKey": "s", "Token": "t", "Expiration": "2999-01-01T00:00:00Z"}


class Giver:
    """A service of a machine that gives credentials out. asked: method, path and headers of each request."""

    def __init__(self, answer: Callable[[str, str], str | None]) -> None:
        self.asked: list[tuple[str, str, dict[str, str]]] = []
        giver = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, format: str, *args: object) -> None:
                """Says nothing."""

            def do_GET(self) -> None:
                giver.asked.append((self.command, self.path, dict(self.headers)))
                said = answer(self.command, self.path)
                self.send_response(404 if said is None else 200)
                self.end_headers()
                self.wfile.write((said or "").encode())

            do_PUT = do_GET  # noqa: N815  the names are http.server's

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def giver() -> Iterator[Callable[[Callable[[str, str], str | None]], Giver]]:
    made: list[Giver] = []

    def make(answer: Callable[[str, str], str | None]) -> Giver:
        made.append(Giver(answer))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Writes AWS's file of configuration."""

    def write(text: str) -> None:
        (tmp_path / "config").write_text(text)
        monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))

    return write


def key_of(identity: Identity) -> str:
    return identity.credentials().key


def test_variables_come_before_files_and_a_profile_before_variables(files, monkeypatch) -> None:
    files("[default]\naws_access_key_id=AKIADEFAULT\naws_secret_access_key=s\n"
          "[profile other]\naws_access_key_id=AKIAOTHER\naws_secret_access_key=s\nregion=eu-west-7\n")  # fmt: skip
    assert key_of(Identity()) == "AKIADEFAULT"
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAVARIABLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
    assert key_of(Identity()) == "AKIAVARIABLE"
    assert key_of(Identity("other")) == "AKIAOTHER"
    assert Identity("other").region == "eu-west-7"
    monkeypatch.setenv(GIVEN, "given")  # in a job that was given the run's credentials, nothing else counts
    assert key_of(Identity("other", ROLE)) == "AKIAVARIABLE"


def test_a_profile_that_is_not_there_is_told_where_there_are_files(files, monkeypatch) -> None:
    files("[default]\nregion=eu-west-7\n")
    with pytest.raises(BackendMisconfigured, match="nobody"):
        Identity("nobody").credentials()
    monkeypatch.delenv("AWS_CONFIG_FILE")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere/config")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAVARIABLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
    with pytest.raises(BackendMisconfigured, match="where the profile nobody would stand"):
        Identity("nobody").credentials()


def test_a_program_gives_credentials_again_when_they_end(files, tmp_path) -> None:
    program = tmp_path / "program"
    program.write_text(
        "#!/bin/sh\necho x >> " + str(tmp_path / "count") + "\n"
        'echo "{\\"Version\\": 1, \\"AccessKeyId\\": \\"AKIA$(wc -l < ' + str(tmp_path / "count") + ')\\", '
        '\\"SecretAccessKey\\": \\"s\\", \\"Expiration\\": \\"2000-01-01T00:00:00Z\\"}"\n'
    )
    program.chmod(0o700)
    files(f"[default]\ncredential_process={program}\n")
    with pytest.raises(BackendMisconfigured, match="AWS credentials"):  # they have ended before they come
        Identity().credentials()
    program.write_text(program.read_text().replace("2000-01-01", "2999-01-01"))
    assert key_of(Identity()).startswith("AKIA")


@pytest.mark.parametrize(
    ("text", "endpoint"),
    [
        ("[default]\nendpoint_url=http://all:1\n", "http://all:1"),
        ("[default]\nservices=mine\n[services mine]\ns3 =\n  endpoint_url=http://s3:1\n", "http://s3:1"),
        ("[default]\nregion=x\n", None),
    ],
)
def test_an_endpoint_may_be_configured(files, monkeypatch, text: str, endpoint: str | None) -> None:
    files(text)
    assert Identity().endpoint == endpoint
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://variable:1")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://variable-s3:1")
    assert Identity().endpoint == "http://variable-s3:1"
    monkeypatch.setenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true")
    assert Identity().endpoint is None


def test_the_role_of_a_container(giver, tmp_path, monkeypatch) -> None:
    service = giver(lambda _, path: json.dumps(GIVES) if path == "/creds" else None)
    (tmp_path / "token").write_text("word\n")
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{service.url}/creds")
    monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", str(tmp_path / "token"))
    identity = Identity()
    found = identity.credentials()
    assert (found.key, found.token) == ("AKIAGIVEN", "t")
    assert found.until_s is not None and found.until_s > time.time()
    assert service.asked[0][2]["Authorization"] == "word"
    identity.credentials()
    assert len(service.asked) == 1, "asked again only when they end"
    identity.credentials(anew=True)
    assert len(service.asked) == 2


def test_credentials_that_end_soon_are_asked_for_again(giver, monkeypatch) -> None:
    service = giver(lambda *_: json.dumps({**GIVES, "Expiration": _in(60)}))
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{service.url}/creds")
    identity = Identity()
    identity.credentials()
    identity.credentials()
    assert len(service.asked) == 2


def test_a_job_is_given_credentials_that_last(giver, monkeypatch) -> None:
    """Half an hour where they can be had; they are those of this moment, and say so."""
    left_s = [1200, 3600, 1200]
    service = giver(lambda *_: json.dumps({**GIVES, "Expiration": _in(left_s.pop(0)), "Token": f"t{len(left_s)}"}))
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{service.url}/creds")
    store = S3Datastore(url="s3://bucket")
    assert store.identity.credentials().token == "t2"
    assert store.secrets() == {
        "AWS_ACCESS_KEY_ID": "AKIAGIVEN", "AWS_SECRET_ACCESS_KEY": "s", "AWS_SESSION_TOKEN": "t1", GIVEN: "given",
    }  # fmt: skip
    assert store.secrets()["AWS_SESSION_TOKEN"] == "t1"


def _in(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds))


def test_the_role_of_a_machine(giver, monkeypatch) -> None:
    below = "/latest/meta-data/iam/security-credentials/"
    says = {"/latest/api/token": "session", below: "role\n", f"{below}role": json.dumps(GIVES)}
    service = giver(lambda method, path: says.get(path) if (method == "PUT") == ("token" in path) else None)
    monkeypatch.delenv("AWS_EC2_METADATA_DISABLED")
    monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", service.url)
    assert key_of(Identity()) == "AKIAGIVEN"
    assert [one[0] for one in service.asked] == ["PUT", "GET", "GET"]
    heads = [{name.lower(): value for name, value in one[2].items()} for one in service.asked]
    assert [head.get("x-aws-ec2-metadata-token") for head in heads] == [None, "session", "session"]
    del says[below]
    with pytest.raises(BackendMisconfigured, match="no AWS credentials"):
        Identity().credentials()


def test_a_role_is_assumed(ministack: S3Server, monkeypatch) -> None:
    for name, value in ministack.variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", ministack.endpoint)
    iam = ministack.boto3("iam")
    everybody = {"Version": "2012-10-17",
                 "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "sts:*"}]}  # fmt: skip
    iam.create_role(RoleName="penstock", AssumeRolePolicyDocument=json.dumps(everybody))
    found = Identity(role=ROLE).credentials()
    assert found.token
    assert found.key != ministack.key
    assert found.until_s is not None and found.until_s > time.time()
    with pytest.raises(BackendMisconfigured, match="no-such-role"):
        Identity(role=ROLE.replace("penstock", "no-such-role")).credentials()


def test_nobody_is_told_what_to_do() -> None:
    with pytest.raises(BackendMisconfigured, match="no AWS credentials") as told:
        Identity().credentials()
    assert "aws configure" in told.value.hint
