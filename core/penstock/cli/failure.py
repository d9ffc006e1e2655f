"""How an error is told: what happened, where, what to type next; and the exit code."""

from __future__ import annotations

import errno
import os
import re
import sys

import click
from click.exceptions import Exit, NoArgsIsHelpError  # no attributes of `click` where its import was interrupted

from penstock.cli.process import Terminated
from penstock.errors import PenstockError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from penstock.cli.session import Session

# What writing to a stream can end with; an error of a file names the file.
_CAN_NOT_BE_WRITTEN = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
_OF_A_FLOW = ("run", "resume")
_PLAIN = re.compile(r"'([\w@%+=:,./-]+)'")  # a word that was quoted for what is not shown of it
USAGE, FAILED, PIPE_CLOSED, INTERRUPTED, TERMINATED = 2, 1, 128 + 13, 130, 143


class PipeClosed(BaseException):
    """A BrokenPipeError of standard output, under a name that click does not know: it would make an exit of it."""


def exit_code_of(error: BaseException, session: Session, *, as_json: bool) -> int:
    """Tell the error on standard error (and, where a document was asked for, as one on standard output)."""
    if isinstance(error, Exit):
        return error.exit_code
    if isinstance(error, BrokenPipeError | PipeClosed):
        forget_stream(1)  # so that the interpreter's last flush has somewhere to go
        return PIPE_CLOSED
    if isinstance(error, OSError) and error.filename is None and error.errno in _CAN_NOT_BE_WRITTEN:
        forget_stream(1)
        return _tell(f"the output can't be written: {error.strerror}", "", "", FAILED, as_json=False)
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else FAILED
    if isinstance(error, (KeyboardInterrupt, Terminated, click.Abort)):
        terminated = isinstance(error, Terminated)
        _say("terminated" if terminated else "interrupted")
        return TERMINATED if terminated else INTERRUPTED
    if isinstance(error, NoArgsIsHelpError):
        click.echo(error.format_message(), err=True)
        return USAGE
    if isinstance(error, click.ClickException):
        return _tell(error.format_message(), "", _help(session), error.exit_code, as_json=as_json)
    if isinstance(error, PenstockError):
        return _tell(error.message, error.where, session.again(error.hint), error.exit_code, as_json=as_json)
    import traceback

    traceback.print_exception(error)
    _say("this is a fault of penstock or of a plugin: what stands above says where")
    return FAILED


def _help(session: Session) -> str:
    """The help that says more: of the command, with the flow file whose parameters it lists."""
    words = [session.called]
    if session.typed is not None:
        context, typed = session.typed
        words.append(str(context.info_name))
        if context.info_name in _OF_A_FLOW and not session.script:
            words += [shown_file(word) for word in typed if os.path.isfile(word.partition(":")[0])][:1]
    return " ".join([*words, "--help"])


def forget_stream(fd: int) -> None:
    """Nobody reads it any more: what is written from now on goes nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, fd)
    os.close(nowhere)


def _tell(message: str, where: str, hint: str, code: int, *, as_json: bool) -> int:
    if where:
        _say(shown_place(where) + ":")
    _say(f"error: {shown_place(message)}")
    if hint:
        _say(f"  next: {shown_command(hint)}")
    if as_json:
        from penstock.cli import document

        document.show(error={"message": message, "where": where, "hint": hint, "exit_code": code})
    return code


def shown_place(text: str) -> str:
    """`file:line`, or a text with paths, where those below the working directory are relative."""
    try:
        here = os.getcwd() + os.sep
    except OSError:  # it was removed
        return text
    return text.replace(here, "") if len(here) > 1 else text


def shown_command(hint: str) -> str:
    """A command, or an advice, with paths as they are typed here."""
    shown = shown_place(hint)
    return shown if shown == hint else _PLAIN.sub(r"\1", shown)


def shown_file(path: str) -> str:
    """A file as it is typed in a shell."""
    import shlex

    return shlex.quote(shown_place(path))


def _say(text: str) -> None:
    from penstock.printable import printable  # its patterns take a while to compile, and few commands fail

    data = (printable(text, lines=True) + "\n").encode(sys.stderr.encoding or "utf-8", "backslashreplace")
    try:
        sys.stderr.flush()
        sys.stderr.buffer.write(data)
        sys.stderr.flush()
    except OSError:
        forget_stream(2)
