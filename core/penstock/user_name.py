"""Who runs and reads: the name in the tag `user:NAME`."""

from __future__ import annotations

import os

from penstock.compat.variables import translated

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_VARIABLES = ("PENSTOCK_USER", "USER", "LOGNAME", "USERNAME")


def user_name(changes: Mapping[str, str | None] | None = None) -> str:
    """The first that is set of PENSTOCK_USER, USER, LOGNAME, USERNAME; else the login name.

    changes: to the environment, as a flow file makes them; None for a variable that it removed.
    """
    merged = {**os.environ, **(changes or {})}
    environ = translated({name: value for name, value in merged.items() if value is not None})
    for name in _VARIABLES:
        if environ.get(name):
            return environ[name]
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user id without an entry, as in many containers
        return "unknown"
