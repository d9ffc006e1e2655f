"""Which commit a flow file belongs to, asked of `git` while the flow is being imported."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from subprocess import Popen
    from typing import Any

PATIENCE_S = 2.0  # `git status` of a huge tree is not worth waiting for


class GitFacts:
    """Begins to ask on construction; `result()` waits for the answer."""

    def __init__(self, folder: str) -> None:
        self._asked: dict[str, Popen[bytes]] = {}
        if _in_a_checkout(folder):
            import subprocess  # elsewhere nobody pays for it

            for name, arguments in (("commit", ["rev-parse", "HEAD"]), ("dirty", ["status", "--porcelain", "-uno"])):
                try:
                    self._asked[name] = subprocess.Popen(
                        ["git", "-C", folder, *arguments],
                        stdin=subprocess.DEVNULL,
                        stdout=subprocess.PIPE,
                        stderr=subprocess.DEVNULL,
                    )
                except OSError:
                    return

    def result(self) -> dict[str, Any] | None:
        """`{"commit": hex, "dirty": bool}`; None outside a checkout or without git."""
        said: dict[str, str] = {}
        if self._asked:
            from subprocess import TimeoutExpired
        while self._asked:
            name, process = self._asked.popitem()
            try:
                out, _ = process.communicate(timeout=PATIENCE_S)
            except TimeoutExpired:
                _end(process)
                continue
            if process.returncode == 0:
                said[name] = out.decode("utf-8", "replace").strip()
        if "commit" not in said:
            return None
        return {"commit": said["commit"], "dirty": bool(said["dirty"]) if "dirty" in said else None}

    def close(self) -> None:
        """Nobody wants the answer any more."""
        while self._asked:
            _end(self._asked.popitem()[1])


def _end(process: Popen[bytes]) -> None:
    process.kill()
    process.communicate()


def _in_a_checkout(folder: str) -> bool:
    while True:
        if os.path.exists(os.path.join(folder, ".git")):
            return True
        parent = os.path.dirname(folder)
        if parent == folder:
            return False
        folder = parent
