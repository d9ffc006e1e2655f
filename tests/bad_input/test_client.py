"""What a script or notebook asks for and can't have: one error that says what, why, and what to type next."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bad_input.shell import Answer, Shell

RUN = re.compile(r"20\d{6}-\d{4}-\w{4}")
PETS = """
import os, time
from penstock import FlowSpec, Parameter, step

class PetsFlow(FlowSpec):
    way = Parameter("way", default="count")
    wait = Parameter("wait", default="")
    @step
    def start(self):
        self.kinds = ["cat", "dog"]
        self.choice = self.way
        self.next({"count": self.count, "guess": self.guess}, condition="choice")
    @step
    def count(self):
        if self.wait:
            open(self.wait, "w").close()
            time.sleep(300)
        self.total = 2
        self.next(self.end)
    @step
    def guess(self):
        raise ValueError("no idea")
        self.next(self.end)
    @step
    def end(self):
        self.total = 2
"""


@pytest.fixture
def pets(shell: Shell) -> Shell:
    """A store with two runs of `PetsFlow`: one that failed, and a newer one that succeeded."""
    shell.write("pets.py", PETS)
    assert shell.flow("run", "pets.py", "--way=guess").code == 1
    assert shell.flow("run", "pets.py").code == 0
    return shell


def ask(shell: Shell, code: str, **more: object) -> Answer:
    source = f"from penstock import *\nfrom penstock import Client\n{code}\n"
    return shell.call(sys.executable, "-c", source, **more)


def is_told(answer: Answer, kind: str, message: str, next_: str) -> None:
    """Python ends with the error's class and message, and below it what to type next; ids are shown as `RUN`."""
    assert answer.code == 1, answer
    told, hint = RUN.sub("RUN", answer.err).rstrip(), ""
    if next_:
        told, _, hint = told.rpartition("\n  next: ")
    name, _, said = told.splitlines()[-1].partition(": ")
    assert name.rpartition(".")[2] == kind, answer
    assert message in said, answer
    assert next_ in hint, answer
    assert "\n" not in hint, answer
    assert "During handling" not in answer.err, answer


