"""What is begun before the command line is understood: the import of the flow that it certainly names.

A host needs a few modules to be started, the commands need two hundred: started first, it imports the flow while this
process imports them. Certain is a file right behind `run` or `resume`, when nothing says that it is to be read in
another way; for whatever else was typed the command itself opens the file. A host that no command takes is ended with
the session.
"""

from __future__ import annotations

import os

from penstock.compat.options import ALIAS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from penstock.cli.session import Session

COMMANDS = ("run", "resume")
READ_OTHERWISE = (f"--{ALIAS}", "--with")


def begin(session: Session, words: Sequence[str]) -> None:
    """Open the flow that `words` certainly name."""
    if is_certain(words, script=session.script):
        source = session.flow_file("" if session.script else words[1])
        if os.path.isfile(source.path):
            session.open_flow(source)


def is_certain(words: Sequence[str], *, script: bool) -> bool:
    """Whether `words` name a flow file (of a script: whether they open it) in the plainest form that there is."""
    if not words or words[0] not in COMMANDS or any(word.partition("=")[0] in READ_OTHERWISE for word in words):
        return False
    return script or (len(words) > 1 and not words[1].startswith("-"))
