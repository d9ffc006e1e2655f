"""What the jobs elsewhere of a run fetch: one object each, in which others ride that many of them would read."""

from __future__ import annotations

import binascii

from penstock.contracts.reach import Reach
from penstock.storage import archive

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import Any

    from penstock.contracts.datastore import Datastore

    Read = Callable[[Sequence[str]], Iterator[tuple[str, bytes | None]]]


class Launches:
    """Launch objects, each put when the first job needs it.

    data: what `host.once` is told; runtime, code: archives. rides: whether others ride in them; where a store is near
    they are files, and nobody waits for one.
    """

    def __init__(self, datastore: Datastore, data: Mapping[str, Any], *, runtime: bytes, code: bytes) -> None:
        self._datastore, self._data, self._runtime, self._code = datastore, data, runtime, code
        self.rides = datastore.reach is Reach.ANYWHERE
        self._begun: dict[tuple[str, ...], tuple[str, ...]] = {}  # keys of what rides -> argv without the message

    def command(self, message: str, keys: Sequence[str], read: Read) -> tuple[str, ...]:
        """The argv of a job. keys: of objects that shall ride; read: gives them."""
        riding = tuple(keys) if self.rides else ()
        if riding not in self._begun:
            texts = {key: _text(raw) for key, raw in read(riding) if raw is not None}
            opened = {**self._data["opened"], "riding": texts}
            data = {**self._data, "opened": opened}
            name = archive.put_launch(self._datastore, data, runtime=self._runtime, code=self._code)
            self._begun[riding] = archive.command(self._datastore, name, "")[:-1]
        return (*self._begun[riding], message)


def _text(raw: bytes) -> str:
    return binascii.b2a_base64(raw, newline=False).decode("ascii")