OK = "Run('PetsFlow/latest')"
MISSING = {
    "flow": ("Flow('PetFlow')", "NotFound", "no flow 'PetFlow' has run in ", "did you mean 'PetsFlow'?"),
    "flow of nothing": ("Metaflow()['Petsflow']", "MissingChild", "has no 'Petsflow'", "did you mean 'PetsFlow'?"),
    "flow without a name": ("Flow('')", "UsageError", "'' is not of the form Flow", "flow runs"),
    "run": ("Run('PetsFlow/20261124-0000-0000')", "NotFound", "PetsFlow has no run 'RUN'", "RUN"),
    "run by item": ("Flow('PetsFlow')['17']", "MissingChild", "has no '17'", "there are: RUN, RUN"),
    "run of another flow": ("Run('PetFlow/latest')", "NotFound", "no flow 'PetFlow'", "did you mean 'PetsFlow'?"),
    "run too far back": ("Run('PetsFlow/latest~9')", "NotFound", "PetsFlow has only 2 runs", "flow runs PetsFlow"),
    "beginning of two": ("Run('PetsFlow/20')", "NotFound", "'20' begins the ids of 2 runs", "there are: RUN, RUN"),
    "run as a number": ("Run(17)", "UsageError", "text of the form Flow/run is wanted, not 17", "flow runs"),
    "run by a flow's name": ("Run('PetsFlow')", "UsageError", "'PetsFlow' is not of the form Flow/run", "flow runs"),
    "step": (f"{OK}['strat']", "MissingChild", "PetsFlow/RUN has no step 'strat'", "did you mean 'start'?"),
    "step by pathspec": ("Step('PetsFlow/latest/cuont')", "MissingChild", "has no step 'cuont'", "'count'"),
    "step on another way": (f"{OK}['guess']", "MissingChild", "took another way than step 'guess'", "start, count"),
    "step after a failure": (
        "Run('PetsFlow/latest~1')['end']",
        "MissingChild",
        "RUN failed before its step 'end'",
        "start",
    ),
    "task": (f"{OK}['count']['7']", "MissingChild", "PetsFlow/RUN/count has no task '7'", "there are: 0"),
    "task by pathspec": ("Task('PetsFlow/latest/count/7')", "MissingChild", "has no task '7'", "there are: 0"),
    "task that is no place": ("Task('PetsFlow/latest/count/x')", "UsageError", "'x' is no task id", "flow runs"),
    "task of a wrong step": ("Task('PetsFlow/latest/cuont/0')", "MissingChild", "no step 'cuont'", "'count'"),
    "attempt": (
        "Task('PetsFlow/latest/count/0', attempt=3)",
        "NotFound",
        "PetsFlow/RUN/count/0 has no attempt 3",
        "there are: 0",
    ),
    "artifact": (
        f"{OK}['end'].task['totla']",
        "MissingChild",
        "Task('PetsFlow/RUN/end/0') has no artifact 'totla'",
        "'total'",
    ),
    "artifact as attribute": (
        f"{OK}.data.totla",
        "MissingArtifact",
        "has no artifact 'totla'",
        "did you mean 'total'?",
    ),
    "artifact as object": (f"{OK}.end_task.artifacts.x", "MissingArtifact", "no artifact 'x'", "choice, kinds, total"),
    "artifact by pathspec": (
        "DataArtifact('PetsFlow/latest/end/0/totla')",
        "MissingChild",
        "has no artifact 'totla'",
        "'total'",
    ),
    "artifact without a task": (
        "DataArtifact('PetsFlow/latest')",
        "UsageError",
        "is not of the form Flow/run/step/task/artifact",
        "flow runs",
    ),
    "artifact of a failed task": (
        "Run('PetsFlow/latest~1')['guess'].task.data.total",
        "MissingArtifact",
        "'total': it failed",
        "choice, kinds",
    ),
    "stream": (f"list({OK}.end_task.loglines('stdin'))", "UsageError", "no stream 'stdin'", "stdout"),
    "tag that is empty": (f"{OK}.add_tag('')", "UsageError", "a tag can't be empty", ""),
    "tag of penstock's own": (f"{OK}.remove_tag('user:ann')", "UsageError", "penstock's own", "run.user_tags"),
    "no tag at all": (f"{OK}.replace_tags([], [])", "UsageError", "no tag to add or to remove", "add_tag"),
    "store": ("Client('lcoal').flows()", "PluginError", "no datastore 'lcoal'", "did you mean"),
    "options without a store": ("Client(root='x')", "UsageError", "root: options of which datastore?", "Client("),
    "option of a store": (
        "Client('local', rot='x').flows()",
        "UsageError",
        "local has no option 'rot'",
        "did you mean 'root'?",
    ),
    "values that were refused": (
        "Client(unpickle=False).run('PetsFlow/latest').data.total",
        "NotReadable",
        "made with unpickle=False",
        "Client",
    ),
    "another namespace": (
        "namespace('user:bob'); Run('PetsFlow/latest')",
        "NamespaceMismatch",
        "PetsFlow has no runs in the namespace 'user:bob'",
        "namespace(None)   # to see all runs",
    ),
    "flow in another namespace": (
        "namespace('user:bob'); Flow('PetsFlow')",
        "NamespaceMismatch",
        "no run of PetsFlow is in the namespace",
        "(None)",
    ),
    "namespace of a client": (
        "Client(namespace='user:bob').run('PetsFlow/latest')",
        "NamespaceMismatch",
        "in the namespace 'user:bob'",
        "Client(..., namespace=None)",
    ),
    "namespace that is no text": ("namespace(7)", "UsageError", "a tag must be text, not int", ""),
}


@pytest.mark.parametrize("case", MISSING)
def test_what_is_not_there(case: str, pets_once: Shell) -> None:
    code, kind, message, next_ = MISSING[case]
    is_told(ask(pets_once, code), kind, message, next_)


