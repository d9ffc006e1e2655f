"""Which backends, commands and observers there are, who brings them, and why one of them can't be used.

Plugins are loaded one at a time, so that a broken one breaks only itself. Core's own distribution is looked at first,
and most commands need no other; the rest is loaded when a name is not found there, for observers, and for the help.
"""

from __future__ import annotations

import importlib
import os
import sys

import pluggy

import penstock
from penstock import contracts, entry_points, plugin
from penstock.errors import NotInstalled, PluginError
from penstock.nearest import nearest
from penstock.plugin import KINDS, Backend, Command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from types import ModuleType
    from typing import Any

    from penstock.entry_points import EntryPoint

READY = "ready"
BROKEN = "broken"
BLOCKED = "blocked"
RESTRICTION = "PENSTOCK_PLUGINS"  # `none`, or the short names of the plugins that may be loaded; core's own always are


class Plugin:
    """A plugin that an entry point names. state: `ready`, `broken` or `blocked`; reason: why it is not ready."""

    __slots__ = ("backends", "entry", "module", "reason", "state")

    def __init__(self, entry: EntryPoint) -> None:
        self.entry = entry
        self.state, self.reason = READY, ""
        self.backends: list[Backend] = []
        self.module: ModuleType | None = None

    def fail(self, state: str, reason: str) -> None:
        """Take it out of use."""
        self.state, self.reason, self.backends = state, reason, []


