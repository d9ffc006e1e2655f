"""What the tests of the suites share: broken backends, each with the names of the tests that must find it out."""

from __future__ import annotations

import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

LIMIT_S = 600.0


class Fault:
    """A broken backend. finds: the tests of the suite that must fail; may: those that may fail with them, by chance."""

    def __init__(self, backend: Any, finds: str, may: str = "") -> None:
        self.backend, self.finds, self.may = backend, set(finds.split()), set(may.split())
        self.name: str = backend.__name__


class Outcomes:
    """What a run of pytest over a file of planted suites said."""

    def __init__(self, file: Path, folder: Path) -> None:
        report = folder / "report.xml"
        # Under CI pytest would explain each planted failure at full length: minutes for two objects of a megabyte.
        environment = {name: value for name, value in os.environ.items() if name not in ("CI", "BUILD_NUMBER")}
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--tb=no", f"--junit-xml={report}", file],
            env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT_S, check=False,
        )  # fmt: skip
        assert done.returncode in (0, 1), done.stdout + done.stderr
        self._cases: dict[str, dict[str, bool]] = {}
        for case in ET.parse(report).iter("testcase"):
            failed = case.find("failure") is not None or case.find("error") is not None
            tests = self._cases.setdefault(case.attrib["classname"].rpartition(".")[2], {})
            name = case.attrib["name"].partition("[")[0]
            tests[name] = tests.get(name, False) or failed

    def failed(self, suite: str) -> set[str]:
        """Names of the tests of a class that failed."""
        return {name for name, failed in self._cases[suite].items() if failed}

    def check(self, fault: Fault) -> None:
        """Exactly the tests that must fail did, and none beside those that may."""
        failed = self.failed(f"Test{fault.name}")
        assert fault.finds <= failed, f"not found out by {fault.finds - failed}"
        assert failed <= fault.finds | fault.may, f"failed too: {failed - fault.finds - fault.may}"