@pytest.fixture(scope="module")
def pets_once(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    return pets.__wrapped__(Shell(tmp_path_factory.mktemp("pets") / "work"))  # type: ignore[attr-defined,no-any-return]


def test_python_s_own_idioms_see_what_is_not_there(pets_once: Shell) -> None:
    code = f"""
run = {OK}
task = run.end_task
assert 'nothing' not in run and 'nothing' not in task and 'nothing' not in task.data
assert not hasattr(task.data, 'nothing') and getattr(task.artifacts, 'nothing', 3) == 3
for owner in (run, task, run['count'], Flow('PetsFlow'), Metaflow()):
    try:
        owner['nothing']
    except KeyError:
        pass
"""
    assert ask(pets_once, code).code == 0


def test_no_flow_has_run_yet(shell: Shell) -> None:
    is_told(ask(shell, "Flow('PetsFlow')"), "NotFound", "no flow 'PetsFlow' has run", "flow run FILE")
    assert ask(shell, "assert list(Metaflow()) == Client().flows() == []").code == 0
    assert not shell.store.exists()


def test_a_run_that_still_goes_on(pets: Shell) -> None:
    there = pets.folder / "there"
    running = pets.start(sys.executable, "-m", "penstock", "run", "pets.py", f"--wait={there}", "--run-id-file=id")
    try:
        while not there.exists():
            assert running.poll() is None
        assert ask(pets, f"assert {OK}.status == 'running' and not {OK}.finished and {OK}.data is None").code == 0
        is_told(
            ask(pets, f"{OK}['end']"), "MissingChild", "not come to its step 'end' yet: it is running", "start, count"
        )
        is_told(
            ask(pets, f"{OK}['count'].task.data.total"), "MissingArtifact", "'total' yet: it is running", "there are"
        )
        is_told(ask(pets, f"{OK}['count']['1']"), "MissingChild", "no task '1' so far: it is running", "there are: 0")
    finally:
        running.send_signal(signal.SIGINT)
        running.communicate(timeout=60)


THING = """
__version__ = "3.1"
class Thing:
    def __init__(self, n):
        self.n = n
"""
KEEP = """
from penstock import FlowSpec, step
from things import Thing

class KeepFlow(FlowSpec):
    @step
    def start(self):
        self.thing, self.number = Thing(4), 5
        self.next(self.end)
    @step
    def end(self):
        pass
"""


@pytest.mark.parametrize(
    ("later", "message", "next_"),
    [
        (None, "can't be loaded: ModuleNotFoundError: No module named 'things'", "install things 3.1, which wrote it"),
        ("__version__ = '4.0'\n", "of type things.Thing can't be loaded: AttributeError", "gone or was renamed"),
        ("raise OSError('no licence')\n", "OSError: no licence", "the packages that wrote it"),
    ],
    ids=["no such package", "no such class", "a package that can't be imported"],
)
def test_a_value_that_can_not_be_loaded(later: str | None, message: str, next_: str, shell: Shell) -> None:
    """The rest of the task can be read all the same."""
    shell.write("installed/things.py", THING)
    shell.write("keep.py", KEEP)
    path = {"PYTHONPATH": os.pathsep.join([str(shell.folder / "installed"), shell.environment["PYTHONPATH"]])}
    assert shell.flow("run", "keep.py", env=path).code == 0
    shutil.rmtree(shell.folder / "installed")
    if later is not None:
        shell.write("installed/things.py", later)
    task = "Run('KeepFlow/latest').end_task"
    answer = ask(shell, f"{task}.data.thing", env=path)
    is_told(answer, "NotReadable", message, next_)
    assert "artifact 'thing' of type things.Thing" in answer.err
    shown = f"assert {task}.data.number == 5 and 'thing' in {task}.data and 'thing' in {task}._repr_html_()"
    assert ask(shell, shown, env=path).code == 0


def test_a_store_of_another_user(pets: Shell) -> None:
    """Who may not read it is told by whom he may be let in; who may read it alone can look and not change."""
    alone = _as_somebody_else(pets.store)
    source = "from penstock import *\nnamespace(None)\n"
    python = [*alone, sys.executable, "-c"]
    try:
        pets.store.chmod(0o700 if alone else 0)
        is_told(
            pets.call(*python, f"{source}Flow('PetsFlow')"), "BackendMisconfigured", "may not be read", "chmod -R g+rX"
        )
        is_told(
            pets.call(*python, f"{source}list(Metaflow())"), "BackendMisconfigured", str(pets.store), "chmod -R g+rX"
        )
        pets.store.chmod(0o755 if alone else 0o500)
        assert pets.call(*python, f"{source}assert Run('PetsFlow/latest').data.total == 2").code == 0
        for found in pets.store.glob("runs/*/*"):
            found.chmod(0o555)
        is_told(
            pets.call(*python, f"{source}Run('PetsFlow/latest').add_tag('mine')"),
            "BackendMisconfigured", "may not be used by this user", "--local-root=",
        )  # fmt: skip
    finally:
        pets.store.chmod(0o700)
        for found in pets.store.glob("runs/*/*"):
            found.chmod(0o755)


def _as_somebody_else(store: Path) -> list[str]:
    """The words by which a command may do no more than others may; only root has to give up something for it."""
    if os.getuid() != 0:
        return []
    subprocess.run(["chown", "-R", "12345", str(store)], check=True)
    subprocess.run(["chmod", "-R", "go-w", str(store)], check=True)
    return ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
