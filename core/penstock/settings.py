"""Settings: one declaration, many faces, each value with its origin.

An option `image` of the backend `docker` is the flag `--docker-image`, the variable `PENSTOCK_DOCKER_IMAGE`, and
`image` below `[tool.penstock.docker]` in `pyproject.toml` (or `[docker]` in `penstock.toml`). The strongest layer wins:

    flag > what a run recorded (`flow continue`) > environment > project file > user file > default

A profile (`--profile=prod`) is a table `profiles.prod` of either file and lies just above the rest of that file.
"""

from __future__ import annotations

import os
import stat

from penstock.errors import SettingsError, UsageError
from penstock.nearest import hint, nearest
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


# ------------------------------------------------------------------------------------ what can be declared


class Option:
    """One setting: of core (`owner` is empty) or of the backends named `owner`. type: as its author annotated it."""

    __slots__ = ("default", "help", "name", "nearest", "owner", "required", "secret", "type")

    def __init__(
        self,
        owner: str,
        name: str,
        type: str,
        default: Any = None,
        help: str = "",
        *,
        required: bool = False,
        secret: bool = False,
        nearest: bool = False,
    ) -> None:
        self.owner, self.name, self.type, self.default, self.help = owner, name, type, default, help
        self.required, self.secret, self.nearest = required, secret, nearest

    @property
    def key(self) -> str:
        """`docker.image`; of core `max_workers`."""
        return f"{self.owner}.{self.name}" if self.owner else self.name

    @property
    def flag(self) -> str:
        """`--docker-image`."""
        return "--" + _dashed(f"{self.owner}-{self.name}" if self.owner else self.name)

    @property
    def variable(self) -> str:
        """`PENSTOCK_DOCKER_IMAGE`."""
        return "PENSTOCK_" + _dashed(f"{self.owner}-{self.name}" if self.owner else self.name).replace("-", "_").upper()

    @property
    def base_type(self) -> str:
        """The type without `| None`."""
        return self.type.replace(" ", "").removesuffix("|None").removeprefix("None|")


CORE_OPTIONS = (
    Option("", "executor", "str", help="Where tasks run."),
    Option("", "datastore", "str", help="Where data lies: a name, or a URL that begins with it."),
    Option("", "metadata", "str", help="The catalogue of runs; follows the datastore unless said."),
    Option("", "logging", "str", help="Where long output goes; follows the datastore unless said."),
    Option("", "cache_mb", "int", 10_000, "Size of this user's copies of a store far away; 0 keeps none."),
    Option("", "max_workers", "int | None", help="Jobs at once; the executor has a default."),
    Option("", "branch", "str | None", help="Branch of a flow with @project."),
    Option("", "production", "bool | None", help="Whether a flow with @project runs in production."),
    Option("", "package_suffixes", "tuple[str,...] | None", help="More endings of files for jobs elsewhere."),
    Option("", "verify", "bool", False, help="Check values that are mapped, too, when they are loaded."),
)


def options_of(backend: Backend) -> tuple[Option, ...]:
    """The options that a backend declares. Raises SettingsError for a type that can't be typed in a shell."""
    if backend.options is None:
        return ()
    from dataclasses import MISSING, fields

    found = []
    for one in fields(backend.options):
        kind = one.type if isinstance(one.type, str) else one.type.__name__ if type(one.type) is type else str(one.type)
        required = one.default is MISSING
        option = Option(
            backend.name,
            one.name,
            kind,
            None if required else one.default,
            one.metadata.get("help", ""),
            required=required,
            secret=one.metadata.get("secret", False),
            nearest=one.metadata.get("nearest", False),
        )
        if option.base_type not in _CONVERTERS:
            raise SettingsError(
                f"{backend.kind} {backend.name}: its option {one.name} has the type {kind}",
                hint=f"types of options are: {', '.join(_CONVERTERS)}, each perhaps `| None`",
            )
        found.append(option)
    return tuple(found)


def _dashed(text: str) -> str:
    return "".join(character if character.isalnum() else "-" for character in text).strip("-").lower()


