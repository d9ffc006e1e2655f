"""`@project`: the names that keep apart the runs of people, of branches and of production."""

from __future__ import annotations

import re
import sys

from penstock.errors import FlowError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, TypeVar

    from penstock.authoring.flow import FlowSpec

    C = TypeVar("C", bound=type[FlowSpec])

LONGEST = 128  # characters of a name, as in Metaflow
_RULE = "small letters, digits and _"


class project:  # noqa: N801 - users write it as a decorator
    """Put it above the class. name: of the project; branch, production: as `--branch` and `--production` say, which
    win. Raises FlowError."""

    def __init__(self, name: str | None = None, *, branch: str | None = None, production: bool = False) -> None:
        frame = sys._getframe(1)
        self.where = f"{frame.f_code.co_filename}:{frame.f_lineno}"
        if not isinstance(name, str):
            raise self._refuse("the project needs a name", "")
        for what, text in (("name", name), ("branch", branch)):
            if text is not None and not _is_name(text):
                raise self._refuse(f"{what}={text!r} is not made of {_RULE}", _mended(str(text)))
        self.name, self.branch, self.production = name, branch, bool(production)

    def _refuse(self, message: str, name: str) -> FlowError:
        return FlowError(f"@project: {message}", where=self.where, hint=f"@project(name={name or 'my_project'!r})")

    def __call__(self, flow_class: C) -> C:
        """Mark a flow."""
        if not isinstance(flow_class, type):
            raise self._refuse("it stands on a method", "")
        flow_class._project = self
        return flow_class

    def data(self) -> dict[str, Any]:
        """As JSON."""
        return {"name": self.name, "branch": self.branch, "production": self.production}


def facts(
    declared: Mapping[str, Any] | None, flow: str, user: str, branch: str | None, production: bool | None
) -> dict[str, Any]:
    """What `current` shows of a project, empty for a flow without one.

    declared: `project.data()` of the flow; branch, production: what this run asks for, None for nothing.
    Raises UsageError for the name of a branch that can't be one.
    """
    if declared is None:
        return {}
    if branch is not None and not _is_name(branch):
        raise UsageError(f"the branch {branch!r} is not made of {_RULE}", where="--branch",
                         hint=f"--branch={_mended(branch)}")  # fmt: skip
    branch = declared["branch"] if branch is None else branch
    production = declared["production"] if production is None else production
    named = f".{branch}" if branch else ""
    of_user = not production and not branch
    full = f"prod{named}" if production else f"test{named}" if branch else f"user.{user}"
    return {
        "project_name": declared["name"],
        "branch_name": full,
        "project_flow_name": f"{declared['name']}.{full}.{flow}",
        "is_user_branch": of_user,
        "is_production": production,
    }


def system_tags(found: Mapping[str, Any]) -> list[str]:
    """The tags that a run of a project has, of its `facts`."""
    return [f"project:{found['project_name']}", f"project_branch:{found['branch_name']}"] if found else []


def _is_name(text: object) -> bool:
    return isinstance(text, str) and re.fullmatch(r"[a-z0-9_]+", text) is not None and len(text) <= LONGEST


def _mended(text: str) -> str:
    return re.sub(r"[^a-z0-9_]+", "_", text.lower()).strip("_")[:LONGEST] or "my_branch"
