"""`python -m penstock`."""

from __future__ import annotations

import sys

from penstock.cli import main
from penstock.cli.session import Session

session = Session("python -m penstock")
session.owns_process = True
raise SystemExit(main(sys.argv[1:], session))
