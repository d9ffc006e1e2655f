"""What an error or a failed run says to type next is pasted into a shell, and does what it says."""

from __future__ import annotations

import re
import sys

import pytest

from tests.bad_input.shell import Answer, Shell, is_tidy
from tests.cli.conftest import PETS

BEGINS = "import os\nos.environ['PENSTOCK_LOCAL_ROOT'] = 'of the file'\n"
PROJECT = '[local]\nroot = "of the project"\n[profiles.prod.local]\nroot = "of prod"\n'

# how a run is started: options, files beside the flow, what the advised `resume` must have, and must not have
STARTED: dict[str, tuple[list[str], dict[str, str], list[str], list[str]]] = {
    "nothing said": ([], {}, [], ["--"]),
    "a store": (["--local-root=else where"], {}, ["--local-root='else where'"], []),
    "a store, the usual one": (["--local-root=.penstock"], {}, [], ["--local-root"]),
    "as the project file": (["--local-root=of the project"], {"penstock.toml": PROJECT}, [], ["--local-root"]),
    "other than the project file": (["--local-root=x"], {"penstock.toml": PROJECT}, ["--local-root=x"], []),
    "a profile": (["--profile=prod"], {"penstock.toml": PROJECT}, ["--profile=prod"], ["--local-root"]),
    "a store that the file chooses": ([], {"pets.py": BEGINS + PETS}, [], ["--local-root"]),
    "backends by name": (
        ["--metadata=datastore", "--logging=datastore", "--executor=local"], {},
        ["--metadata=datastore", "--logging=datastore"], ["--executor"],
    ),
    "a way to run": (
        ["--max-workers=1", "--on-failure=continue", "--executor-for", "join=local", "--with", "retry:times=1",
         "--max-num-splits=7", "--tag=t", "--run-id-file=id", "--no-verify", "--local-durable"], {},
        ["--max-workers=1", "--on-failure=continue", "--executor-for=join=local", "--with=retry:times=1",
         "--max-num-splits=7", "--local-durable"], ["--tag", "--run-id-file", "verify"],
    ),
    "in this process": (["--debug"], {}, ["--debug"], ["--executor"]),
    "as Metaflow's": (["--metaflow"], {"pets.py": PETS.replace("penstock", "metaflow")}, ["--metaflow"], []),
}  # fmt: skip


def next_of(answer: Answer) -> str:
    """The last command that is advised."""
    return re.findall(r"^  next: (.*?)(?:   #.*)?$", answer.err, re.MULTILINE)[-1]


def pasted(shell: Shell, line: str) -> Answer:
    """Carry a line out as a shell does, with the `flow` and `python` of this interpreter."""
    folder = sys.executable.rpartition("/")[0]
    return shell.call("sh", "-c", line, env={"PATH": f"{folder}:{shell.environment['PATH']}"})


@pytest.mark.parametrize(
    ("case", "script"),
    [(case, script) for case in STARTED for script in (False, True) if not (script and "Metaflow" in case)],
)  # a script imports what it imports
def test_a_failed_run_is_resumed_by_what_it_says(case: str, script: bool, shell: Shell) -> None:
    options, files, has, lacks = STARTED[case]
    for name, text in files.items():
        shell.write(name, text)
    words = [*options, "--break_it"]
    answer = shell.script("pets.py", "run", *words) if script else shell.flow("run", "pets.py", *words)
    assert answer.code == 1, answer
    line = next_of(answer)
    said = line.partition(" --origin-run-id=")[2].partition(" ")[2]
    assert all(word in said for word in has), line
    assert not any(word in said for word in lacks), line
    run = re.search(r"--origin-run-id=(\S+)", line)[1]  # type: ignore[index]
    for name in shell.folder.glob("pets.py"):
        name.write_text(name.read_text().replace('raise ValueError("no dogs")', "pass"))
    again = pasted(shell, line)
    is_tidy(again)
    assert again.code == 0, (line, again)
    listed = shell.flow("runs", *(word for word in options if word.partition("=")[0] in ("--local-root", "--profile")),
                        env={"PENSTOCK_LOCAL_ROOT": "of the file"} if "chooses" in case else None)  # fmt: skip
    assert run in listed.out
    assert len(listed.out.splitlines()) == 3, listed


def test_other_commands_look_into_the_same_store(shell: Shell) -> None:
    store = ["--local-root=else where"]
    assert shell.flow("run", "pets.py", "--break_it", "--max-workers=1", "--tag=t", *store).code == 1
    shown = shell.flow("show", "latest", *store)
    lines = re.findall(r"(flow .*)$", shown.out, re.MULTILINE)
    assert [line.split()[1] for line in lines] == ["resume", "logs"]
    assert pasted(shell, lines[1]).err.endswith("ValueError: no dogs\n")
    for words in (["show", "PetsFlow/latest~9"], ["cancel", "PetsFlow/latest"], ["cancel", "PetsFlow"]):
        refused = shell.flow(*words, *store)
        assert refused.code == 2, refused
        assert "PetsFlow/" in pasted(shell, next_of(refused)).out
    ended = shell.flow("continue", "PetsFlow/latest", *store)
    assert (ended.code, pasted(shell, next_of(ended)).code) == (2, 1), "it fails again, but it is found"


def test_a_store_that_only_the_flow_file_names(shell: Shell) -> None:
    """Commands that do not read the file must be told; those that do are not."""
    shell.write("pets.py", BEGINS + PETS)
    with open("/dev/full", "wb") as full, shell.start("flow", "run", "pets.py", stdout=full) as process:
        _, err = process.communicate(timeout=60)
    told = Answer(process.returncode, b"", err)
    assert process.returncode == 0, told
    assert told.err.count("standard output can't be written: No space left on device") == 1
    assert "--local-root=" in next_of(told)
    assert pasted(shell, next_of(told)).out.startswith("begin\n")


def test_a_run_that_did_not_begin_is_begun_again_with_its_parameters(shell: Shell) -> None:
    shell.write("pets.py", PETS.replace('default=False', 'default=lambda _: 1 / 0'))
    answer = shell.flow("run", "pets.py", "--kinds=a b,c", "--local-root=x")
    assert answer.code == 1
    assert next_of(answer) == "flow run pets.py --kinds='a b,c' --local-root=x"
    assert pasted(shell, next_of(answer)).code == 1


def test_a_name_with_spaces_is_quoted(shell: Shell) -> None:
    shell.write("größe; of 'pets'.py", PETS.replace("self.next(self.join)", "self.next(self.join"))
    answer = shell.flow("run", "größe; of 'pets'.py")
    assert answer.code == 3
    assert "größe; of" in pasted(shell, next_of(answer)).out


@pytest.mark.parametrize("options", [[], ["--debug"]], ids=["local", "inline"])
def test_a_run_that_takes_its_own_folder_away(options: list[str], shell: Shell) -> None:
    """It is told as any other, with the store that it had."""
    body = 'import os, shutil; shutil.rmtree(os.environ["GOING"]); raise ValueError("gone")'
    file = shell.write("pets.py", PETS.replace('print("begin")', body))
    going = shell.folder / "going"
    going.mkdir()
    store = f"--local-root={shell.folder}/store"
    answer = shell.flow("run", str(file), store, *options, cwd=going, env={"GOING": str(going)})
    is_tidy(answer)
    assert answer.code == 1, answer
    assert "ValueError: gone" in answer.err
    assert next_of(answer).endswith(store), answer
    assert pasted(shell, next_of(answer)).code == 1
