"""Who can meet whom: how far a datastore reaches, and how far away the jobs of an executor are."""

from __future__ import annotations

from enum import IntEnum


class Reach(IntEnum):
    """Ordered: a job at `HOST` can use a datastore that reaches `HOST` or `ANYWHERE`."""

    PROCESS = 0  # this process alone
    HOST = 1  # any process that sees the same files
    ANYWHERE = 2  # any machine
