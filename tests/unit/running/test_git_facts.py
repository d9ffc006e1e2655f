"""Which commit a flow belongs to: asked of a real git, and never a reason to fail."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from penstock.running import git_facts
from penstock.running.git_facts import GitFacts

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")


def git(folder: Path, *words: str) -> str:
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    who = ["-c", "user.name=ann", "-c", "user.email=ann@example.org"]
    return subprocess.run(
        ["git", *who, *words], cwd=folder, check=True, capture_output=True, text=True, env=environment
    ).stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    git(tmp_path, "init", "-q")
    (tmp_path / "flow.py").write_text("x = 1\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "first")
    return tmp_path


def test_a_clean_checkout(checkout: Path) -> None:
    head = git(checkout, "rev-parse", "HEAD")
    assert GitFacts(str(checkout)).result() == {"commit": head, "dirty": False}
    (checkout / "sub").mkdir()
    assert GitFacts(str(checkout / "sub")).result() == {"commit": head, "dirty": False}


def test_a_changed_file_is_dirty_and_a_new_one_is_not(checkout: Path) -> None:
    (checkout / "new.py").write_text("")
    found = GitFacts(str(checkout)).result()
    assert found is not None
    assert found["dirty"] is False
    (checkout / "flow.py").write_text("x = 2\n")
    found = GitFacts(str(checkout)).result()
    assert found is not None
    assert found["dirty"] is True


def test_outside_a_checkout(tmp_path: Path) -> None:
    assert GitFacts(str(tmp_path)).result() is None


def test_a_checkout_without_a_commit(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    assert GitFacts(str(tmp_path)).result() is None


def test_a_folder_that_only_looks_like_one(tmp_path: Path) -> None:
    (tmp_path / ".git").write_text("nonsense")
    assert GitFacts(str(tmp_path)).result() is None


def test_without_git(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(checkout))
    assert GitFacts(str(checkout)).result() is None


def test_a_git_that_takes_too_long_is_not_waited_for(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (checkout / "git").write_text("#!/bin/sh\nexec sleep 600\n")
    (checkout / "git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{checkout}:{os.environ['PATH']}")
    monkeypatch.setattr(git_facts, "PATIENCE_S", 0.0)
    assert GitFacts(str(checkout)).result() is None


def test_nobody_wants_the_answer(checkout: Path) -> None:
    facts = GitFacts(str(checkout))
    asked = list(facts._asked.values())
    assert len(asked) == 2
    facts.close()
    facts.close()
    assert all(process.returncode is not None for process in asked)
    assert facts.result() is None
