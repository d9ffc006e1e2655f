"""Text from names, tags and exceptions, made safe for a terminal: what would steer it is shown as an escape."""

from __future__ import annotations

import re

# Of the sequences that a task may print, colours (`ESC [ ... m`) and erasing within its line (`ESC [ ... K`) stay.
# Compiled when a terminal asks for it: output that goes into a file needs none.
_SEQUENCE = (
    rb"\x1b\[[0-9;:]*[mK]"  # stays
    rb"|(?P<steers>\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?"  # title, clipboard, device control
    rb"|\x1b\[[0-?]*[ -/]*[@-~]?"  # cursor, screen, modes
    rb"|\x1b[ -/]*[0-~]?"  # reset, character sets
    rb"|[\x00-\x06\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f])"
)
_CONTROL = rb"[\x00-\x06\x0b\x0c\x0e-\x1f\x7f]"


def printable(text: str, *, lines: bool = False) -> str:
    """`text` with every character that does not print written as in a Python string;
    `lines` keeps line ends and tabs."""
    kept = "\n\t" if lines else ""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() or one in kept else ascii(one)[1:-1] for one in text)


def tame(output: bytes) -> bytes:
    """A task's output for a terminal: colours stay; what moves the cursor out of its line, sets the title or the
    clipboard is left out. Bytes that go into a file or a pipe need no taming."""
    if b"\x1b" not in output and not re.search(_CONTROL, output):
        return output
    return re.sub(_SEQUENCE, lambda found: b"" if found["steers"] is not None else found[0], output)