class Registry:
    """What is installed. path: where distributions are looked for; environ: may hold `PENSTOCK_PLUGINS`."""

    def __init__(self, *, path: Sequence[str] | None = None, environ: Mapping[str, str] | None = None) -> None:
        self._path = sys.path if path is None else path
        self._environ = os.environ if environ is None else environ
        self._manager = pluggy.PluginManager("penstock")
        self._manager.add_hookspecs(plugin)
        self._plugins: dict[tuple[str, str], Plugin] = {}
        self._targets: dict[tuple[str, str], Backend] = {}
        self._complete = False
        for entry in entry_points.scan(self._path, own_only=True):
            self._load(entry)

    # -- loading

    def _load(self, entry: EntryPoint) -> None:
        found = self._plugins[entry.distribution, entry.name] = Plugin(entry)
        if not entry.own and not self._allowed(entry.name):
            found.fail(BLOCKED, f"{RESTRICTION}={self._environ[RESTRICTION]}")
            return
        name = f"{entry.distribution}:{entry.name}"
        try:
            found.module = importlib.import_module(entry.module)
            self._manager.register(found.module, name)
            self._manager.check_pending()
            found.backends = [_checked(backend) for backend in self._call(found, "penstock_backends")]
        except Exception as error:  # noqa: BLE001  whatever a plugin does wrong, only it is out of use
            self._manager.unregister(name=name) if self._manager.has_plugin(name) else None
            found.fail(BROKEN, _reason(error))
            return
        taken = [one.name for one in found.backends if not entry.own and self._own(one.kind, one.name)]
        if taken:
            self._manager.unregister(name=name)
            found.fail(BROKEN, f"{taken[0]!r} is the name of one of penstock's own backends")

    def _allowed(self, name: str) -> bool:
        wanted = self._environ.get(RESTRICTION)
        return not wanted or name in (part.strip() for part in wanted.split(","))

    def _own(self, kind: str, name: str) -> bool:
        return any(one.entry.own for one, backend in self._pairs() if (backend.kind, backend.name) == (kind, name))

    def _call(self, found: Plugin, hook: str) -> Iterator[Any]:
        function = getattr(found.module, hook, None)
        if function is not None:
            yield from function()

    def load_all(self) -> None:
        """Load what other distributions bring; once."""
        if not self._complete:
            self._complete = True
            for entry in entry_points.scan(self._path):
                if (entry.distribution, entry.name) not in self._plugins:
                    self._load(entry)

    # -- asking

    def _pairs(self) -> Iterator[tuple[Plugin, Backend]]:
        for found in self._plugins.values():
            for backend in found.backends:
                yield found, backend

    def plugins(self) -> list[Plugin]:
        """Every plugin that is installed, also those that can't be used."""
        self.load_all()
        return list(self._plugins.values())

    def backends(self, kind: str | None = None) -> list[Backend]:
        """Every backend (of one kind) that can be used."""
        self.load_all()
        return [backend for _, backend in self._pairs() if kind in (None, backend.kind)]

    def default(self, kind: str, *, debug: bool = False) -> Backend:
        """The backend that is taken when nothing is said. Raises PluginError when core's distribution is not whole."""
        for found, backend in self._pairs():
            if found.entry.own and backend.kind == kind and (backend.debug if debug else backend.default):
                return backend
        broken = [one for one in self._plugins.values() if one.state == BROKEN]
        raise PluginError(
            f"there is no default {kind}: " + (broken[0].reason if broken else "penstock is not installed as a whole"),
            hint="pip install --force-reinstall penstock",
        )

    def choose(self, kind: str, name: str) -> Backend:
        """The backend of this name. `module:Class` and `path/to/file.py:Class` name a class without a plugin.

        Raises PluginError: unknown (with the nearest name), broken, of two plugins, or of another contract.
        """
        if ":" in name:
            try:
                return self._target(kind, name)
            except PluginError as error:
                beginning = name.partition(":")[0]
                self.load_all()
                if self._matching(kind, beginning):
                    error.hint = f"--{kind}={beginning}" + ("://..." if kind == "datastore" else "")
                raise
        matching = self._matching(kind, name)
        if not matching:
            self.load_all()
            matching = self._matching(kind, name)
        if not matching:
            raise self._unknown(kind, name)
        if len(matching) > 1:
            both = " and ".join(f"{one.entry.distribution} {one.entry.version}" for one, _ in matching)
            raise PluginError(
                f"{both} both bring the {kind} {name!r}",
                hint=f"pip uninstall {matching[-1][0].entry.distribution}   # or {RESTRICTION}=... names those to load",
            )
        return _of_this_contract(*matching[0])

    def _matching(self, kind: str, name: str) -> list[tuple[Plugin, Backend]]:
        return [pair for pair in self._pairs() if (pair[1].kind, pair[1].name) == (kind, name)]

    def decorated(self, name: str) -> Backend | None:
        """The executor that brings the step decorator of this name, None where nobody does.

        Raises PluginError when its plugin is not installed, broken, or of another contract.
        """
        self.load_all()
        for found, backend in self._pairs():
            if backend.decorator == name:
                return _of_this_contract(found, backend)
        absent = self._absent("executor", name)
        if absent is not None:
            raise absent
        return None

    def decorators(self) -> list[str]:
        """Names of the step decorators that executors bring."""
        return [backend.decorator for backend in self.backends("executor") if backend.decorator]

    def _absent(self, kind: str, name: str) -> PluginError | None:
        """What is known of a plugin that could bring it, and is broken or not installed."""
        for found in self._plugins.values():
            if found.state != READY and name in (found.entry.name, found.entry.distribution.removeprefix("penstock-")):
                who = f"{found.entry.name} ({found.entry.distribution} {found.entry.version})"
                return PluginError(
                    f"the plugin {who} is {found.state}: {found.reason}",
                    hint=f"pip install --upgrade {found.entry.distribution}   # or: flow plugins",
                )
        for found in self._plugins.values():
            if name in found.entry.extras:
                return NotInstalled(f"the {kind} {name!r} is not installed", hint=_installing(found.entry, name))
        return None

    def absent(self, word: str) -> PluginError | None:
        """The plugin that is not installed and whose name `word` begins with, as its options do."""
        there = {backend.name for _, backend in self._pairs()}
        for found in self._plugins.values():
            for extra in found.entry.extras:
                if extra not in there and word.startswith(f"{extra}-"):
                    return self._absent("plugin", extra)
        return None

    def _unknown(self, kind: str, name: str) -> PluginError:
        absent = self._absent(kind, name)
        if absent is not None:
            return absent
        known = sorted({backend.name for _, backend in self._pairs() if backend.kind == kind and backend.offered})
        extras = {extra for found in self._plugins.values() for extra in found.entry.extras}
        near = nearest(name, [*known, *sorted(extras)])
        hint = f"did you mean --{kind}={near}?" if near else "flow plugins   # what is installed"
        return PluginError(f"there is no {kind} {name!r}; there are: {', '.join(known)}", hint=hint)

    def _target(self, kind: str, target: str) -> Backend:
        if (kind, target) not in self._targets:
            self._targets[kind, target] = _backend_of_class(kind, target)
        return self._targets[kind, target]

    def create_class(self, backend: Backend) -> type[Any]:
        """Import the working class. Raises PluginError when it is not there or of another kind."""
        cls = contracts.load(backend.target)
        contract = _contract(backend.kind)
        if not (isinstance(cls, type) and issubclass(cls, contract)):
            raise PluginError(
                f"{backend.target} is no {contract.__name__}, so it can't be the {backend.kind}",
                hint=f"class {backend.target.rpartition(':')[2]}({contract.__name__}): ...",
            )
        missing = sorted(getattr(cls, "__abstractmethods__", ()))
        if missing:
            raise PluginError(
                f"{backend.target} lacks {', '.join(missing)}, which a {contract.__name__} must have",
                hint=f"def {missing[0]}(self, ...): ...",
            )
        return cls

    def commands(self) -> list[tuple[Plugin, Command]]:
        """Commands that plugins add; of two with one name the first."""
        self.load_all()
        found: dict[str, tuple[Plugin, Command]] = {}
        for one in self._plugins.values():
            if one.state != READY:
                continue
            try:
                for command in self._call(one, "penstock_commands"):
                    found.setdefault(command.name, (one, command))
            except Exception as error:  # noqa: BLE001  as in `_load`
                one.fail(BROKEN, _reason(error))
        return list(found.values())

    def observers(self, hook: str) -> list[tuple[str, Callable[..., Any], tuple[str, ...]]]:
        """Name of the plugin, function and the arguments that it wants, for each implementation of a hook."""
        self.load_all()
        found = getattr(self._manager.hook, hook).get_hookimpls()
        return [(one.plugin_name, one.function, one.argnames) for one in reversed(found)]


