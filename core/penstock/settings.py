"""Settings: what holds for a command, each value with its origin. The strongest layer wins:

    flag > what a run recorded (`flow continue`) > environment > project file > user file > default

A profile (`--profile=prod`) is a table `profiles.prod` of either file and lies just above the rest of that file.
"""

from __future__ import annotations

import os

from penstock.errors import SettingsError, UsageError
from penstock.nearest import hint, nearest
from penstock.options import CORE_OPTIONS, Option, convert, example_of, options_of
from penstock.setting_files import project_file, user_table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Any, Protocol

    from penstock.plugin import Backend

    class Declarations(Protocol):
        """What settings ask of the registry."""

        def choose(self, kind: str, name: str) -> Backend: ...
        def default(self, kind: str, *, debug: bool = False) -> Backend: ...
        def backends(self, kind: str | None = None) -> list[Backend]: ...


BACKEND_KINDS = ("executor", "datastore", "metadata", "logging")
DEFAULT = "default"


# ------------------------------------------------------------------------------------------------- layers


class Layer:
    """Values from one source.

    values: raw, by what `key_of` makes of an option; folder: where relative paths start; label_of: how the place of a
    value is called in messages.
    """

    __slots__ = ("flags", "folder", "key_of", "label_of", "values")

    def __init__(
        self,
        values: Mapping[str, Any],
        folder: str,
        label_of: Callable[[Option], str],
        key_of: Callable[[Option], str] = lambda option: option.key,
        *,
        flags: bool = False,
    ) -> None:
        self.values, self.folder, self.label_of, self.key_of, self.flags = values, folder, label_of, key_of, flags

    def has(self, option: Option) -> bool:
        """Whether it says something; an empty text of the environment says nothing."""
        return self.values.get(self.key_of(option), "") != "" or (self.flags and self.key_of(option) in self.values)


def _file_layers(path: str, table: Mapping[str, Any], profile: str | None) -> list[Layer]:
    layers = []
    profiles = table.get("profiles", {})
    if profile is not None and profile in profiles:
        layers.append(Layer(_flat(profiles[profile]), os.path.dirname(path), lambda _: f"{path}, profile {profile}"))
    rest = {name: value for name, value in table.items() if name != "profiles"}
    return [*layers, Layer(_flat(rest), os.path.dirname(path), lambda _: path)]


def _flat(table: Mapping[str, Any]) -> dict[str, Any]:
    """`{"docker": {"image": 1}, "executor": 2}` -> `{"docker.image": 1, "executor": 2}`; dashes are as good as `_`."""
    found: dict[str, Any] = {}
    for name, value in table.items():
        if isinstance(value, dict):
            found.update({f"{name}.{inner.replace('-', '_')}": one for inner, one in value.items()})
        else:
            found[name.replace("-", "_")] = value
    return found


# ----------------------------------------------------------------------------------------------- resolved


