"""A suite that is skipped where it must run makes the run fail."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.skips import allowed

ROOT = Path(__file__).parents[2]
SKIPPED = "import pytest\n\ndef test_it():\n    pytest.skip('no daemon answers')\n"
NOT_COLLECTED = "import pytest\n\npytest.importorskip('no_such_module')\n"
FINE = "import pytest\n\ndef test_it():\n    pytest.skip('other platform: macOS')\n\ndef test_other():\n    pass\n"


@pytest.mark.parametrize(
    ("source", "environment", "code"),
    [
        (SKIPPED, {}, 0),
        (SKIPPED, {"CI": "true"}, 1),
        (SKIPPED, {"CI": "true", "PENSTOCK_MAY_SKIP": "no such thing, no daemon"}, 0),
        (NOT_COLLECTED, {"CI": "true"}, 1),
        (NOT_COLLECTED, {"CI": "true", "PENSTOCK_MAY_SKIP": "could not import 'no_such_module'"}, 5),
        (FINE, {"CI": "true"}, 0),
    ],
)
def test_ci_refuses_a_skip_without_a_known_reason(
    source: str, environment: dict[str, str], code: int, tmp_path: Path
) -> None:
    (tmp_path / "test_skipped.py").write_text(source)
    (tmp_path / "conftest.py").write_text("from tests.conftest import pytest_configure\n")
    plain = {name: value for name, value in os.environ.items() if name not in ("CI", "PENSTOCK_MAY_SKIP")}
    plain["PYTHONPATH"] = os.pathsep.join([str(ROOT), *filter(None, [plain.get("PYTHONPATH")])])
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--rootdir={tmp_path}", str(tmp_path)]
    done = subprocess.run(command, env={**plain, **environment}, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == code, done.stdout
    assert ("CI does not allow it" in done.stdout) == (code == 1)


def test_reasons_are_compared_by_their_beginning() -> None:
    assert allowed("Skipped: other Python version: 3.14 has zstd")
    assert not allowed("no daemon, other platform: Linux")
    assert not allowed("anything", also=" , ")
