"""What `flow doctor` asks of a bucket: as whom, where, at what time, each action and each condition by itself."""

from __future__ import annotations

import secrets
import time

from penstock.contracts.finding import BAD, DOUBTFUL, GOOD, Finding
from penstock.errors import BackendMisconfigured, KeyMissing, PenstockError
from penstock_s3_store.answers import masked
from penstock_s3_store.identity import ask_sts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from penstock_s3_store.s3_datastore import S3Datastore

_WRONG_CLOCK_S = 240.0  # S3 refuses at 15 minutes; a clock that is off by less is no accident either
_ONE_SCHEDULER = "--executor=local, and one scheduler at a time, are safe there; or choose another store"


def examine(store: S3Datastore, said_region: str | None) -> Iterator[Finding]:
    """Raises what makes the rest pointless. Leaves nothing behind."""
    yield _identity(store)
    reply = store.client.ask("LIST", query={"list-type": "2", "prefix": store.location.name(""), "max-keys": "1"})
    where = f"{store.location.url} at {store.location.base(store.client.region)}"
    yield _region(where, store.client.region, said_region)
    skew_s = reply.now_s - time.time()
    if abs(skew_s) > _WRONG_CLOCK_S:
        hint = "timedatectl set-ntp true"
        yield Finding("clock", f"this machine's differs from the store's by {abs(skew_s):.0f} s", DOUBTFUL, hint)
    actions = list(_actions(store, f"doctor-{secrets.token_hex(8)}"))
    yield from actions
    if all(one.state == GOOD for one in actions):
        yield from _conditions(store)


def _identity(store: S3Datastore) -> Finding:
    who = store.identity.credentials()
    said = f"access key {masked(who.key)}"
    if store.location.endpoint is None:
        try:
            answer = ask_sts(who, store.client.region, {"Action": "GetCallerIdentity"})
            said = answer.partition("<Arn>")[2].partition("</Arn>")[0] or said
        except PenstockError:
            pass  # a network without STS, or a key of another service
    if who.until_s:
        said += time.strftime(", until %H:%M UTC; renewed before, but not in a container that was given them",
                              time.gmtime(who.until_s))  # fmt: skip
    return Finding("identity", said)


def _region(where: str, region: str, said: str | None) -> Finding:
    if said is not None and said != region:
        return Finding("bucket", f"{where}, which is in {region}, not in {said}", DOUBTFUL, f"--s3-region={region}")
    return Finding("bucket", f"{where} can be listed")


def _actions(store: S3Datastore, key: str) -> Iterator[Finding]:
    """One after another: a policy may forbid each by itself."""
    content = b"flow doctor"

    def read() -> None:
        try:
            fine = store.get(key) == content
        except KeyMissing:
            return  # it could not be written
        if not fine:
            raise BackendMisconfigured("what was written is not what is read", hint="choose another store")

    def touch() -> None:
        if store.exists(key):
            store.touch(key)

    calls: list[tuple[str, Callable[[], object]]] = [
        ("write", lambda: store.put(key, content, replace=True)),
        ("read", read),
        ("copy", touch),
        ("delete", lambda: store.delete([key])),
    ]
    for what, call in calls:
        try:
            call()
        except BackendMisconfigured as error:
            yield Finding(what, error.message, BAD, error.hint)
        else:
            yield Finding(what, "objects, yes")


def _conditions(store: S3Datastore) -> Iterator[Finding]:
    if not store.exclusive_put:
        yield Finding("exclusive put", "the store ignores If-None-Match", DOUBTFUL, _ONE_SCHEDULER)
    elif not store.completes_exclusively:
        said = "yes; not for objects in parts, so that large ones are written in one request"
        yield Finding("exclusive put", said)
    else:
        yield Finding("exclusive put", "yes, for objects in parts too")
