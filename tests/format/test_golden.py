"""What format 1 wrote is read: a kept store, by the client, by the script that knows no penstock, by `resume`."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from penstock.client import Client
from penstock.storage import keys, records
from penstock_local.file_datastore import FileDatastore

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
FAILED, RESUMED = "20261125-1418-vk3g", "20261125-1418-vyes"
VALUES = {
    "start": {
        "word": "ünïcode",
        "large": bytes(range(256)) * 400,
        "zeros": b"\0" * 5_000_000,
        "kinds": ["cat", "dog", {"none": None}],
        "alpha": 0.75,
        "unit": "mm",
    },
    "join": {"found": ["cat", "dog", {"none": None}]},
}


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A copy: a store may be moved."""
    return Path(shutil.copytree(HERE / "store", tmp_path / "moved" / ".penstock"))


def script(store: Path, *arguments: str) -> str:
    """What the script prints, by an interpreter that sees nothing but the standard library and a zstd."""
    command = [sys.executable, str(ROOT / "examples" / "read_store.py"), str(store), *arguments]
    return subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=True).stdout


def test_the_client_reads_it(store: Path) -> None:
    client = Client("local", root=str(store))
    run = client.run(f"GoldenFlow/{RESUMED}")
    assert [found.id for found in client.flow("GoldenFlow")] == [RESUMED, FAILED]
    assert (run.status, client.run(f"GoldenFlow/{FAILED}").status) == ("succeeded", "failed")
    assert set(run.user_tags) == {"new"}
    for step, values in VALUES.items():
        data = run[step].task.data
        assert {name: getattr(data, name) for name in values} == values
    assert [task.data.kind for task in sorted(run["each"], key=lambda task: task.id)] == VALUES["join"]["found"]
    assert run["start"].task.stdout == "begun\n"
    assert run["end"].task.stdout == "x" * 40_000 + "\n"
    assert "too large" in str(client.run(f"GoldenFlow/{FAILED}")["join"].task.exception)


def test_the_script_reads_it_without_penstock(store: Path) -> None:
    assert script(store).splitlines() == [
        f"GoldenFlow/{RESUMED}  succeeded  by ann",
        f"GoldenFlow/{FAILED}  failed  by ann",
    ]
    tasks = re.findall(r"^(\w+/\d+)/0  succeeded", script(store, f"GoldenFlow/{RESUMED}"), re.MULTILINE)
    assert tasks == ["_parameters/0", "start/0", "each/0", "each/1", "each/2", "join/0", "end/0"]
    for step, values in VALUES.items():
        lines = script(store, f"GoldenFlow/{RESUMED}/{step}/0").splitlines()
        assert {f"{name} = {value!r}" for name, value in values.items()} <= set(lines)
    assert "--- stdout\nbegun\n" in script(store, f"GoldenFlow/{RESUMED}/start/0")
    assert "x" * 40_000 in script(store, f"GoldenFlow/{RESUMED}/end/0")
    assert script(store, f"GoldenFlow/{FAILED}/join/0").startswith("failed, attempt 0")


def test_it_is_resumed(store: Path) -> None:
    folder = store.parent
    (folder / "golden.py").write_text((HERE / "golden.py").read_text().replace("0.6", "0.8"))
    command = [sys.executable, "-m", "penstock", "resume", "golden.py", f"--origin-run-id={FAILED}", "--run-id-file=id"]
    subprocess.run(command, cwd=folder, check=True)
    run = Client("local", root=str(store)).run(f"GoldenFlow/{(folder / 'id').read_text()}")
    assert run.status == "succeeded"
    assert run["join"].task.data.found == VALUES["join"]["found"]


def test_every_object_is_one_that_the_page_knows(store: Path) -> None:
    page = (ROOT / "docs" / "format.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([^|]+)` \|", page.partition("## Objects")[0], re.MULTILINE)
    parts = {"FLOW": "[^/]+", "RUN": "[^/]+", "STEP": "[^/]+", "PLACE": "[^/]+", "TAG": "[^/]+", "000001": r"\d{6}"}
    parts |= {"N": r"\d+", "SOURCE": "std(out|err)", "OFFSET": r"\d{15}", "HH": "[0-9a-f]{2}", "SHA256": "[0-9a-f]{64}"}
    parts |= {"CODEC": "(raw|zlib|zstd)"}
    known = [re.sub("|".join(parts), lambda found: parts[found[0]], row.replace(".", r"\.")) for row in rows]
    found = [one.key for one in FileDatastore(str(store)).list("")]
    assert len(found) > 20
    for key in found:
        assert any(re.fullmatch(pattern, key) for pattern in known), key


def test_records_are_written_as_they_were(store: Path) -> None:
    datastore = FileDatastore(str(store))
    for key in records.list_records(datastore, "GoldenFlow", RESUMED):
        assert records.encode_record(records.read_record(datastore, key)) == datastore.get(key)
        assert keys.record_of(key) is not None
