"""A user at a prompt whose tasks run in containers, and what is left on the engine afterwards."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import docker

from penstock_docker.recipe import LABEL
from tests.bad_input.shell import Answer, Shell

HOLD = """
import os, time
from pathlib import Path
from penstock import FlowSpec, step

class HoldFlow(FlowSpec):
    @step
    def start(self):
        here = Path(HERE)
        with open(here / "ran", "a") as file:
            file.write("ran\\n")
        print("on the way", flush=True)
        while not (here / "go").exists():
            time.sleep(0.02)
        self.went = True
        self.next(self.end)

    @step
    def end(self):
        pass
"""


class DockerShell(Shell):
    """Commands go to this engine with this image, without a network; its working folder is seen by tasks."""

    def __init__(self, folder: Path, client: docker.DockerClient, url: str, image: str) -> None:
        super().__init__(folder)
        self.client = client
        self.options(url=url, image=image, network="none", volumes=f"{folder}:{folder}")
        self.environment["PENSTOCK_EXECUTOR"] = "docker"
        self.store.mkdir()

    def options(self, **said: str) -> None:
        """Settings of the executor, from now on; an empty text takes one back."""
        self.environment.update({f"PENSTOCK_DOCKER_{name.upper()}": text for name, text in said.items()})

    def write_hold(self) -> None:
        """`hold.py`: its first step ends when there is a file `go`."""
        self.write("hold.py", HOLD.replace("HERE", repr(str(self.folder))))

    def containers(self, **filters: Any) -> list[Any]:
        """Containers of this folder's flows, running and ended."""
        return [
            one
            for one in self.client.containers.list(
                all=True, filters={"label": LABEL + ".run", **filters}, ignore_removed=True
            )
            if any(mount["Source"] == str(self.store) for mount in one.attrs["Mounts"])
        ]

    def attempts(self, task: str) -> list[dict[str, Any]]:
        """Attempts of a task, as `flow show --json` has them."""
        shown: list[dict[str, Any]] = json.loads(self.flow("show", task, "--json").out)["attempts"]
        return shown

    def told(self, answer: Answer, *words: str, code: int) -> None:
        """The command ended with this code and said these words, and nothing of ours was shown."""
        assert answer.code == code, answer
        for word in words:
            assert word in answer.err + answer.out, answer
        assert "a fault of penstock" not in answer.err, answer
