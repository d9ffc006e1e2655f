"""Who runs and reads: the name in the tag `user:NAME`."""

from __future__ import annotations

import os

_VARIABLES = ("PENSTOCK_USER", "METAFLOW_USER", "USER", "LOGNAME", "USERNAME")


def user_name() -> str:
    """The first that is set of PENSTOCK_USER, METAFLOW_USER, USER, LOGNAME, USERNAME; else the login name."""
    for name in _VARIABLES:
        if os.environ.get(name):
            return os.environ[name]
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user id without an entry, as in many containers
        return "unknown"
