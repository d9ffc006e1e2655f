"""Options that scripts written for Metaflow pass to every command and that mean nothing here."""

from __future__ import annotations

# Name -> how many words follow it.
IGNORED = {
    "--event-logger": 1,
    "--max-log-size": 1,
    "--monitor": 1,
    "--no-pylint": 0,
    "--not-quiet": 0,
    "--pylint": 0,
}
CONFIGS = ("--config", "--config-value")  # each is followed by a name and a value
ENVIRONMENT = "--environment"  # only `local` is accepted: the packages that are installed
ALIAS = "metaflow"  # `--metaflow`: the package that penstock stands in for