class Settings:
    """What holds for one command: the chosen backends by name, their options, and where each value comes from."""

    def __init__(self, layers: Sequence[Layer], declarations: Declarations, folder: str, home: str | None) -> None:
        self._layers, self.declarations, self._folder, self._home = tuple(layers), declarations, folder, home
        self._names: dict[str, str] = {}

    @classmethod
    def resolve(
        cls,
        flags: Mapping[str, str | None],
        declarations: Declarations,
        *,
        environ: Mapping[str, str],
        folder: str,
        profile: str | None = None,
        recorded: Mapping[str, Any] | None = None,
    ) -> Settings:
        """Lay the layers over one another.

        flags: by key (`executor`, `docker.image`), None for one that was not given; folder: where files are looked for
        and relative paths of flags and variables start; recorded: `data()` of the run that goes on.
        Raises SettingsError for a broken file, an unknown profile or an unknown key.
        """
        given = {key: value for key, value in flags.items() if value is not None}
        layers = [Layer(given, folder, lambda option: option.flag, flags=True)]
        if recorded:
            layers.append(Layer(_recorded(recorded, declarations), folder, lambda _: "the run itself"))
        layers.append(Layer(environ, folder, lambda o: o.variable, lambda o: o.variable))
        profile = profile or environ.get("PENSTOCK_PROFILE") or None
        files = [found for found in (project_file(folder), user_table(environ)) if found is not None]
        for path, table in files:
            own = _file_layers(path, table, profile)
            for layer in own:
                _check_keys(layer, path, declarations)
            layers += own
        if profile is not None:
            _check_profile(profile, files)
        return cls(layers, declarations, folder, environ.get("HOME"))

    @property
    def folder(self) -> str:
        """Where relative paths of flags and variables start, and project files are looked for."""
        return self._folder

    # -- the chosen backends

    @property
    def executor(self) -> str:
        """Name of the executor of steps that name none."""
        return self._name("executor")

    @property
    def datastore(self) -> str:
        """Name of the datastore."""
        return self._name("datastore")

    @property
    def metadata(self) -> str:
        """Name of the metadata store: what was said, else the datastore's companion."""
        return self._name("metadata")

    @property
    def logging(self) -> str:
        """Name of the log sink: what was said, else the datastore's companion."""
        return self._name("logging")

    def _name(self, kind: str) -> str:
        if kind not in self._names:
            said = self.value(_core_option(kind))
            if said is not None:
                self._names[kind] = said.partition("://")[0]
            elif kind in ("metadata", "logging"):
                store = self.declarations.choose("datastore", self.datastore)
                self._names[kind] = store.companions.get(kind) or self.declarations.default(kind).name
            else:
                self._names[kind] = self.declarations.default(kind).name
        return self._names[kind]

    def settle(self, kind: str, name: str) -> None:
        """Another backend than the default, where that does not fit."""
        self._names[kind] = name

    @property
    def max_workers(self) -> int | None:
        """Jobs at once, None for the executor's default."""
        value: int | None = self.value(_core_option("max_workers"))
        if value is not None and value < 1:
            where = self.origin_of("max_workers")
            raise UsageError(f"{where}: at least one job must run at once, not {value}", hint="--max-workers=4")
        return value

    @property
    def branch(self) -> str | None:
        """Of a flow with `@project`; None for what its decorator says."""
        branch: str | None = self.value(_core_option("branch"))
        return branch

    @property
    def production(self) -> bool | None:
        """Of a flow with `@project`; None for what its decorator says."""
        production: bool | None = self.value(_core_option("production"))
        return production

    @property
    def package_suffixes(self) -> tuple[str, ...] | None:
        """Endings of files that are packed for jobs elsewhere beside the usual ones."""
        suffixes: tuple[str, ...] | None = self.value(_core_option("package_suffixes"))
        return suffixes

    @property
    def verify(self) -> bool:
        """Whether values that are mapped are compared with their hash when they are loaded; others always are."""
        verify: bool = self.value(_core_option("verify"))
        return verify

    @property
    def cache_mb(self) -> int:
        """Megabytes of the cache of chunks, 0 for none."""
        value: int = self.value(_core_option("cache_mb"))
        if value < 0:
            raise UsageError(f"{self.origin_of('cache_mb')}: {value} is no size of a cache", hint="--cache-mb=10000")
        return value

    # -- values

    def options(self, kind: str, name: str) -> dict[str, Any]:
        """The options of a backend as keywords, JSON apart from tuples. Raises UsageError or SettingsError."""
        backend = self.declarations.choose(kind, name)
        values = {option.name: self.value(option) for option in options_of(backend)}
        url = self._url(kind)
        if url is not None and name == self._name(kind):
            if "url" not in values:
                raise UsageError(f"the {kind} {name} takes no URL", hint=f"--{kind}={name}")
            values["url"] = url
        return values

    def given(self, kind: str, name: str, texts: Mapping[str, str]) -> dict[str, Any]:
        """Options of a backend that were typed beside its name (`--executor-for STEP=NAME:key=value`), converted.

        Raises UsageError for an unknown one or a wrong value.
        """
        known = {option.name: option for option in options_of(self.declarations.choose(kind, name))}
        values = {}
        for key, text in texts.items():
            option = known.get(key.replace("-", "_"))
            if option is None:
                raise UsageError(f"the {kind} {name} has no option {key!r}", hint=hint(key, sorted(known)))
            try:
                values[option.name] = convert(option, text, self._folder)
            except ValueError as error:
                raise UsageError(f"{name}:{key}: {text!r} is not {error}", hint=example_of(option)) from None
        return values

    def _url(self, kind: str) -> str | None:
        said = self.value(_core_option(kind))
        return said if said is not None and "://" in said else None

    def value(self, option: Option) -> Any:
        """The value that holds, converted. Raises UsageError (flag) or SettingsError that names where it was said."""
        layer = self._layer_of(option)
        if layer is not None:
            raw = layer.values[layer.key_of(option)]
            try:
                return convert(option, raw, layer.folder)
            except ValueError as error:
                kind = UsageError if layer.flags else SettingsError
                raise kind(f"{layer.label_of(option)}: {raw!r} is not {error}", hint=example_of(option)) from None
        if option.required:
            raise UsageError(f"{option.owner} needs {option.flag}", hint=example_of(option))
        if option.nearest_folder:
            from penstock.nearest_folder import nearest_folder

            return nearest_folder(option.default, self._folder, self._home)
        return option.default

    def _layer_of(self, option: Option) -> Layer | None:
        return next((layer for layer in self._layers if layer.has(option)), None)

    def origin_of(self, key: str) -> str:
        """Where the value of `executor` or `docker.image` comes from, in words."""
        owner, _, name = key.rpartition(".")
        option = Option(owner, name, "str")
        layer = self._layer_of(option)
        return DEFAULT if layer is None else layer.label_of(option)

    def data(self) -> dict[str, Any]:
        """What a run writes into its header: names and options of the chosen backends, without secrets."""
        found: dict[str, Any] = {kind: self._name(kind) for kind in BACKEND_KINDS}
        found["options"] = {}
        for kind in BACKEND_KINDS:
            hidden = {o.name for o in options_of(self.declarations.choose(kind, found[kind])) if o.secret}
            values = self.options(kind, found[kind])
            found["options"][kind] = {name: value for name, value in values.items() if name not in hidden}
        return found


