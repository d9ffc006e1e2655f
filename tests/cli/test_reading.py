"""Commands that only look: text for people, JSON with stable keys for programs, nothing else on standard output."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest

from tests.bad_input.shell import Shell, is_refusal, is_tidy
from tests.cli.conftest import shell_id


def document(shell: Shell, *words: str) -> Any:
    """What `--json` gives: one document, and silence beside it."""
    answer = shell.flow(*words, "--json")
    is_tidy(answer)
    assert (answer.code, answer.err) == (0, ""), answer
    return json.loads(answer.out)


RUN_KEYS = {"flow", "run", "status", "started_s", "ended_s", "user", "tags", "origin", "parameters"}
PLUGIN_KEYS = {"kind", "name", "plugin", "distribution", "contract", "state", "summary"}


def test_runs_as_json(pets: Shell) -> None:
    found = document(pets, "runs")
    assert found.keys() == {"version", "runs"}
    assert [run.keys() for run in found["runs"]] == [RUN_KEYS] * 3
    resumed, failed, first = found["runs"]
    assert (first["status"], failed["status"], resumed["status"]) == ("succeeded", "failed", "succeeded")
    assert (first["tags"], first["user"], first["origin"]) == (["blue", "with space"], "ann", None)
    assert resumed["origin"] == first["run"] == shell_id(pets, "first")
    assert failed["parameters"] == {"break_it": "true"}


@pytest.mark.parametrize(
    ("words", "which"),
    [
        ([], ["resumed", "failed", "first"]), (["--status=failed"], ["failed"]), (["--status=running"], []),
        (["--tag=blue"], ["first"]), (["--tag=blue", "--tag=green"], []), (["--tag=with space"], ["first"]),
        (["-n", "1"], ["resumed"]), (["--limit=2"], ["resumed", "failed"]), (["--all"], ["resumed", "failed", "first"]),
        (["PetsFlow"], ["resumed", "failed", "first"]),
    ],
)  # fmt: skip
def test_which_runs_are_listed(words: list[str], which: list[str], pets: Shell) -> None:
    assert [run["run"] for run in document(pets, "runs", *words)["runs"]] == [shell_id(pets, name) for name in which]


def test_runs_as_text(pets: Shell) -> None:
    heads, *rows = pets.flow("runs").out.splitlines()
    assert heads.split() == ["run", "status", "started", "took", "by", "tags"]
    assert [row.split()[:2] for row in rows] == [
        [f"PetsFlow/{shell_id(pets, name)}", status] for name, status in (
            ("resumed", "succeeded"), ("failed", "failed"), ("first", "succeeded")
        )
    ]
    more = pets.flow("runs", "-n", "1")
    assert more.err == "there are more: add --all, or -n NUMBER\n"
    assert pets.flow("runs", "-n", "1", "--quiet").err == ""


def test_runs_of_an_empty_folder(shell: Shell) -> None:
    answer = shell.flow("runs")
    assert (answer.code, answer.out) == (0, "")
    assert "no flow has run in" in answer.err
    assert document(shell, "runs")["runs"] == []
    assert not shell.store.exists()


# ---------------------------------------------------------------------------------------------------- show


def test_show_of_a_run(pets: Shell) -> None:
    found = document(pets, "show", "PetsFlow/" + shell_id(pets, "first"))
    assert found.keys() == {
        "version", "flow", "run", "status", "started_s", "ended_s", "user", "origin", "parameters", "tags",
        "system_tags", "counts", "steps", "failures",
    }  # fmt: skip
    keys = {"step", "kind", "status", "tasks", "counts", "retried", "wall_s"}
    assert all(keys <= one.keys() for one in found["steps"])
    assert [one["step"] for one in found["steps"]] == ["start", "count", "join", "end"]
    text = pets.flow("show", "PetsFlow/" + shell_id(pets, "failed")).out
    assert "ValueError: no dogs" in text
    assert "pets.py:25" in text
    assert "flow resume pets.py --origin-run-id=" + shell_id(pets, "failed") in text


def test_show_of_a_step_and_a_task(pets: Shell) -> None:
    run = "PetsFlow/" + shell_id(pets, "failed")
    step = document(pets, "show", f"{run}/count")
    assert [task["status"] for task in step["tasks"]] == ["succeeded", "failed"]
    task = document(pets, "show", f"{run}/count/1")
    assert len(task["attempts"]) == 2
    assert "no dogs" in pets.flow("show", f"{run}/count/1").out
    artifacts = pets.flow("show", "PetsFlow/" + shell_id(pets, "first") + "/count/0").out
    assert [line for line in artifacts.splitlines() if line.startswith("size")]


@pytest.mark.parametrize("form", ["text", "mermaid", "dot"])
def test_show_of_a_graph(form: str, pets: Shell) -> None:
    answer = pets.flow("show", "pets.py", f"--format={form}")
    is_tidy(answer)
    assert (answer.code, answer.err) == (0, "")
    assert all(name in answer.out for name in ("start", "count", "join", "end"))


def test_show_of_a_graph_as_json(pets: Shell) -> None:
    found = document(pets, "show", "pets.py")
    assert {"name", "start", "end", "steps", "file", "line", "doc"} <= found.keys()
    assert [one["kind"] for one in found["steps"]] == ["foreach", "linear", "linear", "end"]
    assert pets.flow("show", "pets.py").out.startswith("PetsFlow\n  Counts pets.\n")


def test_show_of_a_file_that_can_not_be_imported(shell: Shell) -> None:
    shell.write(
        "broken.py", (shell.folder / "pets.py").read_text().replace('"""Flows of pets."""', "import nowhere_at_all")
    )
    answer = shell.flow("show", "broken.py")
    is_tidy(answer)
    assert answer.code == 0
    assert "no module named 'nowhere_at_all'" in answer.err
    assert "this is what its text says" in answer.err
    assert "count" in answer.out


@pytest.mark.parametrize(
    "words",
    [
        ["PetsFlow/latest"], ["latest"], ["PetsFlow"], ["PetsFlow/latest/"], ["/PetsFlow/latest"],
    ],
)  # fmt: skip
def test_names_of_the_latest_run(words: list[str], pets: Shell) -> None:
    assert document(pets, "show", *words)["run"] == shell_id(pets, "resumed")


def test_a_beginning_of_an_id_and_earlier_runs(pets: Shell) -> None:
    first = shell_id(pets, "first")
    assert document(pets, "show", "PetsFlow/latest~2")["run"] == first
    assert document(pets, "show", f"PetsFlow/{first[:-1]}")["run"] == first
    assert document(pets, "show", first)["run"] == first


# ---------------------------------------------------------------------------------------------------- dump


def test_dump(pets: Shell) -> None:
    first = "PetsFlow/" + shell_id(pets, "first")
    assert pets.flow("dump", f"{first}/end").out == "break_it = False\nkinds = ['cat', 'dog']\ntotal = 6\n"
    assert pets.flow(
        "dump", f"{first}/end", "--include=total,kinds", "--include=size"
    ).out == "kinds = ['cat', 'dog']\ntotal = 6\n"
    found = document(pets, "dump", f"{first}/count")
    assert found.keys() == {"version", "tasks"}
    run = shell_id(pets, "first")
    assert [(one["run"], one["step"], one["task"]) for one in found["tasks"]] == [(run, "count", n) for n in "01"]
    assert found["tasks"][0]["artifacts"]["size"].keys() == {"type", "size", "hash", "preview"}


@pytest.mark.parametrize("depth", ["", "/count", "/count/1"])
def test_dump_into_a_file(depth: str, pets: Shell, tmp_path_factory: pytest.TempPathFactory) -> None:
    out = tmp_path_factory.mktemp("dump") / "out"
    out.write_text("there already")
    run = shell_id(pets, "first")
    assert pets.flow("dump", f"PetsFlow/{run}{depth}", "--include=size", f"--file={out}").code == 0
    values = pickle.loads(out.read_bytes())
    tasks = {"": 5, "/count": 2, "/count/1": 1}[depth]
    assert len(values) == tasks
    assert values[f"{run}/count/1"] == {"size": 3}


# ---------------------------------------------------------------------------------------------------- logs


@pytest.mark.parametrize(
    ("words", "out", "err"),
    [
        (["count/0"], "counting cat\n", "err of cat\n"), (["count/0", "--stdout"], "counting cat\n", ""),
        (["count/0", "--stderr"], "err of cat\n", ""),
        (["count/0", "--stdout", "--stderr"], "counting cat\n", "err of cat\n"),
        (["count", "--stdout"], "counting cat\ncounting dog\n", "== count/0\n== count/1\n"),
        (["count", "--stdout", "--quiet"], "counting cat\ncounting dog\n", ""),
        (["", "--stdout", "-q"], "begin\ncounting cat\ncounting dog\ntotal 6\n", ""), (["count/0", "--tail=0"], "", ""),
        (["count", "--tail=1", "--stdout", "-q"], "counting cat\ncounting dog\n", ""),
        (["count/0", "--follow", "--stdout"], "counting cat\n", ""),
        (["count/0", "--attempt=0", "--stdout"], "counting cat\n", ""),
    ],
)  # fmt: skip
def test_logs(words: list[str], out: str, err: str, pets: Shell) -> None:
    first = "PetsFlow/" + shell_id(pets, "first")
    answer = pets.flow("logs", f"{first}/{words[0]}", *words[1:])
    assert (answer.code, answer.out, answer.err) == (0, out, err), answer


# ---------------------------------------------------------------------------------- check, plugins, config


def test_check_points_at_what_may_go_wrong(shell: Shell) -> None:
    """A parameter that is assigned on one way through a step: runs that go another way are fine."""
    text = (shell.folder / "pets.py").read_text()
    shell.write("pets.py", text.replace('print("begin")', 'if not self.kinds:\n            self.kinds = ["cat"]'))
    answer = shell.flow("check", "pets.py")
    is_tidy(answer)
    told = "pets.py:15: step 'start' fails if it comes here: self.kinds is a parameter"
    assert (answer.code, answer.out, answer.err) == (0, "PetsFlow: 4 steps, no problems\n", f"{told}\n")
    assert document(shell, "check", "pets.py")["note"] == told
    assert shell.flow("run", "pets.py").code == 0


def test_check(pets: Shell) -> None:
    assert pets.flow("check", "pets.py").out == "PetsFlow: 4 steps, no problems\n"
    told = {"version": 1, "flow": "PetsFlow", "file": "pets.py", "problems": [], "note": "", "features": []}
    assert document(pets, "check", "pets.py") == told


@pytest.mark.parametrize(
    ("change", "message", "where"),
    [
        (("self.next(self.end)", "pass"), "'join' has no self.next", "pets.py:29"),
        (("foreach=", "for_each="), "no argument 'for_each'", "pets.py:15"),
        (('"""Flows of pets."""', "def"), "syntax error", "pets.py:1"), (("import sys", "import sys, nowhere"), "", ""),
    ],
)  # fmt: skip
def test_check_of_a_flow_with_a_fault(change: tuple[str, str], message: str, where: str, shell: Shell) -> None:
    shell.write("pets.py", (shell.folder / "pets.py").read_text().replace(*change))
    answer = shell.flow("check", "pets.py", "--json")
    is_tidy(answer)
    found = json.loads(answer.out)
    assert found.keys() == {"version", "flow", "file", "problems", "note", "features"}
    if not message:
        assert (answer.code, found["problems"]) == (0, [])
        return
    assert answer.code == 3
    (problem,) = found["problems"]
    assert problem.keys() == {"message", "where", "hint"}
    assert message in problem["message"]
    assert problem["where"].endswith(where)
    text = shell.flow("check", "pets.py")
    assert (text.code, text.err) == (3, "")
    assert text.out.startswith(f"{where}: ")
    assert "\n  next: " in text.out
    assert not shell.store.exists()


def test_check_by_syntax_alone_where_the_import_fails(shell: Shell) -> None:
    shell.write(
        "pets.py", (shell.folder / "pets.py").read_text().replace('"""Flows of pets."""', "import nowhere_at_all")
    )
    answer = shell.flow("check", "pets.py")
    assert answer.code == 3
    assert "no module named 'nowhere_at_all'" in answer.out
    assert "by its syntax alone the graph is in order" in answer.err


def test_plugins(pets: Shell) -> None:
    found = document(pets, "plugins")["plugins"]
    assert {frozenset(row) for row in found} == {frozenset(PLUGIN_KEYS)}
    assert {
        ("executor", "local"), ("executor", "inline"), ("datastore", "local")
    } <= {(row["kind"], row["name"]) for row in found}
    assert {row["state"] for row in found if row["distribution"].startswith("penstock ")} == {"ready"}
    heads, *rows = pets.flow("plugins").out.splitlines()
    assert heads.split() == ["kind", "name", "plugin", "distribution", "contract", "state", "summary"]
    assert len(rows) == len(found)


def test_config(pets: Shell) -> None:
    found = document(pets, "config")["settings"]
    assert {frozenset(row) for row in found} == {frozenset({"key", "value", "origin"})}
    assert next(row for row in found if row["key"] == "executor") == {
        "key": "executor", "value": "local", "origin": "default"
    }
    assert pets.flow("config", "local.root").out == f"{pets.store}\n"
    assert pets.flow("config", "max_workers").out == "-\n"
    heads, *rows = pets.flow("config").out.splitlines()
    assert heads.split() == ["setting", "value", "origin"]
    assert len(rows) == len(found)


def test_config_says_where_a_value_comes_from(shell: Shell) -> None:
    shell.write("penstock.toml", "max_workers = 3\n[local]\ndurable = true\n[profiles.fast]\nmax_workers = 9\n")

    def origins(*words: str, **env: str) -> dict[str, tuple[Any, str]]:
        answer = shell.flow("config", "--json", *words, env=env)
        return {row["key"]: (row["value"], row["origin"]) for row in json.loads(answer.out)["settings"]}

    file = str(shell.folder / "penstock.toml")
    assert origins()["max_workers"] == (3, file)
    assert origins()["local.durable"] == (True, file)
    assert origins("--profile=fast")["max_workers"] == (9, f"{file}, profile fast")
    assert origins(PENSTOCK_MAX_WORKERS="5")["max_workers"] == (5, "PENSTOCK_MAX_WORKERS")
    assert origins("--local-root=x")["local.root"] == (str(shell.folder / "x"), "--local-root")


# ---------------------------------------------------------------------------------------------- spellings


@pytest.mark.parametrize(
    ("flow", "script"),
    [
        (["show", "pets.py"], ["show"]), (["check", "pets.py"], ["check"]), (["runs", "PetsFlow"], ["runs"]),
        (["show", "PetsFlow/latest"], ["show", "latest"]), (["dump", "PetsFlow/latest/end"], ["dump", "latest/end"]),
        (["logs", "PetsFlow/latest/end"], ["logs", "latest/end"]),
        (["logs", "PetsFlow/latest/end"], ["logs", "PetsFlow/latest/end"]),
        (["plugins", "--json"], ["plugins", "--json"]), (["config"], ["config"]),
    ],
)  # fmt: skip
def test_both_spellings_say_the_same(flow: list[str], script: list[str], pets: Shell) -> None:
    one, other = pets.flow(*flow), pets.script("pets.py", *script)
    is_tidy(other)
    assert (one.code, one.out) == (other.code, other.out)
    assert other.err.splitlines()[:1] == ["penstock 0.1.0 executing PetsFlow for user:ann"] or script[0] == "plugins"
    assert "executing" not in pets.script("pets.py", "--quiet", *script).err


@pytest.mark.parametrize(
    "command",
    [
        ["runs"], ["show", "latest"], ["dump", "latest/end"], ["logs", "latest/end"], ["config"], ["check", "pets.py"],
    ],
)  # fmt: skip
def test_options_before_and_after_the_command(command: list[str], pets: Shell) -> None:
    root = f"--local-root={pets.store}"
    for words in ([*command, "--quiet", "--metadata=datastore"], ["--quiet", "--metadata=datastore", *command], [
        "--quiet", "--metadata", "datastore", *command
    ],
                  [
                      "--metadata=datastore", command[0], "-q", *command[1:]
                  ], [*command, root], [root, *command]):  # fmt: skip
        answer = pets.flow(*words)
        is_tidy(answer)
        assert answer.code == 0, (words, answer)
        if command[0] != "config":
            assert answer.out == pets.flow(*command).out


METAFLOW_OPTIONS = [
    "--metadata=local",
    "--datastore=local",
    "--environment=local",
    "--event-logger=nullSidecarLogger",
    "--no-pylint",
    "--quiet",
]


@pytest.mark.parametrize(
    "command",
    [
        ["runs"], ["show", "latest"], ["dump", "latest/end"], ["logs", "latest/end"], ["check"],
    ],
)  # fmt: skip
def test_options_that_metaflow_s_scripts_give_to_every_command(command: list[str], pets: Shell) -> None:
    answer = pets.script("pets.py", *METAFLOW_OPTIONS, *command)
    is_tidy(answer)
    assert (answer.code, answer.err) == (0, "")
    assert answer.out == pets.script("pets.py", *command).out


def test_an_environment_that_there_is_not(pets: Shell) -> None:
    is_refusal(pets.script("pets.py", "--environment=conda", "runs"), 2, "--environment", "'conda'", next_="--help")


# ------------------------------------------------------------------------------------------------ documents

AT = ["version", "flow", "run"]
DOCUMENTS = {  # command -> fields of its document, and of each thing that it lists
    "runs": (["version", "runs"], RUN_KEYS),
    "show PetsFlow/RUN": (AT, {"step", "kind", "status", "tasks", "counts", "retried", "wall_s"}),
    "show PetsFlow/RUN/count": ([*AT, "step"], {"step", "task", "status", "attempts", "wall_s", "artifacts"}),
    "show PetsFlow/RUN/count/1": ([*AT, "step", "task"], {"attempt", "outcome", "started_s", "ended_s", "cpu_s"}),
    "show pets.py": (["version", "name"], None),
    "dump PetsFlow/RUN/count": (["version", "tasks"], {"flow", "run", "step", "task", "artifacts"}),
    "logs PetsFlow/RUN/count": (["version", "logs"], {"flow", "run", "step", "task", "stdout", "stderr"}),
    "logs PetsFlow/RUN/end --stdout --tail=1": (["version", "logs"], {"flow", "run", "step", "task", "stdout"}),
    "tag PetsFlow/RUN": ([*AT, "tags", "system_tags"], None),
    "check pets.py": (["version", "flow", "file", "problems", "note", "features"], None),
    "plugins": (["version", "plugins"], PLUGIN_KEYS),
    "config": (["version", "settings"], {"key", "value", "origin"}),
    "doctor": (["version", "good", "findings"], {"subject", "what", "state", "said", "hint"}),
}
LISTED = ("runs", "steps", "tasks", "attempts", "logs", "plugins", "settings", "findings")


@pytest.mark.parametrize("words", DOCUMENTS)
def test_every_document_has_one_form(pets: Shell, words: str) -> None:
    fields, listed = DOCUMENTS[words]
    found = document(pets, *words.replace("RUN", shell_id(pets, "first")).split())
    assert list(found)[: len(fields)] == fields
    assert found["version"] == 1
    if listed is not None:
        rows = next(found[name] for name in LISTED if isinstance(found.get(name), list))
        assert rows
        assert all(set(row) >= listed for row in rows), rows


@pytest.mark.parametrize(
    "words", ["show NoFlow/latest", "logs PetsFlow/2000", "runs NoFlow", "dump PetsFlow/latest/nosuch", "config nosuch"]
)
def test_an_error_is_a_document_too(pets: Shell, words: str) -> None:
    answer = pets.flow(*words.split(), "--json")
    found = json.loads(answer.out)
    assert list(found) == ["version", "error"]
    assert found["error"].keys() == {"message", "where", "hint", "exit_code"}
    assert found["error"]["exit_code"] == answer.code > 0


def test_each_document_is_on_the_page() -> None:
    page = (Path(__file__).parents[2] / "docs" / "json.md").read_text()
    for words in DOCUMENTS:
        assert f"`flow {words.split()[0]}" in page
