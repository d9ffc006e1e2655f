"""`@project`: the names of branches, and what can be none."""

from __future__ import annotations

import pytest

from penstock import FlowSpec, project
from penstock.authoring.projects import facts, system_tags
from penstock.errors import FlowError, UsageError

# branch and production of the decorator, of the command line; the branch, whether it is production
BRANCHES = [
    ((None, False), (None, None), "user.ann", False),
    ((None, False), ("fix", None), "test.fix", False),
    ((None, False), (None, True), "prod", True),
    ((None, False), ("fix", True), "prod.fix", True),
    (("own", True), (None, None), "prod.own", True),
    (("own", True), ("fix", False), "test.fix", False),
]


@pytest.mark.parametrize(("declared", "asked", "branch", "production"), BRANCHES)
def test_branches(
    declared: tuple[str | None, bool], asked: tuple[str | None, bool | None], branch: str, production: bool
) -> None:
    data = project(name="shop", branch=declared[0], production=declared[1]).data()
    found = facts(data, "BuyFlow", "ann", *asked)
    assert found == {
        "project_name": "shop", "branch_name": branch, "project_flow_name": f"shop.{branch}.BuyFlow",
        "is_user_branch": branch == "user.ann", "is_production": production,
    }  # fmt: skip
    assert system_tags(found) == ["project:shop", f"project_branch:{branch}"]


def test_a_flow_without_a_project() -> None:
    assert facts(None, "F", "ann", "fix", True) == {}
    assert system_tags({}) == []


def test_a_flow_that_inherits_has_the_project_too() -> None:
    @project(name="shop")
    class Base(FlowSpec):
        pass

    class Derived(Base):
        pass

    assert Derived._project is not None
    assert Derived._project.name == "shop"
    assert FlowSpec._project is None


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        ({}, "needs a name", "my_project"),
        ({"name": "My Shop"}, "'My Shop' is not made of", "'my_shop'"),
        ({"name": "x" * 129}, "is not made of", "x"),
        ({"name": "shop", "branch": "a/b"}, "branch='a/b'", "'a_b'"),
    ],
)
def test_what_is_refused(words: dict[str, str], message: str, hint: str) -> None:
    with pytest.raises(FlowError, match=message) as told:
        project(**words)  # type: ignore[arg-type]
    assert hint in told.value.hint
    assert told.value.where.rpartition(":")[0] == __file__


def test_it_stands_above_a_class() -> None:
    with pytest.raises(FlowError, match="stands on a method"):
        project(name="shop")(lambda: None)  # type: ignore[type-var]


def test_a_branch_of_the_command_line() -> None:
    with pytest.raises(UsageError, match="'A b' is not made of small letters, digits and _") as told:
        facts(project(name="shop").data(), "F", "ann", "A b", None)
    assert (told.value.where, told.value.hint) == ("--branch", "--branch=a_b")
