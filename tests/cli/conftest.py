"""A folder with a flow that was run, resumed and that has failed once; looked at by commands that change nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bad_input.shell import Shell

PETS = '''"""Flows of pets."""
from penstock import FlowSpec, Parameter, retry, step


class PetsFlow(FlowSpec):
    """Counts pets."""

    kinds = Parameter("kinds", default="cat,dog", separator=",", help="which pets")
    break_it = Parameter("break_it", default=False)

    @step
    def start(self):
        """Begin."""
        print("begin")
        self.next(self.count, foreach="kinds")

    @retry(times=1)
    @step
    def count(self):
        import sys
        print("counting", self.input)
        print("err of", self.input, file=sys.stderr)
        self.size = len(self.input)
        if self.break_it and self.input == "dog":
            raise ValueError("no dogs")
        self.next(self.join)

    @step
    def join(self, inputs):
        self.total = sum(one.size for one in inputs)
        self.next(self.end)

    @step
    def end(self):
        print("total", self.total)


if __name__ == "__main__":
    PetsFlow()
'''


@pytest.fixture(scope="session")
def pets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    shell = Shell(tmp_path_factory.mktemp("cli") / "work")
    shell.write("pets.py", PETS)
    assert shell.flow("run", "pets.py", "--run-id-file=first", "--tag=blue", "--tag=with space").code == 0
    assert shell.flow("run", "pets.py", "--run-id-file=failed", "--break_it").code == 1
    assert shell.flow(
        "resume", "pets.py", "--origin-run-id", shell_id(shell, "first"), "join", "--run-id-file=resumed"
    ).code == 0
    yield shell
    assert shell.processes() == []


def shell_id(shell: Shell, name: str) -> str:
    """The id that a run wrote into a file of this name."""
    return (shell.folder / name).read_text()


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    made = Shell(tmp_path / "work")
    made.write("pets.py", PETS)
    return made
