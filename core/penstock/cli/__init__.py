"""The command line: `flow COMMAND`, `penstock COMMAND`, `python -m penstock COMMAND`, `python petsflow.py COMMAND`.

Results go to standard output, everything else to standard error. Exit codes: 0 done, 1 the run failed, 2 usage, 3 the
flow is not valid, 4 configuration or plugin, 5 a backend is unavailable, 130 interrupted, 143 terminated.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any, NoReturn

    from penstock.authoring.flow import FlowSpec
    from penstock.cli.session import Session
    from penstock.client import Run


def entry() -> NoReturn:
    """The programs `flow` and `penstock`."""
    from penstock.cli.process import leave
    from penstock.cli.session import Session

    session = Session(os.path.basename(sys.argv[0]) or "flow")
    session.owns_process = True
    leave(main(sys.argv[1:], session))


def main(arguments: Sequence[str], session: Session | None = None) -> int:
    """Carry out one command line and return the exit code; every error is told here and nowhere else."""
    from penstock.cli import early, process
    from penstock.cli.session import Session

    session = session or Session()
    words = list(arguments)
    try:
        if session.owns_process:
            process.load_without_collecting()
            process.open_streams()
        process.check_folder()
        early.begin(session, words)
        if session.owns_process:
            process.heed_signals()
        from penstock.cli.group import COMMANDS, command_first, group, options_with_values

        words = command_first(arguments, COMMANDS, options_with_values())
        code = group(session).main(words, prog_name=session.program, obj=session, standalone_mode=False)
        sys.stdout.flush()
    except BaseException as error:  # noqa: BLE001  the border of the program
        from penstock.cli.failure import exit_code_of

        return exit_code_of(error, session, as_json="--json" in words)
    finally:
        session.close()
    return code if isinstance(code, int) else 0


def main_for_flow(flow_class: type[FlowSpec]) -> int:
    """`python petsflow.py COMMAND`: the command line of one flow."""
    from penstock.cli.session import Session

    module = sys.modules[flow_class.__module__]
    file = os.path.abspath(getattr(module, "__file__", None) or sys.argv[0])
    session = Session(os.path.basename(file), file=file, flow=flow_class.__name__)
    session.owns_process = flow_class.__module__ == "__main__"
    return main(sys.argv[1:], session)


def run_from_python(flow_class: type[FlowSpec], parameters: Mapping[str, Any]) -> Run:
    """`PetsFlow.run(alpha=3)`. Raises FlowError for a class without a source, RunFailed for a run without success."""
    from contextlib import nullcontext

    from penstock import client
    from penstock.authoring.notebook import flow_file
    from penstock.cli.console import PlainConsole
    from penstock.cli.parameters import as_texts
    from penstock.cli.session import Session
    from penstock.errors import RunCancelled, RunFailed
    from penstock.host.flow_file import FlowFile
    from penstock.running import launch
    from penstock.running.wishes import Wishes
    from penstock.values import CANCELLED, SUCCEEDED

    name = flow_class.__name__
    own = getattr(sys.modules.get(flow_class.__module__), "__file__", None)
    with (
        flow_file(flow_class) if own is None else nullcontext(own) as file,
        launch.declare(FlowFile(file, name)) as opened,
    ):
        given = as_texts(opened.declaration, parameters)
        home = Session().open_home(environ=opened.declaration.environ)
        result = opened.run(home, given, Wishes(), PlainConsole(opened.declaration.graph, cells=own is None))
    if result.outcome != SUCCEEDED:
        kind = RunCancelled if result.outcome == CANCELLED else RunFailed
        raise kind(f"{result.flow}/{result.run} {result.outcome}", hint=f"flow show {result.flow}/{result.run}")
    return client.Run(f"{result.flow}/{result.run}", _namespace_check=False)
