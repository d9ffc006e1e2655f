"""Who runs and reads: the name in the tag `user:NAME`."""

from __future__ import annotations

import os

from penstock.compat.variables import translated

_VARIABLES = ("PENSTOCK_USER", "USER", "LOGNAME", "USERNAME")


def user_name() -> str:
    """The first that is set of PENSTOCK_USER, USER, LOGNAME, USERNAME; else the login name."""
    environ = translated(os.environ)
    for name in _VARIABLES:
        if environ.get(name):
            return environ[name]
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user id without an entry, as in many containers
        return "unknown"
