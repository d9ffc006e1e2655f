"""How an error is told: what happened, where, what to type next; and the exit code."""

from __future__ import annotations

import os
import sys

import click

from penstock.errors import PenstockError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from penstock.cli.session import Session

USAGE, FAILED, PIPE_CLOSED, INTERRUPTED = 2, 1, 128 + 13, 130


def exit_code_of(error: BaseException, session: Session, *, as_json: bool) -> int:
    """Tell the error on standard error (and, where a document was asked for, as one on standard output)."""
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else FAILED
    if isinstance(error, click.exceptions.Exit):
        return error.exit_code
    if isinstance(error, BrokenPipeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # so that the interpreter's last flush has somewhere to go
        return PIPE_CLOSED
    if isinstance(error, (KeyboardInterrupt, click.Abort)):
        _say("interrupted")
        return INTERRUPTED
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        click.echo(error.format_message(), err=True)
        return USAGE
    if isinstance(error, click.ClickException):
        context = getattr(error, "ctx", None)
        hint = f"{context.command_path if context else session.program} --help"
        return _tell(error.format_message(), "", hint, error.exit_code, as_json=as_json)
    if isinstance(error, PenstockError):
        return _tell(error.message, error.where, error.hint, error.exit_code, as_json=as_json)
    import traceback

    traceback.print_exception(error)
    _say("this is a fault of penstock or of a plugin: what stands above says where")
    return FAILED


def _tell(message: str, where: str, hint: str, code: int, *, as_json: bool) -> int:
    if where:
        _say(shown_place(where) + ":")
    _say(f"error: {message}")
    if hint:
        _say(f"  next: {hint}")
    if as_json:
        import json

        fault = {"error": {"message": message, "where": where, "hint": hint, "exit_code": code}}
        click.echo(json.dumps(fault))
    return code


def shown_place(where: str) -> str:
    """`file:line` with a file below the working directory by its relative path."""
    here = os.getcwd() + os.sep
    return where.removeprefix(here)


def _say(text: str) -> None:
    from penstock.printable import printable  # its patterns take a while to compile, and few commands fail

    data = (printable(text, lines=True) + "\n").encode(sys.stderr.encoding or "utf-8", "backslashreplace")
    sys.stderr.flush()
    sys.stderr.buffer.write(data)
    sys.stderr.flush()