# --------------------------------------------------------------------------------------------- conversion


def _text(value: Any, _: str) -> str:
    if not isinstance(value, str):
        raise ValueError("a text")
    return value


def _whole(value: Any, _: str) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise ValueError("a whole number")
    try:
        return int(value)
    except ValueError:
        raise ValueError("a whole number") from None


def _number(value: Any, _: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise ValueError("a number")
    try:
        return float(value)
    except ValueError:
        raise ValueError("a number") from None


def _truth(value: Any, _: str) -> bool:
    if isinstance(value, bool):
        return value
    word = str(value).strip().lower()
    if word in ("true", "yes", "on", "1"):
        return True
    if word in ("false", "no", "off", "0"):
        return False
    raise ValueError("true or false")


def _path(value: Any, folder: str) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("a path")
    return os.path.abspath(os.path.join(folder, os.path.expanduser(value)))


def _texts(value: Any, _: str) -> tuple[str, ...]:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    if isinstance(value, dict):  # a table of a project file, or what Python code has at hand
        value = [f"{name}={part}" for name, part in value.items()]
    if isinstance(value, (list, tuple)) and all(isinstance(part, str) for part in value):
        return tuple(value)
    raise ValueError("texts, separated by commas")


# Type as annotated -> (value as typed or read from TOML, folder that relative paths start from) -> value.
# Each raises ValueError with what it takes.
_CONVERTERS: dict[str, Callable[[Any, str], Any]] = {
    "str": _text,
    "int": _whole,
    "float": _number,
    "bool": _truth,
    "Path": _path,
    "tuple[str,...]": _texts,
}


def convert(option: Option, raw: Any, folder: str) -> Any:
    """The value of what was typed or read. Raises ValueError with what it must be."""
    return _CONVERTERS[option.base_type](raw, folder)


def of_type(option: Option, value: Any) -> Any:
    """A value that Python code gave, as the option takes it; None only where nothing may be said.

    Raises ValueError with what it must be.
    """
    if value is None and option.base_type != option.type.replace(" ", ""):
        return None
    return convert(option, os.fspath(value) if option.base_type == "Path" else value, os.getcwd())


_EXAMPLES = {"int": "4", "float": "0.5", "bool": "true", "Path": "FOLDER", "tuple[str,...]": "a,b"}


def _example(option: Option) -> str:
    example = _EXAMPLES.get(option.base_type, "TEXT")
    return f"{option.flag}={example}   # {option.help}" if option.help else f"{option.flag}={example}"


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


# ----------------------------------------------------------------------------------------------- location


def nearest_folder(name: str, folder: str, home: str | None) -> str:
    """Where a folder of this name stands: in `folder` or the nearest one above it that has one; if none, in `folder`.

    Folders above are looked at below the home folder, or outside of it as long as they are the user's own and nobody
    else may write there; never on another file system. So nothing is found that another user, or another disk, may have
    laid in the way.
    """
    start = os.path.realpath(folder)
    top = os.path.realpath(home) if home else None
    at = start
    while True:
        if os.path.isdir(os.path.join(at, name)):
            return os.path.join(at, name)
        above = os.path.dirname(at)
        if above in (at, top) or not _is_ours(start, above):
            return os.path.join(start, name)
        at = above


def _is_ours(start: str, folder: str) -> bool:
    """Whether a folder above `start` is on its file system, belongs to its owner, and others can't write there."""
    try:
        one, other = os.stat(start), os.stat(folder)
    except OSError:
        return False
    return one.st_dev == other.st_dev and one.st_uid == other.st_uid and not other.st_mode & stat.S_IWOTH


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
                raise UsageError(f"{name}:{key}: {text!r} is not {error}", hint=_example(option)) from None
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
                raise kind(f"{layer.label_of(option)}: {raw!r} is not {error}", hint=_example(option)) from None
        if option.required:
            raise UsageError(f"{option.owner} needs {option.flag}", hint=_example(option))
        if option.nearest:
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
