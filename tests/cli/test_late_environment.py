"""Variables that the flow file sets when it is imported count for the run, under Metaflow's names too."""

from __future__ import annotations

import pytest

from tests.bad_input.shell import Shell

FILE = """
import os
from penstock import FlowSpec, Parameter, current, project, step
os.environ.update(METAFLOW_USER="late", METAFLOW_RUN_ALPHA="7", METAFLOW_BRANCH="fix")
os.environ.update(METAFLOW_DEFAULT_DECOSPECS="retry:times=1,minutes_between_retries=0", PENSTOCK_METADATA="datastore")

@project(name="shop")
class LateFlow(FlowSpec):
    alpha = Parameter("alpha", default=1)

    @step
    def start(self):
        if current.retry_count == 0:
            raise ValueError("once")
        self.next(self.end)

    @step
    def end(self):
        print(current.username, current.namespace, self.alpha, current.branch_name)

if __name__ == "__main__":
    LateFlow()
"""


@pytest.mark.parametrize("way", ["flow", "script"])
def test_what_the_file_sets(way: str, shell: Shell) -> None:
    shell.write("late.py", FILE)
    answer = shell.flow("run", "late.py", "-q") if way == "flow" else shell.script("late.py", "--quiet", "run")
    assert (answer.code, answer.out) == (0, "end  late user:late 7 test.fix\n"), answer
    assert not list(shell.store.glob("*.sqlite*"))
    assert '"user:late"' in shell.flow("tag", "LateFlow/latest", "--json").out
