"""What is typed wrong: the flag or word that is meant, the nearest that exists, exit code 2 or 4, nothing written."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
from pathlib import Path

import pytest

from tests.bad_input.shell import FINE, Shell, is_refusal, is_tidy

PARAMETERS = """
from penstock import FlowSpec, JSONType, Parameter, step

class ManyFlow(FlowSpec):
    must = Parameter("must", required=True, help="it must be given")
    learning_rate = Parameter("learning_rate", default=0.5)
    dash = Parameter("with-dash", default="d")
    count = Parameter("count", default=3)
    sure = Parameter("sure", default=False)
    table = Parameter("table", type=JSONType, default=None)
    words = Parameter("words", default="a,b", separator=",")

    @step
    def start(self):
        self.next(self.end)

    @step
    def end(self):
        print([self.must, self.learning_rate, self.dash, self.count, self.sure, self.table, self.words])
"""

# arguments, exit code, what is said, next
BEFORE_ANY_RUN = {
    "no file": (["run"], 2, ["Missing argument 'FILE"], "run --help"),
    "unknown command": (["rnu"], 2, ["no command 'rnu'"], "'run'"),
    "unknown command, nothing near": (["xyzzy"], 2, ["no command 'xyzzy'"], "there are: run, resume"),
    **{f"unknown command, known elsewhere: {words}": (words.split(), 2, [f"no command {words.split()[0]!r}"], meant)
       for words, meant in {"help": " --help", "help logs": " logs --help", "version": " --version",
                            "list": " runs", "stop": " cancel RUN", "fine.py": " run fine.py",
                            "./fine.py --alpha=3": " run ./fine.py", "fine.py check": " check fine.py",
                            "fine.py:FineFlow": " run fine.py:FineFlow"}.items()},
    "option with one dash": (["run", "fine.py", "-alpha=5"], 2, ["-alpha=5 is no option"], "--alpha=5"),
    "option with no dash": (["run", "fine.py", "alpha=5"], 2, ["alpha=5 is no option"], "--alpha=5"),
    "option with no dash, and another that is none": (
        ["run", "fine.py", "alpha=5", "--xyzzy"], 2, ["alpha=5 is no option"], "--alpha=5",
    ),
    "option of a command with one dash": (["runs", "-status", "failed"], 2, ["-status is no option"], "--status"),
    "option of a backend that is not installed": (
        ["run", "fine.py", "--docker-image=x"], 2, ["there is no --docker-image"], "pip install ",
    ),
    "decorator that is not installed": (["run", "fine.py", "--with=docker"], 4, ["--with docker:"], "pip install "),
    "unknown option": (
        ["run", "fine.py", "--max-worker=3"],
        2,
        ["No such option '--max-worker'", "--max-workers"],
        "run fine.py --help",
    ),
    "unknown option of another command": (["runs", "--follow"], 2, ["No such option '--follow'"], "runs --help"),
    "unknown parameter": (["run", "fine.py", "--alpah=3"], 2, ["'--alpah'", "--alpha"], "run fine.py --help"),
    "too many words": (["run", "fine.py", "again"], 2, ["unexpected extra argument (again)"], "run fine.py --help"),
    "option without its value": (
        ["run", "fine.py", "--tag"], 2, ["'--tag' requires an argument"], "run fine.py --help"
    ),
    "option twice": (
        ["run", "fine.py", "--max-workers=1", "--max-workers", "2"],
        2,
        ["--max-workers is given 2 times"],
        "once",
    ),
    "parameter twice": (["run", "fine.py", "--alpha=1", "--alpha=1"], 2, ["--alpha is given 2 times"], "once"),
    "no workers": (["run", "fine.py", "--max-workers=0"], 2, ["--max-workers", "at least one job"], "--max-workers=4"),
    "less than no workers": (["run", "fine.py", "--max-workers=-1"], 2, ["--max-workers", "not -1"], "--max-workers=4"),
    "workers in words": (["run", "fine.py", "--max-workers=x"], 2, ["'x' is not a whole number"], "--max-workers=4"),
    "no splits": (["run", "fine.py", "--max-num-splits=0"], 2, ["--max-num-splits", "x>=1"], "run fine.py --help"),
    "unknown executor": (["run", "fine.py", "--executor=locl"], 4, ["no executor 'locl'"], "--executor=local"),
    "unknown executor, nothing near": (
        ["run", "fine.py", "--executor=xyzzy"],
        4,
        ["no executor 'xyzzy'; there are: "],
        "flow plugins",
    ),
    "unknown datastore": (["run", "fine.py", "--datastore=locall"], 4, ["no datastore 'locall'"], "--datastore=local"),
    "unknown datastore in a URL": (
        ["run", "fine.py", "--datastore=gopher://x/y"],
        4,
        ["no datastore 'gopher'"],
        "flow plugins",
    ),
    "a URL for a store without": (
        ["run", "fine.py", "--datastore=local://x"],
        2,
        ["local takes no URL"],
        "--datastore=local",
    ),
    "unknown metadata": (
        ["run", "fine.py", "--metadata=datastor"],
        4,
        ["no metadata 'datastor'"],
        "--metadata=datastore",
    ),
    "unknown log sink": (["runs", "--logging=locl"], 4, ["no logging 'locl'"], "--logging=local"),
    "unknown profile": (["run", "fine.py", "--profile=prod"], 4, ["no profile 'prod'"], "profiles.prod"),
    "a class that is not there": (
        ["run", "fine.py", "--executor=nowhere.py:Executor"],
        4,
        ["nowhere.py"],
        "flow plugins",
    ),
    "a class of another kind": (
        ["run", "fine.py", "--executor=fine.py:FineFlow"],
        4,
        ["fine.py:FineFlow is no Executor"],
        "Executor",
    ),
    "a word where a boolean option is": (
        ["run", "fine.py", "--local-durable=maybe"],
        2,
        ["--local-durable"],
        "run fine.py --help",
    ),
    "unknown choice": (
        ["run", "fine.py", "--on-failure=fail_fast"],
        2,
        ["'fail_fast' is not one of", "Did you mean 'fail-fast'?"],
        "run fine.py --help",
    ),
    "executor for no step": (
        ["run", "fine.py", "--executor-for=strat=local"],
        2,
        ["a step 'strat' that FineFlow lacks"],
        "'start'",
    ),
    "executor for a step, unknown": (
        ["run", "fine.py", "--executor-for=start=locl"],
        4,
        ["no executor 'locl'"],
        "--executor=local",
    ),
    "executor for a step, malformed": (
        ["run", "fine.py", "--executor-for=start"],
        2,
        ["not of the form STEP=NAME"],
        "--executor-for",
    ),
    "executor for a step, unknown option": (
        ["run", "fine.py", "--executor-for=start=local:cpu=1"],
        2,
        ["no option 'cpu'"],
        "'cpus'",
    ),
    "executor for a step, wrong value": (
        ["run", "fine.py", "--executor-for=start=local:cpus=x"],
        2,
        ["'x' is not"],
        "cpus",
    ),
    "empty tag": (["run", "fine.py", "--tag="], 2, ["--tag", "can't be empty"], "--tag="),
    "long tag": (["run", "fine.py", "--tag=" + "x" * 501], 2, ["at most 500 characters"], "--tag="),
    "id file in no folder": (
        ["run", "fine.py", "--run-id-file=no/where"],
        2,
        ["--run-id-file", "no folder no"],
        "mkdir -p no",
    ),
    "id file that is a folder": (
        ["run", "fine.py", "--run-id-file=."],
        2,
        ["--run-id-file", ". is a folder"],
        "--run-id-file=",
    ),
    "resume of no run": (["resume", "fine.py"], 2, ["FineFlow has no run"], "flow run"),
    "resume of an unknown step": (["resume", "fine.py", "strat"], 2, ["FineFlow has no step 'strat'"], "'start'"),
    "parameter for resume": (["resume", "fine.py", "--alpha=3"], 2, ["'--alpha'"], "resume fine.py --help"),
    "show of nothing": (["show"], 2, ["what shall be shown?"], "flow show FILE"),
    "unknown flow": (["show", "NoFlow"], 2, ["no flow 'NoFlow' has run"], "flow run"),
    "unknown run": (["logs", "NoFlow/20200101-0000-aaaa/start"], 2, ["no flow 'NoFlow' has run"], "flow run"),
    "too deep": (["show", "a/b/c/d/e/f"], 2, ["not of the form Flow/run/step/task"], "flow runs"),
    "continue of no flow": (["continue", "NoFlow/latest"], 2, ["no flow 'NoFlow' has run"], "flow run FILE"),
    "a flow file where a flow is wanted": (["show", "fine"], 2, ["no flow 'fine' has run"], "flow show fine.py"),
    "continue of nothing": (["continue"], 2, ["Missing argument 'RUN'"], "continue --help"),
    "cancel of a step": (["cancel", "A/b/c"], 2, ["'A/b/c' is not of the form Flow/RUN"], "flow runs"),
    "unknown setting": (["config", "max_worker"], 2, ["no setting 'max_worker'"], "'max_workers'"),
    "setting of a backend that is not chosen": (
        ["config", "isolated.seed"], 2, ["isolated.seed is a setting of the executor isolated, which is not chosen"],
        "flow config isolated.seed --executor=isolated",
    ),
    "setting that a backend lacks": (["config", "local.rot"], 2, ["local has no setting 'rot'"], "'root'"),
    "setting of nobody": (["config", "xyzzy.rot"], 2, ["no setting 'xyzzy.rot'"], "there are: executor"),
    "a part for tests is not proposed": (
        ["run", "fine.py", "--executor=isolatd"], 4, ["no executor 'isolatd'; there are: inline, local\n"],
        "flow plugins",
    ),
    "unknown format": (
        ["show", "fine.py", "--format=dott"],
        2,
        ["'dott' is not one of", "Did you mean 'dot'?"],
        "show --help",
    ),
    "unknown state": (["runs", "--status=suceeded"], 2, ["Did you mean 'succeeded'?"], "runs --help"),
    "a limit of none": (["runs", "-n", "0"], 2, ["x>=1"], "runs --help"),
    "follow and tail": (["logs", "latest", "-f", "--tail=3"], 2, ["--tail", "--follow"], "one of them"),
}  # fmt: skip


@pytest.mark.parametrize("case", BEFORE_ANY_RUN)
def test_what_is_typed_wrong(case: str, shell: Shell) -> None:
    arguments, code, texts, next_ = BEFORE_ANY_RUN[case]
    shell.write("fine.py", FINE)
    is_refusal(shell.flow(*arguments), code, *texts, next_=next_)
    assert not shell.store.exists()


@pytest.mark.parametrize(
    "case", [case for case, (words, *_) in BEFORE_ANY_RUN.items() if words[0] in ("run", "resume") and len(words) > 1]
)
def test_the_same_as_a_command_of_the_file(case: str, shell: Shell) -> None:
    (command, _, *rest), code, texts, _ = BEFORE_ANY_RUN[case]
    shell.write("fine.py", FINE + "\nif __name__ == '__main__':\n    FineFlow()\n")
    is_refusal(shell.script("fine.py", command, *rest), code, *texts)
    assert not shell.store.exists()


# arguments, exit code, what is said, next; RUN stands for the id of a run of `fine.py` that has succeeded
AFTER_A_RUN = {
    "run where a step is wanted": (["resume", "fine.py", "latest"], 2, ["no step 'latest'"], "--origin-run-id=latest"),
    "id where a step is wanted": (["resume", "fine.py", "RUN"], 2, ["no step 'RUN'"], "--origin-run-id=RUN"),
    "run where a flow is wanted": (["runs", "FineFlow/RUN"], 2, ["FineFlow/RUN is a run"], "flow show FineFlow/RUN"),
    "latest where a flow is wanted": (["runs", "latest"], 2, ["latest is a run"], "flow show latest"),
    "nothing": (["show", ""], 2, ["'' is not of the form Flow\n"], "flow runs"),
    "cancel of nearly the flow": (["cancel", "FinFlow/RUN"], 2, ["no flow 'FinFlow' has run"], "'FineFlow'"),
    "artifact that no task has": (["dump", "latest/end", "--include=xx"], 2, ["latest/end has no artifact xx"], "x"),
    "nearly an action": (["tag", "ad", "latest", "good"], 2, ["no flow 'ad' has run"], " tag add latest good"),
    "unknown id": (["show", "FineFlow/20200101-0000-aaaa"], 2, ["FineFlow has no run '20200101-0000-aaaa'"], "RUN"),
    "malformed id": (["show", "FineFlow/../../etc"], 2, ["'etc' is no task id"], "flow runs"),
    "id of another flow": (["show", "OtherFlow/RUN"], 2, ["no flow 'OtherFlow' has run"], "FineFlow"),
    "nearly the flow": (["show", "FineFlo/RUN"], 2, ["no flow 'FineFlo' has run"], "'FineFlow'"),
    "before the first": (["show", "FineFlow/latest~7"], 2, ["has only 1 run"], "flow runs FineFlow"),
    "unknown step": (["logs", "FineFlow/RUN/edn"], 2, ["has no step 'edn'"], "'end'"),
    "unknown task": (["show", "FineFlow/RUN/end/7"], 2, ["has no task '7'"], "0"),
    "malformed task": (["show", "FineFlow/RUN/end/../.."], 2, ["end/../.."], ""),
    "unknown attempt": (["logs", "FineFlow/RUN/end/0", "--attempt=4"], 2, ["attempt"], ""),
    "unknown step of dump": (["dump", "FineFlow/RUN/strt"], 2, ["has no step 'strt'"], "'start'"),
    "dump of a flow": (["dump", "FineFlow"], 2, ["'FineFlow' is a flow; a run is wanted"], " dump FineFlow/latest"),
    "dump into a folder": (["dump", "FineFlow/RUN/end", "--file=."], 2, ["'--file'", "is a directory"], "dump --help"),
    "dump into no folder": (
        ["dump", "FineFlow/RUN/end", "--file=no/where"],
        2,
        ["no/where can't be written"],
        "--file=",
    ),
    "cancel of a run that has ended": (["cancel", "FineFlow/RUN"], 2, ["has ended: succeeded"], "flow runs FineFlow"),
    "continue of a run that has ended": (
        ["continue", "FineFlow/RUN"],
        2,
        ["has ended: succeeded"],
        "flow resume fine.py --origin-run-id=RUN",
    ),
    "resume of an unknown origin": (
        ["resume", "fine.py", "--origin-run-id=20200101-0000-aaaa"],
        2,
        ["has no run '20200101"],
        "RUN",
    ),
    "resume of an unknown step": (["resume", "fine.py", "edn"], 2, ["has no step 'edn'"], "'end'"),
    "runs of an unknown flow": (["runs", "FineFlo"], 2, ["no flow 'FineFlo' has run"], "'FineFlow'"),
}  # fmt: skip


@pytest.mark.parametrize("case", AFTER_A_RUN)
def test_runs_steps_and_tasks_that_are_not_there(case: str, shell: Shell) -> None:
    arguments, code, texts, next_ = AFTER_A_RUN[case]
    shell.run_fine("--run-id-file=id")
    run = (shell.folder / "id").read_text()
    before = sorted(shell.store.rglob("*"))
    answer = shell.flow(*(word.replace("RUN", run) for word in arguments))
    is_refusal(answer, code, *(text.replace("RUN", run) for text in texts), next_=next_.replace("RUN", run))
    assert {
        path for path in shell.store.rglob("*") if "catalogue" not in path.name
    } == {path for path in before if "catalogue" not in path.name}


def test_a_run_that_has_ended_well_can_be_resumed_from_a_step(shell: Shell) -> None:
    shell.run_fine()
    answer = shell.flow("resume", "fine.py", "end")
    is_tidy(answer)
    assert answer.code == 0
    assert "1 taken over" in answer.err


@pytest.mark.parametrize(
    "arguments",
    [
        ["runs", "NoFlow", "--json"], ["show", "NoFlow", "--json"], ["dump", "NoFlow/latest", "--json"],
        ["config", "nothing", "--json"], ["runs", "--bad", "--json"],
    ],
)  # fmt: skip
def test_with_json_an_error_is_a_document_too(arguments: list[str], shell: Shell) -> None:
    answer = shell.flow(*arguments)
    is_refusal(answer, 2)
    told = json.loads(answer.out)["error"]
    assert told.keys() == {"message", "where", "hint", "exit_code"}
    assert told["exit_code"] == answer.code
    assert told["message"].replace(f"{shell.folder}/", "") in answer.err


def test_an_option_of_a_backend_that_is_not_chosen(shell: Shell) -> None:
    plugin = '''
from dataclasses import dataclass
from penstock.plugin import Backend, hookimpl, option
from penstock.contracts.executor import EXECUTOR_CONTRACT

@dataclass(frozen=True)
class Options:
    image: str = option("busybox", help="which one")

@hookimpl
def penstock_backends():
    yield Backend(
        kind="executor", name="boat", contract=EXECUTOR_CONTRACT, summary="s", options=Options, target="boat:Boat"
    )
'''
    _plant(shell, "boat", plugin)
    shell.write("fine.py", FINE)
    is_refusal(
        shell.flow("run", "fine.py", "--boat-image=x"),
        2,
        "--boat-image belongs to the executor boat, which is not chosen",
        next_="--executor=boat",
    )
    is_refusal(shell.flow("run", "fine.py", "--executor=bot"), 4, "no executor 'bot'", next_="--executor=boat")
    listed = shell.flow("plugins")
    is_tidy(listed)
    assert "boat" in listed.out


BACKEND = """from penstock.plugin import Backend, hookimpl
@hookimpl
def penstock_backends():
    yield Backend(kind={kind!r}, name={name!r}, contract={contract}, summary="s", target="boat:Boat")