def _core_option(name: str) -> Option:
    return next(option for option in CORE_OPTIONS if option.name == name)


def _recorded(data: Mapping[str, Any], declarations: Declarations) -> dict[str, Any]:
    """Of a run that goes on, executor and its options hold; its data lies where the run was found."""
    options = data.get("options", {}).get("executor", {})
    owner = declarations.choose("executor", data["executor"]).name
    given = {f"{owner}.{name}": value for name, value in options.items() if value is not None}
    return {"executor": data["executor"], **given}


def _check_profile(profile: str, files: Iterable[tuple[str, Mapping[str, Any]]]) -> None:
    known = sorted({name for _, table in files for name in table.get("profiles", {})})
    if profile not in known:
        near = nearest(profile, known)
        raise SettingsError(
            f"there is no profile {profile!r}" + (f"; there are: {', '.join(known)}" if known else ""),
            hint=f"did you mean --profile={near}?" if near else f"[tool.penstock.profiles.{profile}]",
        )


def _check_keys(layer: Layer, path: str, declarations: Declarations) -> None:
    """Every key of a file must be known. A table of a backend that is not installed here may be a colleague's."""
    core = {option.name for option in CORE_OPTIONS}
    for key in layer.values:
        owner, _, name = key.rpartition(".")
        known = core if not owner else _option_names(owner, declarations)
        if known is None:
            _check_owner(owner, path, declarations)
        elif name not in known:
            raise SettingsError(f"{path}: there is no setting {key!r}", where=path, hint=hint(name, sorted(known)))


def _option_names(owner: str, declarations: Declarations) -> set[str] | None:
    found = [backend for backend in declarations.backends() if backend.name == owner]
    return {option.name for backend in found for option in options_of(backend)} if found else None


def _check_owner(owner: str, path: str, declarations: Declarations) -> None:
    near = nearest(owner, {backend.name for backend in declarations.backends()})
    if near:
        raise SettingsError(f"{path}: there is no backend {owner!r}", where=path, hint=f"did you mean {near!r}?")
