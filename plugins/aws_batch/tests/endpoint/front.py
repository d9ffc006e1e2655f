"""HTTP in front of the services: each request and each answer is checked with botocore's model of the service."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.validate import ParamValidator

from plugins.aws_batch.tests.endpoint import others
from plugins.aws_batch.tests.endpoint.batch import SERVED, Batch, Refused
from plugins.aws_batch.tests.endpoint.jobs import ACCOUNT, ARN, REGION
from plugins.aws_batch.tests.endpoint.policies import Denied, Gate
from plugins.aws_batch.tests.endpoint.switches import Switches

QUEUE = "penstock"


class Endpoint:
    """A server on this machine. A context manager. queue: the name of its one job queue.

    batch: the service behind it; gate: who called what; roles: names that IAM knows, with whom they trust.
    """

    def __init__(self, switches: Switches | None = None, *, queue: str = QUEUE, port: int = 0) -> None:
        self.switches = switches or Switches()
        self.queue = queue
        self.gate = Gate(self.switches.launcher_credentials[0])
        self.roles = {"penstock-job": "ecs-tasks.amazonaws.com", "penstock-execution": "ecs-tasks.amazonaws.com"}
        self._server = ThreadingHTTPServer(("127.0.0.1", port), _Handler)
        self._server.daemon_threads = True
        self._server.endpoint = self  # type: ignore[attr-defined]
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self.batch = Batch(self.switches, queue, self.url)
        self.logs, self.registry = others.Logs(self.batch), others.Registry()
        loader, self.models = Loader(), {}
        self.services: dict[str, Any] = {"batch": self.batch, "logs": self.logs, "ecr": self.registry}
        for name in self.services:
            self.models[name] = ServiceModel(loader.load_service_model(name, "service-2"), name)
        self.routes = {
            (model.http["method"], model.http["requestUri"]): model
            for model in map(self.models["batch"].operation_model, self.models["batch"].operation_names)
        }
        self._called: dict[str, list[float]] = {}
        self._thread = threading.Thread(target=self._server.serve_forever, name="endpoint", daemon=True)

    def __enter__(self) -> Endpoint:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self.batch.close()

    def environment(self) -> dict[str, str]:
        """Variables with which the AWS SDK of any process comes here, as the launcher."""
        urls = {f"AWS_ENDPOINT_URL_{name}": self.url for name in SERVED}
        key, secret = self.switches.launcher_credentials
        return {
            **urls, "AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret, "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION, "AWS_EC2_METADATA_DISABLED": "true",
        }  # fmt: skip

    def throttle(self, action: str) -> None:
        """Raise Refused for the calls above `calls_a_second`."""
        allowed = self.switches.calls_a_second.get(action)
        if allowed is None:
            return
        now = time.monotonic()
        recent = [at for at in self._called.get(action, ()) if at > now - 1.0]
        if len(recent) >= allowed:
            self._called[action] = recent
            raise Refused("Too Many Requests", "TooManyRequestsException", 429)
        self._called[action] = [*recent, now]

    def call(self, service: str, action: str, request: dict[str, Any], authorization: str) -> dict[str, Any]:
        """One action: who calls, may they, is it well formed, and is the answer, too."""
        operation = self.models[service].operation_model(action)
        principal = self.gate.principal(authorization)
        for demanded, resources in [(f"{service}:{action}", _resources(action, request)), *_demands(action, request)]:
            self.gate.pass_(self.switches.policies, principal, demanded, resources)
        self.throttle(action)
        report = ParamValidator().validate(request, operation.input_shape)
        if report.has_errors():
            raise Refused(f"Request is not well formed: {report.generate_report()}")
        answer: dict[str, Any] = getattr(self.services[service], action)(request)
        if operation.output_shape is not None:
            wrong = ParamValidator().validate(answer, operation.output_shape)
            if wrong.has_errors():
                raise AssertionError(f"the endpoint's answer to {action} is wrong: {wrong.generate_report()}")
        return answer

    def credentials(self, role: str) -> dict[str, str]:
        """What a job gets for its role, as from the agent of ECS."""
        given = self.switches.job_credentials
        key, secret, token = given.get(role) or given[""]
        self.gate.keys[key] = role
        until = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 6 * 3600))
        return {"RoleArn": f"arn:aws:iam::{ACCOUNT}:role/{role}", "AccessKeyId": key, "SecretAccessKey": secret,
                "Token": token, "Expiration": until}  # fmt: skip

    def query(self, form: dict[str, str], authorization: str) -> str:
        """STS, IAM and EC2, which speak XML."""
        principal, action = self.gate.principal(authorization), form["Action"]
        if action == "GetCallerIdentity":
            return others.identity(self.gate.arn(principal))
        if action == "DescribeInstanceTypes":
            self.gate.pass_(self.switches.policies, principal, f"ec2:{action}", [])
            asked = [value for name, value in form.items() if name.startswith("Filter.1.Value.")]
            return others.instance_types(asked, self.switches.largest)
        arn = f"arn:aws:iam::{ACCOUNT}:role/{form['RoleName']}"
        self.gate.pass_(self.switches.policies, principal, f"iam:{action}", [arn])
        if form["RoleName"] not in self.roles:
            raise Refused(f"The role with name {form['RoleName']} cannot be found.", "NoSuchEntity", 404)
        return others.role(form["RoleName"], self.roles[form["RoleName"]])


def _resources(action: str, request: dict[str, Any]) -> list[str]:
    """ARNs that a policy is asked about. Source: service authorization reference of AWS Batch."""
    if action == "SubmitJob":
        definition = request["jobDefinition"].rpartition("/")[2]
        queue = request["jobQueue"].rpartition("/")[2]
        return [f"{ARN}:job-definition/{definition}", f"{ARN}:job-queue/{queue}"]
    if action == "RegisterJobDefinition":
        return [f"{ARN}:job-definition/{request['jobDefinitionName']}"]
    if action in ("TerminateJob", "CancelJob"):
        return [f"{ARN}:job/{request['jobId']}"]
    if action == "GetLogEvents":
        group, stream = request.get("logGroupName"), request["logStreamName"]
        return [f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{group}:log-stream:{stream}"]
    return []


def _demands(action: str, request: dict[str, Any]) -> list[tuple[str, list[str]]]:
    """What else one must be allowed. Source: user guide of AWS Batch, "Tag your resources" and "Pass a role"."""
    if action == "SubmitJob" and request.get("tags"):
        return [("batch:TagResource", [f"{ARN}:job/new"])]
    if action == "RegisterJobDefinition":
        nodes = request.get("nodeProperties", {}).get("nodeRangeProperties", ())
        containers = [request.get("containerProperties", {}), *(one["container"] for one in nodes)]
        roles = [one[name] for one in containers for name in ("jobRoleArn", "executionRoleArn") if name in one]
        return [("iam:PassRole", roles)] if roles else []
    return []


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def do_POST(self) -> None:
        endpoint: Endpoint = self.server.endpoint  # type: ignore[attr-defined]
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        authorization = self.headers.get("Authorization", "")
        try:
            target = self.headers.get("X-Amz-Target", "")
            if target:
                service = "logs" if target.startswith("Logs_") else "ecr"
                answer = endpoint.call(service, target.rpartition(".")[2], json.loads(body), authorization)
                self._say(200, json.dumps(answer), "application/x-amz-json-1.1")
            elif self.path == "/":
                form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
                self._say(200, endpoint.query(form, authorization), "text/xml")
            else:
                operation = endpoint.routes.get(("POST", self.path))
                if operation is None:
                    raise Refused(f"no such path: {self.path}", status=404)
                answer = endpoint.call("batch", operation.name, json.loads(body or b"{}"), authorization)
                self._say(200, json.dumps(answer), "application/json")
        except Denied as error:
            self._refuse(Refused(str(error), error.code, 403))
        except Refused as error:
            self._refuse(error)
        except AssertionError as error:
            self._refuse(Refused(str(error), "ServerException", 500))

    def do_GET(self) -> None:
        endpoint: Endpoint = self.server.endpoint  # type: ignore[attr-defined]
        _, kind, name = self.path.split("/", 2)
        if kind == "credentials":
            self._say(200, json.dumps(endpoint.credentials(name)), "application/json")
        else:
            self._say(404, "{}", "application/json")

    def _refuse(self, error: Refused) -> None:
        if self.path == "/" and "X-Amz-Target" not in self.headers:
            body = f"<ErrorResponse><Error><Code>{error.code}</Code><Message>{error}</Message></Error></ErrorResponse>"
            self._say(error.status, body, "text/xml")
            return
        body = json.dumps({"__type": error.code, "message": str(error)})
        self._say(error.status, body, "application/json", {"x-amzn-ErrorType": error.code})

    def _say(self, status: int, body: str, kind: str, headers: dict[str, str] | None = None) -> None:
        data = body.encode()
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(data)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        """Quiet."""
