"""What authors of backends and of flows test with. Nothing is imported before it is asked for: workers load
parts of it.

    DatastoreSuite, MetadataSuite, LogSinkSuite, ExecutorSuite    inherit one: each promise of a contract is a test
    FlowSuite                                                     real flows on any combination of backends
    run_step                                                      one step of a flow, for a user's own unit test
    HttpDatastore, HttpStoreServer                                a datastore over HTTP, and its server
    MemoryDatastore                                               a datastore in this process
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from penstock.testing.datastore_suite import DatastoreSuite
    from penstock.testing.executor_suite import ExecutorSuite
    from penstock.testing.flow_suite import FlowSuite
    from penstock.testing.http_store import HttpDatastore, HttpStoreServer
    from penstock.testing.logsink_suite import LogSinkSuite
    from penstock.testing.memory_datastore import MemoryDatastore
    from penstock.testing.metadata_suite import MetadataSuite
    from penstock.testing.one_step import StepResult, run_step

__all__ = [
    "DatastoreSuite",
    "ExecutorSuite",
    "FlowSuite",
    "HttpDatastore",
    "HttpStoreServer",
    "LogSinkSuite",
    "MemoryDatastore",
    "MetadataSuite",
    "StepResult",
    "run_step",
]

_HOMES = {
    "DatastoreSuite": "datastore_suite",
    "ExecutorSuite": "executor_suite",
    "FlowSuite": "flow_suite",
    "HttpDatastore": "http_store",
    "HttpStoreServer": "http_store",
    "LogSinkSuite": "logsink_suite",
    "MemoryDatastore": "memory_datastore",
    "MetadataSuite": "metadata_suite",
    "StepResult": "one_step",
    "run_step": "one_step",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
