"""Which file system holds a folder; a catalogue on a network's is kept as objects of the datastore."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from penstock_local.file_system import kind_in, network_kind

MOUNTS = """\
21 1 253:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw
22 21 0:20 / /proc rw - proc proc rw
30 21 0:44 / /data rw,relatime shared:9 - nfs4 server:/export rw,vers=4.2
31 30 0:45 / /data/here\\040too rw master:1 - xfs /dev/vdb rw
32 21 0:46 /sub /mnt/share rw - cifs //server/share rw
33 21 0:47 / /home/ann/remote rw - fuse.sshfs ann@far:/ rw
34 21 0:48 / /over rw - tmpfs tmpfs rw
35 21 0:49 / /over rw - lustre mgs@tcp:/fs rw
36 21 0:50 / /work rw,relatime - 9p host rw
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "ext4"), ("/database", "ext4"), ("/data", "nfs4"), ("/data/a/b", "nfs4"), ("/data/here too/x", "xfs"),
        ("/mnt/share/.penstock", "cifs"), ("/home/ann", "ext4"), ("/home/ann/remote/x", "fuse.sshfs"),
        ("/over/x", "lustre"), ("/work", "9p"),
    ],
)  # fmt: skip
def test_the_mount_that_holds_a_path(path: str, kind: str) -> None:
    assert kind_in(MOUNTS, path) == kind


def test_of_nonsense_nothing_is_known(tmp_path: Path) -> None:
    assert kind_in("x\n\n1 2 3\n", "/x") == ""
    assert network_kind(str(tmp_path)) is None


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Path]:
    """A folder on a file system that lies behind a program, as those of networks do for users."""
    program = shutil.which("fuse-overlayfs")
    if program is None or not os.access("/dev/fuse", os.R_OK | os.W_OK):
        pytest.skip("other platform: no file system behind a program can be mounted here")
    parts = {name: tmp_path / name for name in ("lower", "upper", "work", "mounted")}
    for part in parts.values():
        part.mkdir()
    options = f"lowerdir={parts['lower']},upperdir={parts['upper']},workdir={parts['work']}"
    done = subprocess.run([program, "-o", options, str(parts["mounted"])], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"other platform: {done.stderr}")
    yield parts["mounted"]
    subprocess.run(["umount", "-l", str(parts["mounted"])], check=True)


FLOW = """
from penstock import FlowSpec, step
class FarFlow(FlowSpec):
    @step
    def start(self):
        self.next(self.end)
    @step
    def end(self):
        print("done")
"""


def test_there_the_catalogue_is_kept_as_objects_and_one_line_says_so(mounted: Path) -> None:
    (mounted / "far.py").write_text(FLOW)
    (mounted / ".penstock").mkdir()

    def flow(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "penstock", *words], cwd=mounted, capture_output=True, text=True, check=True
        )

    said = flow("run", "far.py").stderr
    assert said.count("where SQLite's locks can't be relied on: the catalogue is kept as objects") == 1
    assert not (mounted / ".penstock" / "catalogue.sqlite").exists()
    assert json.loads(flow("runs", "--json").stdout)["runs"][0]["status"] == "succeeded"
    assert "SQLite" not in flow("run", "far.py", "--metadata=local").stderr, "who names it has it"
    assert (mounted / ".penstock" / "catalogue.sqlite").exists()
