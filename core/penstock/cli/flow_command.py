"""What `run` and `resume` share: they import a flow file first, and know their options only afterwards."""

from __future__ import annotations

import contextlib
import os
import re
import sys

import click

from penstock.cli.command import Command
from penstock.cli.option import Nearest, Sectioned, SettingOption
from penstock.compat.options import ALIAS, CONFIGS
from penstock.errors import PenstockError, UsageError
from penstock.options import CORE_OPTIONS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Sequence
    from typing import Any

    from penstock.cli.session import Session
    from penstock.home import Home
    from penstock.host.declaration import Declaration
    from penstock.running.launch import Opened
    from penstock.running.wishes import Wishes

_OPENED, _CLAIMED = "penstock.opened", "penstock.claimed"
_OF_FLOWS = ("branch", "production")  # settings that only a flow with `@project` heeds
FILE = click.Argument(["file"], metavar="FILE[:FLOW]")


class FlowCommand(Command):
    """Takes `FILE[:FLOW]` first, unless the file was started as a program. takes_parameters: the flow's, as options."""

    takes_parameters = False

    def __init__(self, *args: Any, **attributes: Any) -> None:
        super().__init__(*args, **attributes)
        self.params[:0] = [FILE, *run_options(), alias_option()]

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Without FILE where it is known, and without the options that a parameter of the flow takes the place of."""
        claimed = ctx.meta.get(_CLAIMED, ())
        return [
            one for one in super().get_params(ctx)
            if not (one is FILE and ctx.obj.script) and not (one.name in claimed and _gives_way(one))
        ]  # fmt: skip

    def extra_options(self, ctx: click.Context, args: list[str]) -> Iterable[click.Parameter]:
        """Import the flow; its parameters and the backends of its steps bring options."""
        values, left = self.peek(ctx, args)
        session: Session = ctx.obj
        named = next((word for word in left if not word.startswith("-")), None)
        if named is None and not session.script:
            return self.backend_options(session.open_home().settings)
        opening = session.open_flow(session.flow_file(named or "", alias=values["alias"]))
        _load_meanwhile(session)
        from penstock.running.launch import Opened

        opened = ctx.with_resource(Opened(opening))
        settings = session.open_home(opened.declaration.environ).settings
        ctx.meta[_OPENED] = opened
        if self.takes_parameters:
            ctx.meta[_CLAIMED] = {one["name"].replace("-", "_") for one in opened.declaration.parameters}
        _refuse_strange(session, opened.declaration, ctx.meta.get(_CLAIMED, ()))
        single = {text.partition("=")[2].partition(":")[0] for text in values.get("executor_for") or ()} - {""}
        extra = self.backend_options(settings, [*single, *_executors_of(opened)])
        if self.takes_parameters:
            from penstock.cli.parameters import parameter_options

            taken = {spelt for one in [*self.get_params(ctx), *extra] for spelt in one.opts}
            return [*parameter_options(opened.declaration, taken), *extra]
        return extra


def _load_meanwhile(session: Session) -> None:
    """What drives a run, as far as it is known without the flow: a host imports that at the same time."""
    import penstock.cli.console
    import penstock.host.declaration
    import penstock.running.driver
    import penstock.running.header
    import penstock.running.launch
    import penstock.running.placement  # noqa: F401

    with contextlib.suppress(PenstockError):  # the flow may set variables that make it right
        session.open_home().load_classes()


def _tell_what_is_passed_over(file: str, brought: Container[str]) -> None:
    """Of a file that imports from another package: what of it means nothing here. brought: decorators of plugins."""
    from penstock.compat.features import features
    from penstock.compat.passed_over import PASSED_OVER

    with open(file, encoding="utf-8") as source:
        for one in features(source.read(), ALIAS, frozenset()):
            if one.name in PASSED_OVER and one.name not in brought:
                click.echo(f"@{one.name} is {one.note}", err=True)


def _gives_way(option: click.Parameter) -> bool:
    """Whether a parameter may have the name of this option: that of a word that other scripts pass and that means
    nothing here, or of a setting that can be said in other ways."""
    return (isinstance(option, click.Option) and option.hidden) or option.name in _OF_FLOWS


def _refuse_strange(session: Session, declaration: Declaration, claimed: Container[str]) -> None:
    """Options of flow decorators and of configs that this flow does not have. Raises UsageError."""
    flow = declaration.flow
    for name in _OF_FLOWS:
        if name in session.flags and declaration.project is None and name not in claimed:
            raise UsageError(
                f"--{name} is for flows with @project, and {flow} has none", where=f"--{name}",
                hint=f'@project(name="my_project")   # above class {flow}',
            )  # fmt: skip
    for name in session.configs if CONFIGS[0][2:] not in claimed else ():
        raise UsageError(
            f"{flow} has no config {name!r}: penstock has no Config", where="--config",
            hint=f"Parameter({name!r}, type=JSONType) in the flow, --{name}=JSON on the command line",
        )  # fmt: skip


def _executors_of(opened: Opened) -> Iterator[str]:
    from penstock.authoring.decorators import executor_of

    for step in opened.declaration.graph.steps.values():
        chosen = executor_of(step.decorators)
        if chosen is not None:
            yield chosen[0]


# ------------------------------------------------------------------------------------ options of a run


def alias_option() -> click.Option:
    """Of the commands that read a flow file."""
    return click.Option(
        [f"--{ALIAS}", "alias"], is_flag=True, flag_value=ALIAS, default="",
        help=f"Stand in for {ALIAS}: the file imports from it and stays as it is.",
    )  # fmt: skip


def run_options() -> list[click.Parameter]:
    """What one may ask of a run, new ones for each command that takes them."""
    from penstock.running.wishes import ON_FAILURE

    workers = next(option for option in CORE_OPTIONS if option.name == "max_workers")
    return [
        click.Option(["--tag", "tags"], multiple=True, metavar="TEXT", help="Tag the run; may be repeated."),
        click.Option(["--run-id-file"], metavar="PATH", help="Write the run's id here before its first task starts."),
        SettingOption(workers, "Options"),
        click.Option(
            ["--max-num-splits"], type=click.IntRange(min=1), metavar="N", help="Most items of a foreach.  [1000000]"
        ),
        click.Option(
            ["--on-failure"], type=Nearest(ON_FAILURE), default=ON_FAILURE[0], show_default=True,
            help="When a task fails for good: let running ones finish, stop them, or go on with what does not need it.",
        ),
        click.Option(
            ["--executor-for"], multiple=True, metavar="STEP=NAME[:key=value,...]",
            help="Where a step runs; '*' means every step.",
        ),
        click.Option(["--detach"], is_flag=True, help="Let a job of the executor drive the run, and return."),
        click.Option(["--namespace"], metavar="TAG", help="What the client sees in tasks.  [user:NAME]"),
        Sectioned(["--debug"], section="Options", is_flag=True, help="Run in this process, one task after another."),
    ]  # fmt: skip


def opened_of(ctx: click.Context) -> Opened:
    """The flow that this command line names."""
    opened: Opened = ctx.meta[_OPENED]
    return opened


def home_of(ctx: click.Context, *, debug: bool) -> Home:
    """The stores for a run of the flow: its file may have set variables when it was imported."""
    session: Session = ctx.obj
    executor = session.registry.default("executor", debug=True).name if debug else None
    home = session.open_home(opened_of(ctx).declaration.environ, executor=executor)
    if session.owns_process and home.executor_class(home.settings.executor).in_process:
        _fix_hash_seed()
    if opened_of(ctx).declaration.alias and not session.quiet:
        _tell_what_is_passed_over(opened_of(ctx).declaration.file, session.registry.decorators())
    return home


def _fix_hash_seed() -> None:
    """Equal values must pickle alike, whichever run made them; the seed is set before an interpreter starts."""
    if "PYTHONHASHSEED" not in os.environ:
        os.environ["PYTHONHASHSEED"] = "0"
        sys.stdout.flush()
        sys.stderr.flush()
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def wishes_of(home: Home, *, executor_for: Sequence[str], debug: bool, **options: Any) -> Wishes:
    """What the options ask of a run. Raises UsageError or PluginError."""
    from penstock.running.wishes import Wishes

    single = dict(_executor_for(home, text) for text in executor_for)
    if debug:
        single = {"*": (home.settings.executor, {})}
    options["tags"] = _tags(options["tags"])
    if options["run_id_file"] is not None:
        _check_writable(options["run_id_file"])
    return Wishes(max_workers=home.settings.max_workers, executor_for=single, **options)


def _tags(texts: Sequence[str]) -> list[str]:
    from penstock.storage.tag_text import tag_texts

    try:
        return tag_texts(texts)
    except UsageError as error:
        raise UsageError(error.message, where="--tag", hint=error.hint or "--tag=TEXT") from None


def _check_writable(path: str) -> None:
    """Said before the run begins; whoever waits for the file would wait for ever."""
    folder, where = os.path.dirname(path) or os.curdir, "--run-id-file"
    if os.path.isdir(path):
        raise UsageError(f"{path} is a folder", where=where, hint=f"{where}={os.path.join(path, 'run-id')}")
    if not os.path.isdir(folder):
        raise UsageError(f"there is no folder {folder}", where=where, hint=f"mkdir -p {folder}")
    if not os.access(path if os.path.exists(path) else folder, os.W_OK):
        raise UsageError(f"{path} can't be written", where=where, hint=f"{where}=PATH, in a folder that is yours")


def _executor_for(home: Home, text: str) -> tuple[str, tuple[str, dict[str, Any]]]:
    step, equals, rest = text.partition("=")
    found = re.fullmatch(r"(?P<name>[^:]+(?::[A-Za-z_]\w*(?!\w*=))?)(?::(?P<options>\w[\w-]*=.*))?", rest)
    if not (step and equals and found):
        raise UsageError(
            f"--executor-for={text} is not of the form STEP=NAME[:key=value,...]", hint="--executor-for train=local"
        )
    pairs = re.split(r",(?=\w[\w-]*=)", found["options"]) if found["options"] else []
    texts = dict(pair.split("=", 1) for pair in pairs)
    return step, (found["name"], home.settings.given("executor", found["name"], texts))