def _checked(backend: Any) -> Backend:
    if not isinstance(backend, Backend):
        raise TypeError(f"penstock_backends yields {type(backend).__name__} objects, not Backend")
    if backend.kind not in KINDS:
        raise ValueError(f"{backend.name!r} is of the unknown kind {backend.kind!r}; kinds are: {', '.join(KINDS)}")
    if backend.decorator and (
        backend.kind != "executor" or not backend.decorator.isidentifier() or backend.decorator in penstock.__all__
    ):
        raise ValueError(f"{backend.kind} {backend.name!r} can't bring a step decorator {backend.decorator!r}")
    return backend


def _contract(kind: str) -> type[Any]:
    module, name, _ = KINDS[kind]
    contract: type[Any] = getattr(importlib.import_module(module), name)
    return contract


def offered_contract(kind: str) -> int:
    """The number of the contract that this core offers for a kind of backend."""
    module, _, constant = KINDS[kind]
    number: int = getattr(importlib.import_module(module), constant)
    return number


def _of_this_contract(found: Plugin, backend: Backend) -> Backend:
    offered = offered_contract(backend.kind)
    if backend.contract != offered:
        behind = "penstock" if backend.contract > offered else found.entry.distribution
        raise PluginError(
            f"the {backend.kind} {backend.name} of {found.entry.distribution} {found.entry.version} needs contract "
            f"{backend.contract}, core offers {offered}",
            hint=f"pip install --upgrade {behind}",
        )
    return backend


def _installing(entry: EntryPoint, extra: str) -> str:
    """How an extra of core's distribution is installed: from the checkout that core itself came from, if it has it."""
    import shlex

    checkout, found = entry_points.source_of(entry), []
    for required in entry_points.required_by(entry, extra):
        name = required.removeprefix(f"{entry.distribution}-").replace("-", "_")
        folder = os.path.join(checkout, "plugins", name)
        if not os.path.isfile(os.path.join(folder, "pyproject.toml")):
            break
        below = _from_here(folder)
        found.append(shlex.quote(folder if below.startswith(os.pardir) else os.path.join(os.curdir, below)))
    else:
        if found:
            return f"pip install {' '.join(found)}"
    return f"pip install '{entry.distribution}[{extra}]'"


def _from_here(folder: str) -> str:
    """The way to a folder from the working one; upwards where that is gone."""
    try:
        return os.path.relpath(folder)
    except OSError:
        return os.pardir


def _reason(error: Exception) -> str:
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0]}" if text else type(error).__name__


# Kind -> how many arguments the constructor takes before its options: the run of an executor, the store of the others.
_BEFORE_OPTIONS = {"executor": 1, "datastore": 0, "metadata": 1, "logging": 1}


def _backend_of_class(kind: str, target: str) -> Backend:
    """A backend from its class alone: what its constructor takes as keywords are its options."""
    import dataclasses
    import inspect
    import re

    path, _, name = target.rpartition(":")
    if path.endswith(".py"):
        target = f"{os.path.abspath(path)}:{name}"
    cls = contracts.load(target)
    if not isinstance(cls, type):
        raise PluginError(f"{target} is no class", hint=f"--{kind}=path/to/file.py:Class")
    taken = [
        one
        for one in inspect.signature(cls).parameters.values()
        if one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)
    ]
    fields = [
        (
            one.name,
            one.annotation if one.annotation is not one.empty else "str",
            plugin.option(dataclasses.MISSING if one.default is one.empty else one.default, help=""),
        )
        for one in taken[_BEFORE_OPTIONS[kind] :]
    ]
    short = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", name).lower()
    return Backend(
        kind=kind,
        name=short,
        contract=offered_contract(kind),
        summary=(cls.__doc__ or "").strip().partition("\n")[0],
        options=dataclasses.make_dataclass(f"{name}Options", fields, frozen=True, kw_only=True),
        target=target,
    )