"""


def backend(kind: str = "executor", name: str = "boat", contract: int = 1) -> str:
    """A plugin with one backend."""
    return BACKEND.format(kind=kind, name=name, contract=contract)


BROKEN_PLUGINS = {
    "no such module": (None, "ModuleNotFoundError"),
    "raises": ("1 / 0\n", "ZeroDivisionError: division by zero"),
    "syntax": ("def\n", "SyntaxError"),
    "missing SDK": ("import sdk_that_is_not_here\n", "No module named 'sdk_that_is_not_here'"),
    "no backend": (
        "from penstock.plugin import hookimpl\n@hookimpl\ndef penstock_backends():\n    return [3]\n",
        "int",
    ),
    "hook misspelt": (
        "from penstock.plugin import hookimpl\n@hookimpl\ndef penstock_backend():\n    return []\n",
        "penstock_backend",
    ),
    "wrong kind": (backend(kind="exec"), "unknown kind 'exec'"),
    "name of ours": (backend(name="local"), "penstock's own"),
}  # fmt: skip


@pytest.mark.parametrize("case", BROKEN_PLUGINS)
def test_a_broken_plugin_breaks_only_itself(case: str, shell: Shell) -> None:
    source, reason = BROKEN_PLUGINS[case]
    _plant(shell, "boat", source)
    shell.run_fine()
    listed = shell.flow("plugins", "--json")
    is_tidy(listed)
    (row,) = [row for row in json.loads(listed.out)["plugins"] if row["plugin"] == "boat"]
    assert row["distribution"] == "penstock-boat 1.0"
    assert row["state"].startswith("broken")
    assert reason in row["state"]
    is_refusal(shell.flow("run", "fine.py", "--executor=boat"), 4, "boat", reason, next_="pip install")


def test_a_backend_of_another_contract(shell: Shell) -> None:
    _plant(shell, "boat", backend(contract=99))
    shell.write("fine.py", FINE)
    is_refusal(
        shell.flow("run", "fine.py", "--executor=boat"),
        4,
        "needs contract 99, core offers",
        next_="pip install --upgrade penstock",
    )


def test_two_plugins_of_one_name(shell: Shell) -> None:
    for name in ("boat", "ship"):
        _plant(shell, name, backend())
    shell.write("fine.py", FINE)
    is_refusal(
        shell.flow("run", "fine.py", "--executor=boat"),
        4,
        "penstock-boat 1.0",
        "penstock-ship 1.0",
        "both bring",
        next_="pip uninstall",
    )


def _plant(shell: Shell, name: str, source: str | None) -> None:
    """Install a distribution `penstock-NAME` with the plugin NAME, as pip would, in a folder on the path."""
    site = shell.folder.parent / "site"
    facts = site / f"penstock_{name}-1.0.dist-info"
    facts.mkdir(parents=True)
    (facts / "METADATA").write_text(f"Metadata-Version: 2.1\nName: penstock-{name}\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text(f"[penstock]\n{name} = {name}_plugin\n")
    if source is not None:
        (site / f"{name}_plugin.py").write_text(source)
    if str(site) not in shell.environment["PYTHONPATH"]:
        shell.environment["PYTHONPATH"] += os.pathsep + str(site)


# ---------------------------------------------------------------------------------------------- parameters

WRONG_PARAMETERS = {
    "required one missing": ([], ["ManyFlow needs the parameter must"], "--must=...   it must be given"),
    "whole number": (["--must=1", "--count=1.5"], ["--count takes a whole number, not '1.5'"], "--count=3"),
    "empty number": (["--must=1", "--count="], ["--count takes a whole number, not ''"], "--count=3"),
    "number": (["--must=1", "--learning-rate=fast"], ["takes a number, not 'fast'"], "=0.5"),
    "truth": (["--must=1", "--sure=maybe"], ["--sure takes true or false, not 'maybe'"], "--sure=true"),
    "JSON": (
        ["--must=1", "--table={'a': 1}"],
        ["--table takes JSON", "Expecting property name"],
        "--table='{\"a\": 1}'",
    ),
    "both spellings": (["--must=1", "--learning_rate=1", "--learning-rate=2"], ["is given 2 times"], "once"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG_PARAMETERS)
def test_wrong_values_of_parameters(case: str, shell: Shell) -> None:
    arguments, texts, next_ = WRONG_PARAMETERS[case]
    shell.write("many.py", PARAMETERS)
    is_refusal(shell.flow("run", "many.py", *arguments), 2, *texts, next_=next_)
    assert not shell.store.exists()


@pytest.mark.parametrize(
    ("arguments", "printed"),
    [
        (["--must=1"], "['1', 0.5, 'd', 3, False, None, ['a', 'b']]"),
        (["--must", "-1", "--count", "-4", "--learning_rate", "-.5"], "['-1', -0.5, 'd', -4, False, None, ['a', 'b']]"),
        (["--must=", "--with-dash="], "['', 0.5, '', 3, False, None, ['a', 'b']]"),
        (["--must=ä €", "--with_dash=--x"], "['ä €', 0.5, '--x', 3, False, None, ['a', 'b']]"),
        (["--must=a\nb", "--sure"], "['a\\nb', 0.5, 'd', 3, True, None, ['a', 'b']]"),
        (["--must=1", "--sure=NO", "--words=x", "--table=[1, null]"], "['1', 0.5, 'd', 3, False, [1, None], ['x']]"),
        (
            ["--must=1", "--sure", "yes", "--table", '{"a": {"b": "c"}}', "--words=,"],
            "['1', 0.5, 'd', 3, True, {'a': {'b': 'c'}}, ['', '']]",
        ),
    ],
)  # fmt: skip
def test_odd_values_of_parameters(arguments: list[str], printed: str, shell: Shell) -> None:
    shell.write("many.py", PARAMETERS)
    answer = shell.flow("run", "many.py", *arguments)
    is_tidy(answer)
    assert (answer.code, answer.out) == (0, f"end  {printed}\n"), answer


def test_parameters_of_the_environment(shell: Shell) -> None:
    shell.write("many.py", PARAMETERS)
    answer = shell.flow(
        "run", "many.py", env={"PENSTOCK_RUN_MUST": "e", "METAFLOW_RUN_WITH_DASH": "m", "PENSTOCK_RUN_SURE": "True"}
    )
    assert answer.out == "end  ['e', 0.5, 'm', 3, True, None, ['a', 'b']]\n", answer
    wrong = shell.flow("run", "many.py", "--must=1", env={"PENSTOCK_RUN_COUNT": "x"})
    is_refusal(wrong, 2, "takes a whole number, not 'x'", next_="--count=3")


def test_a_default_that_can_not_be_computed(shell: Shell) -> None:
    shell.write("bad.py", FINE.replace("default=1, help=\"how much\"", "type=int, default=lambda context: 'x'"))
    answer = shell.flow("run", "bad.py")
    is_tidy(answer)
    assert answer.code == 1
    assert "the default function of parameter 'alpha' returned 'x', which is no int" in answer.err
    assert "bad.py:5" in answer.err
    assert "flow resume" not in answer.err.partition("next: ")[2], "there is nothing to take over"


# ------------------------------------------------------------------------------------------------ settings

WRONG_SETTINGS = {
    "no TOML": ("executor = \n", ["penstock.toml is no TOML", "penstock.toml:1"], ""),
    "not UTF-8": (b"executor = '\xff'\n", ["penstock.toml is no UTF-8", "penstock.toml:1"], ""),
    "unknown key": ("executr = 'local'\n", ["penstock.toml", "no setting 'executr'"], "'executor'"),
    "unknown key of a backend": ("[local]\nrot = 'x'\n", ["no setting 'local.rot'"], "'root'"),
    "unknown backend": ("[locl]\nroot = 'x'\n", ["no backend 'locl'"], "'local'"),
    "wrong type": ("max_workers = 'many'\n", ["penstock.toml", "'many' is not a whole number"], "--max-workers=4"),
    "wrong type of a list": ("max_workers = [1]\n", ["penstock.toml", "is not a whole number"], "--max-workers=4"),
    "unknown executor": ("executor = 'locl'\n", ["no executor 'locl'"], "--executor=local"),
    "no profile of this name": ("[profiles.prod]\nexecutor = 'local'\n", [], ""),
}  # fmt: skip


@pytest.mark.parametrize("case", [case for case in WRONG_SETTINGS if "profile" not in case])
def test_wrong_settings_of_a_project(case: str, shell: Shell) -> None:
    source, texts, next_ = WRONG_SETTINGS[case]
    shell.write("penstock.toml", source)
    shell.write("fine.py", FINE)
    is_refusal(shell.flow("run", "fine.py"), 4, *texts, next_=next_)
    assert not shell.store.exists()
    is_tidy(shell.flow("plugins"))


def test_the_nearest_profile_is_offered(shell: Shell) -> None:
    shell.write("penstock.toml", WRONG_SETTINGS["no profile of this name"][0])
    shell.write("fine.py", FINE)
    is_refusal(shell.flow("run", "fine.py", "--profile=prd"), 4, "no profile 'prd'", next_="--profile=prod")


@pytest.mark.parametrize(
    "name", ["PENSTOCK_EXECUTOR", "PENSTOCK_DATASTORE", "METAFLOW_DEFAULT_DATASTORE", "PENSTOCK_PROFILE"]
)
def test_wrong_settings_of_the_environment(name: str, shell: Shell) -> None:
    shell.write("fine.py", FINE)
    is_refusal(shell.flow("run", "fine.py", env={name: "xyzzy"}), 4, "'xyzzy'")
    assert not shell.store.exists()


# ------------------------------------------------------------------------------------------- interruptions

SLOW = """
import os, sys, time
from penstock import FlowSpec, step

