"""Under `CI` a test that is skipped is a test that failed, unless its reason is in a list: no suite vanishes unseen.

PENSTOCK_MAY_SKIP: further reasons that this environment may give, separated by commas; each is the reason's beginning.
"""

from __future__ import annotations

import os

import pytest

EVERYWHERE = (
    "a killed attempt would take the scheduler with it",  # steps in process: there is no attempt to kill
    "this system promises no memory that it does not have",  # how the kernel overcommits is the machine's affair
    "not promised: ",  # by the backend that a suite of `penstock.testing` looks at
    "other Python version: ",  # another environment of tox runs it
    "other platform: ",
)


def allowed(reason: str, also: str = "") -> bool:
    """Whether a test may be skipped for `reason`; also: as in PENSTOCK_MAY_SKIP."""
    beginnings = [*EVERYWHERE, *filter(None, map(str.strip, also.split(",")))]
    return reason.removeprefix("Skipped: ").startswith(tuple(beginnings))


class Skips:
    """Counts the skips that nobody allowed, and makes the run fail for them."""

    def __init__(self, also: str) -> None:
        self._also = also
        self.unseen: list[str] = []

    def _look(self, report: pytest.TestReport | pytest.CollectReport) -> None:
        if report.skipped and isinstance(report.longrepr, tuple) and not hasattr(report, "wasxfail"):
            reason = report.longrepr[2]
            if not allowed(reason, self._also):
                self.unseen.append(f"{report.nodeid}: {reason}")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._look(report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        self._look(report)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self.unseen and session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self.unseen:
            terminalreporter.section("skipped, and CI does not allow it", red=True)
            for line in self.unseen:
                terminalreporter.line(line)


def watch(config: pytest.Config) -> None:
    """Forbid skips where a machine runs the tests for everybody."""
    if os.environ.get("CI"):
        config.pluginmanager.register(Skips(os.environ.get("PENSTOCK_MAY_SKIP", "")), "skips")
