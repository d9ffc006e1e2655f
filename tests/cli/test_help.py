"""Help of every command: what it takes, in any width; by every spelling; and words that are close to a command."""

from __future__ import annotations

import pytest

from penstock.cli.group import COMMANDS
from tests.bad_input.shell import Shell, is_refusal, is_tidy

FLOW_COMMANDS = ("run", "resume")


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help_of_a_command(command: str, flag: str, shell: Shell) -> None:
    answer = shell.flow(command, flag)
    is_tidy(answer)
    assert (answer.code, answer.err) == (0, "")
    assert answer.out.startswith(f"Usage: python -m penstock {command}")
    for option in (
        "--executor", "--datastore", "--metadata", "--logging", "--profile", "--quiet", "--local-root", "--help"
    ):
        assert (option in answer.out) or command == "plugins"
    assert not shell.store.exists()


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command_of_the_file(command: str, shell: Shell) -> None:
    answer = shell.script("pets.py", command, "--help")
    is_tidy(answer)
    assert (answer.code, answer.err) == (0, "")
    assert answer.out.startswith(f"Usage: pets.py {command}")
    assert "FILE" not in answer.out.splitlines()[0] or command == "show"
    if command == "run":
        assert "--kinds" in answer.out
        assert "which pets" in answer.out


def test_help_of_the_group_names_every_command(shell: Shell) -> None:
    for answer in (shell.flow("--help"), shell.flow("-h"), shell.script("pets.py", "--help")):
        is_tidy(answer)
        assert answer.code == 0
        rows = [line.split() for line in answer.out.partition("Commands:")[2].splitlines()]
        assert [row[0] for row in rows if row and row[0] in COMMANDS] == list(COMMANDS)
    assert "Commands of PetsFlow." in answer.out


@pytest.mark.parametrize("command", FLOW_COMMANDS)
def test_help_of_a_flow_shows_its_parameters(command: str, shell: Shell) -> None:
    answer = shell.flow(command, "pets.py", "--help")
    is_tidy(answer)
    assert answer.code == 0
    assert ("Parameters of PetsFlow:" in answer.out) == (command == "run")
    assert ("[cat,dog]" in answer.out) == (command == "run")


def test_help_of_a_chosen_executor_shows_its_options(shell: Shell) -> None:
    assert "--local-cpus" in shell.flow("run", "--help").out
    assert "--local-cpus" not in shell.flow("run", "--executor=inline", "--help").out


@pytest.mark.parametrize("columns", ["20", "40", "80", "200"])
def test_help_in_any_width(columns: str, shell: Shell) -> None:
    answer = shell.flow("run", "--help", env={"COLUMNS": columns})
    assert answer.code == 0
    assert all(len(line) <= 120 for line in answer.out.splitlines())


def test_version(shell: Shell) -> None:
    answer = shell.flow("--version")
    assert answer.code == 0
    assert answer.out.startswith("penstock 0.")
    assert shell.script("pets.py", "--version").out == answer.out


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_that_is_nearly_typed(command: str, shell: Shell) -> None:
    typo = command[:-2] + command[-1] + command[-2] if len(command) > 4 else command + command[-1]
    is_refusal(shell.flow(typo), 2, f"there is no command '{typo}'", next_=f"did you mean '{command}'?")
    is_refusal(shell.script("pets.py", typo), 2, f"there is no command '{typo}'", next_=f"did you mean '{command}'?")


@pytest.mark.parametrize(
    ("command", "typo", "meant"),
    [
        ("run", "--max-worker", "--max-workers"), ("run", "--tags", "--tag"), ("run", "--on-failur", "--on-failure"),
        ("run", "--kind", "--kinds"), ("resume", "--origin-runid", "--origin-run-id"),
        ("continue", "--take-over", "--takeover"), ("cancel", "--profil", "--profile"), ("check", "--jsn", "--json"),
        ("show", "--fromat", "--format"), ("dump", "--includes", "--include"), ("logs", "--folow", "--follow"),
        ("runs", "--limt", "--limit"), ("plugins", "--jso", "--json"), ("config", "--jsonn", "--json"),
    ],
)  # fmt: skip
def test_an_option_that_is_nearly_typed(command: str, typo: str, meant: str, shell: Shell) -> None:
    word = {
        "run": ["pets.py"],
        "resume": ["pets.py"],
        "continue": ["F/r"],
        "cancel": ["F/r"],
        "check": ["pets.py"],
        "dump": ["F/r"],
        "logs": ["F/r"],
    }
    answer = shell.flow(command, *word.get(command, []), f"{typo}=3")
    file = word[command] if command in ("run", "resume") else []
    is_refusal(answer, 2, typo, meant, next_=" ".join([command, *file, "--help"]))