class SlowFlow(FlowSpec):
    @step
    def start(self):
        self.x = 1
        self.next(self.wait)

    @step
    def wait(self):
        print("waiting", flush=True)
        time.sleep(600)
        self.next(self.end)

    @step
    def end(self):
        pass
"""
SLOW_IMPORT = "import sys, time\nprint('importing', file=sys.stderr, flush=True)\ntime.sleep(600)\n" + FINE


def _interrupted(
    shell: Shell,
    command: list[str],
    when: bytes,
    number: int,
    *,
    group: bool,
    stream: str = "stdout",
    env: dict[str, str] | None = None,
):
    """Start, wait for a line that holds `when`, send the signal; returns exit code and standard error."""
    process = shell.start(*command, start_new_session=True, env=env)
    told = b""
    with process:
        lines = getattr(process, stream)
        for line in lines:
            told += line
            if when in line:
                break
        if group:
            os.killpg(process.pid, number)
        else:
            os.kill(process.pid, number)
        _, err = process.communicate(timeout=30)
    return process.returncode, ((told + err) if stream == "stderr" else err).decode()


FLOW = [sys.executable, "-m", "penstock", "run", "slow.py"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("group", [True, False], ids=["group", "process"])
@pytest.mark.parametrize("options", [[], ["--executor=inline"]], ids=["local", "inline"])
@pytest.mark.parametrize("script", [False, True], ids=["flow", "script"])
def test_an_interrupted_run(number: int, group: bool, options: list[str], script: bool, shell: Shell) -> None:
    shell.write("slow.py", SLOW + "\nif __name__ == '__main__':\n    SlowFlow()\n")
    command = [sys.executable, "slow.py", "run"] if script else FLOW
    code, err = _interrupted(shell, [*command, *options], b"waiting", number, group=group)
    assert code == 128 + number, err
    assert "Warning" not in err
    assert "Traceback" not in err
    assert re.search(r"^wait  cancelled after ", err, re.MULTILINE), err
    assert " cancelled: " in err
    assert "  next: " in err
    assert "resume" in err.partition("  next: ")[2]
    assert shell.processes() == []
    listed = json.loads(shell.flow("runs", "SlowFlow", "--json").out)["runs"]
    assert [run["status"] for run in listed] == ["cancelled"]
    assert "x = 1" in shell.flow("dump", "SlowFlow/latest/start").out
    assert shell.flow("logs", "SlowFlow/latest/wait").out == "waiting\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_while_the_flow_file_is_imported(number: int, shell: Shell) -> None:
    shell.write("slow.py", SLOW_IMPORT)
    quiet = {"PYTHONWARNINGS": "ignore"}  # a signal may come while Python itself reads a module
    code, err = _interrupted(shell, FLOW, b"importing", number, group=True, stream="stderr", env=quiet)
    assert code == 128 + number, err
    assert "Traceback" not in err
    assert shell.processes() == []
    assert not shell.store.exists()


def test_a_second_interruption_ends_at_once(shell: Shell) -> None:
    stubborn = SLOW.replace("print(", "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(")
    shell.write("slow.py", stubborn)
    with shell.start(*FLOW, start_new_session=True) as process:
        assert process.stdout is not None
        assert b"waiting" in process.stdout.readline()
        os.kill(process.pid, signal.SIGINT)
        os.kill(process.pid, signal.SIGTERM)
        process.communicate(timeout=30)
    assert process.returncode in (130, 143)


@pytest.mark.parametrize(
    "words",
    [
        ["runs"], ["runs", "--json"], ["--help"], ["run", "--help"], ["config"], ["plugins"],
        ["show", "FineFlow/latest"],
    ],
)  # fmt: skip
def test_a_pipe_that_is_closed(words: list[str], shell: Shell) -> None:
    """`flow runs | head -0`: no word about it, whoever closed the pipe knows."""
    shell.run_fine()
    reading, writing = os.pipe()
    os.close(reading)
    try:
        answer = shell.flow(*words, stdout=writing)
    finally:
        os.close(writing)
    assert (answer.code, answer.err) == (128 + signal.SIGPIPE, ""), answer


@pytest.mark.parametrize("debug", [False, True], ids=["local", "inline"])
@pytest.mark.parametrize("full", [False, True], ids=["closed", "full"])
def test_a_run_whose_output_is_lost_says_so_and_goes_on(full: bool, debug: bool, shell: Shell) -> None:
    """It says so once; its exit code is the run's, and what its tasks printed is kept."""
    shell.write("fine.py", FINE.replace("self.x = self.alpha", "print('a'); self.x = self.alpha"))
    reading, writing = os.pipe()
    os.close(reading)
    if full:
        os.close(writing)
        writing = os.open("/dev/full", os.O_WRONLY)
    try:
        answer = shell.flow("run", "fine.py", *(["--debug"] if debug else []), stdout=writing)
    finally:
        os.close(writing)
    is_tidy(answer)
    assert answer.code == 0, answer
    why = "No space left on device" if full else "nobody reads it any more"
    assert answer.err.count(f"standard output can't be written: {why}; the run goes on") == 1, answer
    assert " succeeded: " in answer.err
    command = re.findall(r"^  next: flow (.*)$", answer.err, re.MULTILINE)
    assert len(command) == 1
    assert shell.flow(*command[0].split()).out == "a\nx is 1\n"


def test_a_run_whose_pipes_are_closed_goes_on(shell: Shell) -> None:
    shell.write("fine.py", FINE)
    reading, writing = os.pipe()
    os.close(reading)
    try:
        answer = shell.flow("run", "fine.py", stdout=writing, stderr=writing)
    finally:
        os.close(writing)
    assert answer.code == 0
    assert [run["status"] for run in json.loads(shell.flow("runs", "--json").out)["runs"]] == ["succeeded"]
    assert shell.processes() == []


@pytest.mark.parametrize("words", [[], ["-h"], ["--help"], ["--version"]])
def test_nothing_else_typed(words: list[str], shell: Shell) -> None:
    answer = shell.flow(*words)
    is_tidy(answer)
    assert answer.code == (0 if words else 2)
    assert "Usage: " in answer.out + answer.err or "penstock " in answer.out
    assert not shell.store.exists()


def test_a_working_folder_that_is_gone(shell: Shell, tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    flow = shell.write("fine.py", FINE)
    answer = shell.call(
        "sh", "-c", f"rmdir {gone}; exec {sys.executable} -P -m penstock run {flow}", cwd=gone
    )
    is_refusal(answer, 4, "the working folder is gone", next_="cd")
