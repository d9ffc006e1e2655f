"""`python -m penstock`."""

from __future__ import annotations

import os
import sys

if not sys.flags.safe_path and sys.path and sys.path[0] == os.getcwd():
    del sys.path[0]  # `-m` puts it there; a `json.py` beside a flow must not become ours

from penstock.cli import main
from penstock.cli.process import leave
from penstock.cli.session import Session

session = Session("python -m penstock")
session.owns_process = True
leave(main(sys.argv[1:], session))
