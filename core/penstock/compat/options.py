"""Options that scripts written for Metaflow pass to every command and that mean nothing here."""

from __future__ import annotations

# Name -> whether it takes a value.
IGNORED = {
    "--event-logger": True,
    "--monitor": True,
    "--no-pylint": False,
    "--pylint": False,
}
ENVIRONMENT = "--environment"  # only `local` is accepted: the packages that are installed
