"""The host of a job elsewhere: claims the attempt, runs it in a fork, and ends with it. Nobody drives it.

Which copy of a job runs the body is decided by the claim of `owner`: a platform may start a job twice.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import shutil
import signal
import sys
import time

from penstock import contracts
from penstock.authoring import executor_decorators
from penstock.errors import BackendError, PenstockError
from penstock.host.flow_file import FlowFile
from penstock.host.seeds import SeedWatch
from penstock.host.serve import Server
from penstock.running import gang_commit
from penstock.running.attempt import job_facts
from penstock.running.message import Message
from penstock.running.plan import NOT_OWNER_EXIT_CODE
from penstock.running.raised import describe, text_of
from penstock.storage import keys, records
from penstock.values import FAILED, Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from penstock.contracts.datastore import Datastore

BEAT_EVERY_S = 30.0


def main(launch: dict[str, Any], folder: str, message_text: str) -> None:
    """Run the attempt of `message_text` and exit: 0 when it succeeded, 1 when not, 75 when another copy owns it.

    Without a message serve the attempts that are told over the standard streams (`warm.py`).

    launch: what a `FlowFile` is made of, `decorators` that plugins bring where the flow was declared, and what
    `Server.open` takes; folder: where `code` and `runtime` were unpacked.
    """
    status = 1
    try:
        code = os.path.join(folder, "code")
        if message_text:
            status = _run(launch, code, Message.of(json.loads(message_text)))
        else:
            from penstock.host.warm import serve_streams

            status = serve_streams(launch, code)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(status)


def _run(launch: dict[str, Any], folder: str, message: Message) -> int:
    opened = launch["opened"]
    datastore = contracts.open(opened["datastore"]["target"], opened["datastore"]["options"])
    at = (launch["flow"], opened["run"], message.step, message.place, message.attempt)
    if not owns(datastore, at):
        return NOT_OWNER_EXIT_CODE
    ended: list[int] = []

    def tell(header: dict[str, Any], payload: bytes) -> None:
        if header["event"] == "output":  # so that the platform's own log has it too
            os.write(1 if header["stream"] == "stdout" else 2, payload)
        elif header["event"] == "ended":
            ended.append(header["exit_code"])

    try:
        server = server_of(launch, folder, tell)
    except PenstockError as error:
        refuse(datastore, at, message, error)
        return 1
    server.open(opened, datastore)  # which knows by now the store's clock, and as whom it comes
    signal.signal(signal.SIGTERM, lambda *_: server.kill("attempt", "the platform asked it to end"))
    server.start("attempt", message, only=True)
    beats = Beats(datastore, keys.beat(*at))
    while not ended:
        server.turn(timeout_s=BEAT_EVERY_S / 2)
        beats.beat()
    return 0 if ended[0] == 0 else 1


def refuse(datastore: Datastore, at: tuple[str, str, str, str, int], message: Message, error: PenstockError) -> None:
    """The flow can't be imported here: the attempt has failed, and its record says why."""
    described, now_s = describe(error), time.time()
    text = text_of(error, described)
    print(text, end="", file=sys.stderr)
    record = Record(
        flow=at[0], run=at[1], step=at[2], place=at[3], attempt=at[4], outcome=FAILED, token=message.token,
        writer="host", started_s=now_s, ended_s=now_s, parents=message.parents, inputs=message.inputs,
        handler=message.handler is not None, host=os.uname().nodename, pid=os.getpid(), facts=job_facts(),
        exception=described, stderr={"size": len(text.encode()), "text": text},
    )  # fmt: skip
    gang_commit.claim(datastore, record, message.nodes)


def owns(datastore: Datastore, at: tuple[str, str, str, str, int]) -> bool:
    """Whether this process is the one that runs the attempt: a platform may start several."""
    owner = {"token": records.new_token(), "host": os.uname().nodename, "pid": os.getpid(), "since_s": time.time()}
    return records.claim(datastore, keys.owner(*at), "owner", owner)[0]


def server_of(launch: dict[str, Any], folder: str, tell: Callable[[dict[str, Any], bytes], object]) -> Server:
    """Import the flow and make ready to serve its attempts. Raises PenstockError for a flow that can't be imported."""
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    path = os.path.join(folder, launch["file"])
    read = {name: launch.get(name, "") for name in ("alias", "added", "copy_of")}
    source = FlowFile(path, launch["flow"], **read)
    sys.argv = [source.path]
    gc.disable()
    executor_decorators.make_inert(launch["decorators"])
    with SeedWatch() as watch:
        try:
            flow_class, graph = source.load()
        except PenstockError as error:
            if error.hint.startswith("pip install "):
                error.hint += "   # into what the job runs in: its image, or its environment"
            raise
    return Server(flow_class=flow_class, graph=graph, source=source, seeded=watch.seeded, tell=tell)


class Beats:
    """Says that the attempt lives, once it has run for half a minute: a counter that is replaced."""

    def __init__(self, datastore: Datastore, key: str) -> None:
        self._datastore, self._key = datastore, key
        self._due = time.monotonic() + BEAT_EVERY_S
        self._count = 0

    def beat(self) -> None:
        """Replace the counter when it is time."""
        if time.monotonic() >= self._due:
            self._due += BEAT_EVERY_S
            self._count += 1
            with contextlib.suppress(BackendError):  # the next one tells as much
                self._datastore.put(self._key, records.encode("beat", {"beat": self._count}), replace=True)
