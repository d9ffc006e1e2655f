"""Real flows, whole, on what is bundled: a process a task, in process, as strangers on this machine."""

from __future__ import annotations

from penstock.testing.flow_suite import FlowSuite

ISOLATED = "--executor=isolated"


class TestLocal(FlowSuite):
    """The defaults."""


class TestInline(FlowSuite):
    """`--debug` of the command line."""

    options = ("--executor=inline",)
    kills_processes = False


class TestIsolated(FlowSuite):
    """Jobs elsewhere, as far as one machine can have an elsewhere."""

    options = (ISOLATED,)


class TestCatalogueOfTheDatastore(FlowSuite):
    """Core's own catalogue and log sink, over the same files."""

    options = ("--metadata=datastore", "--logging=datastore")
