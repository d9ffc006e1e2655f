"""A flow that a notebook defined, over as many cells as its author likes, becomes a flow file for as long as it runs.

The file holds the text of the cells, so that it tells what ran, and the class pickled by value with whatever of the
notebook its steps refer to: functions, classes, data. Frames are named as the notebook names its cells, `Cell In[3]`.
"""

from __future__ import annotations

import base64
import contextlib
import linecache
import os
import pickle
import sys
import tempfile

from penstock.amounts import bytes_text
from penstock.errors import FlowError
from penstock.storage import by_value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from penstock.authoring.flow import FlowSpec

LARGEST_BYTES = 20 << 20  # pickled; it travels with the code to every job
_LINE = 100  # characters of the pickle
_PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"


@contextlib.contextmanager
def flow_file(flow_class: type[FlowSpec]) -> Iterator[str]:
    """A flow file beside the notebook, where the modules lie that it imports; it is gone when this is left.

    Raises FlowError for a class whose source nobody knows, or that refers to what can't travel.
    """
    text = _text(flow_class)
    try:
        handle, path = tempfile.mkstemp(prefix=f"{flow_class.__name__.lower()}_", suffix=".py", dir=os.getcwd())
    except OSError as error:
        raise FlowError(
            f"{flow_class.__name__} needs a file beside the notebook while it runs: {error.strerror}",
            where=os.getcwd(),
            hint="os.chdir(FOLDER)   # one that can be written",
        ) from error
    try:
        with open(handle, "w", encoding="utf-8") as file:
            file.write(text)
        yield path
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)


def _text(flow_class: type[FlowSpec]) -> str:
    name, cells = flow_class.__name__, _Cells()
    try:
        pickled = by_value.dumps_renamed(flow_class, cells.label)
    except Exception as error:  # whatever the user's data raises
        raise FlowError(
            f"{name} refers to something of the notebook that can't be taken along: {error}",
            hint="make it in the step that needs it",
        ) from error
    if not cells.texts:
        raise FlowError(f"{name} is defined in no file", hint=f"save it, import it, and call {name}.run() then")
    if len(pickled) > LARGEST_BYTES:
        raise FlowError(
            f"{name} refers to {bytes_text(len(pickled))} of the notebook's data",
            hint="store it first, and read it in the step that needs it",
        )
    code = base64.b64encode(pickled).decode("ascii")
    lines = [code[at : at + _LINE] for at in range(0, len(code), _LINE)]
    shown = "".join(f"    {cell!r}: (\n{_quoted(text.splitlines(True))}    ),\n" for cell, text in cells.texts.items())
    return (
        f'"""{name}, as a notebook defined it: the text of its cells, and the class itself, pickled by value."""\n\n'
        "from penstock.authoring.notebook import restored\n\n"
        f"CELLS = {{\n{shown}}}\nPICKLED = (\n{_quoted(lines)})\n"
        f"{name} = restored(__name__, {_PYTHON!r}, CELLS, PICKLED)\n"
    )


def _quoted(lines: list[str]) -> str:
    return "".join(f"        {line!r}\n" for line in lines)


class _Cells:
    """The cells that the code of a flow comes from. texts: name as the notebook says it -> its source."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}

    def label(self, file: str) -> str:
        """The name of a code's file: of a cell `Cell In[3]`, of anything else the file itself."""
        name = _cell_name(file)
        if not os.path.exists(file) and (lines := linecache.getlines(file)):
            self.texts[name] = "".join(lines)
        return name


def _cell_name(file: str) -> str:
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    found = None if shell is None else shell.compile.format_code_name(file)
    return file if found is None else " ".join(found)


def restored(module: str, python: str, cells: Mapping[str, str], pickled: str) -> type[FlowSpec]:
    """The class of a file that `flow_file` wrote, in the process that imports it. Raises FlowError."""
    if python != _PYTHON:
        raise FlowError(
            f"this flow was defined in a notebook of Python {python}; this is Python {_PYTHON}, where it would crash",
            hint=f"an environment or image with Python {python}, or a flow in a file",
        )
    for name, text in cells.items():  # tracebacks and the graph read it there
        linecache.cache[name] = (len(text), None, text.splitlines(True), name)
    found: type[FlowSpec] = pickle.loads(base64.b64decode(pickled))
    found.__module__ = module
    return found
