"""A flow file that is being opened: a host imports it, `git` is asked about it, and the caller does other work."""

from __future__ import annotations

import os

from penstock.host.process import declared
from penstock.running.git_facts import GitFacts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from penstock.host.flow_file import FlowFile


class Opening:
    """Begins on construction; `launch.Opened` waits for it. Light to import: `flow run` does this first of all.

    Raises FlowError when there is no such file.
    """

    def __init__(self, source: FlowFile) -> None:
        self.source = source
        self.host = declared(source)
        self.git = GitFacts(os.path.dirname(os.path.abspath(source.path)))

    def close(self) -> None:
        """End the host. May be called twice."""
        self.host.close()
        self.git.close()
