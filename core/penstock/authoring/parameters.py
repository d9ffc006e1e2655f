"""Parameter: an input of a run. Declared on the flow's class, given on the command line, the same in every step."""

from __future__ import annotations

import sys

from penstock.errors import FlowError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any

    from penstock.authoring.flow import FlowSpec

# Options of `flow run` and words of FlowSpec that a parameter must not hide.
RESERVED = frozenset({
    "attr", "codepackage", "datastore", "detach", "executor", "executor-for", "help", "json", "logging",
    "max-num-splits", "max-workers", "metadata", "next", "on-failure", "profile", "quiet", "run-id-file", "tag", "with",
})  # fmt: skip
_PASSED_OVER = ("hidden", "metavar")  # of Metaflow's, which gives them to its command line
_TRUE = frozenset({"true", "1", "yes", "y", "on", "t"})
_FALSE = frozenset({"false", "0", "no", "n", "off", "f"})
_KINDS: Mapping[Any, str] = {str: "str", int: "int", float: "float", bool: "bool"}


class JSONTypeClass:
    """The type of a parameter whose text is JSON."""

    def __repr__(self) -> str:
        return "JSONType"


JSONType = JSONTypeClass()


class ParameterContext:
    """What a default that is a function is called with."""

    __slots__ = ("configs", "flow_name", "parameter_name", "user_name")

    def __init__(self, flow_name: str, user_name: str, parameter_name: str, configs: Mapping[str, Any]) -> None:
        self.flow_name, self.user_name, self.parameter_name = flow_name, user_name, parameter_name
        self.configs = configs


class Parameter:
    """A class attribute that a run gives a value.

    name: on the command line (`--alpha`); default: a value, or a function of a ParameterContext, called once a run;
    type: str, int, float, bool or JSONType (from the default where it is not given); separator: the text becomes a
    list; show_default: in the help. Raises FlowError for what can't be meant.
    """

    def __init__(
        self,
        name: str,
        default: Any = None,
        type: Any = None,
        help: str | None = None,
        required: bool | None = None,
        separator: str | None = None,
        show_default: bool = True,
        **others: Any,
    ) -> None:
        self.where = _caller()
        self.name, self.default, self.help = name, default, help
        self.required: Any = required
        self.separator, self.show_default = separator, show_default
        self._check_words(others)
        self.kind = self._kind(type)
        self.attribute = name
        self._check()

    def _kind(self, given: Any) -> str:
        if given is JSONType or given is JSONTypeClass:
            return "json"
        if given is None:
            if callable(self.default) or self.default is None:
                return "str"
            if isinstance(self.default, list | dict | tuple):
                return "str" if self.separator else "json"
            given = self.default.__class__
        if given in _KINDS:
            return _KINDS[given]
        raise self._refuse(f"type={given!r} is none of str, int, float, bool, JSONType", "type=str")

    def _refuse(self, message: str, hint: str) -> FlowError:
        return FlowError(f"Parameter {self.name!r}: {message}", where=self.where, hint=hint)

    def _check_words(self, others: Iterable[str]) -> None:
        for word in others:
            if word not in _PASSED_OVER:
                import difflib

                known = ("name", "default", "type", "help", "required", "separator", "show_default")
                near = difflib.get_close_matches(word, known, 1)
                hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(known)}"
                raise self._refuse(f"it has no argument {word!r}", hint)
        for word in ("required", "separator", "show_default"):
            if callable(getattr(self, word)):
                raise self._refuse(f"{word}= can't be a function", "default= can")

    def _check(self) -> None:
        if not isinstance(self.name, str) or not self.name.replace("-", "_").isidentifier():
            raise self._refuse("a name is made of letters, digits, _ and -", "Parameter('learning_rate', ...)")
        if self.name in RESERVED:
            raise self._refuse(f"--{self.name} is an option of `flow run`", f"Parameter('my_{self.name}', ...)")
        if self.separator is not None and self.kind != "str":
            raise self._refuse("separator= goes with text", "leave out type=, or separator=")
        if self.default is None or callable(self.default) or self.separator is not None:
            return
        try:
            self._converted(self.default)
        except (TypeError, ValueError) as error:
            fitting = self.default.__class__
            hint = f"type={fitting.__name__}" if fitting in _KINDS else "type=JSONType"
            raise self._refuse(f"default={self.default!r} is no {self.kind}", hint) from error

    def _converted(self, value: Any) -> Any:
        """A value that is none of text's doing (a default, or what its function returned) as the declared type."""
        if value is None:
            return None
        if isinstance(value, str):
            if self.separator is not None:
                return value.split(self.separator)
            return value if self.kind == "str" else _parse(self.kind, value)
        if self.separator is not None:
            return list(value)
        if self.kind == "json":
            return value
        if self.kind == "str":
            return str(value)
        if self.kind == "bool" and not isinstance(value, bool | int):
            raise TypeError(value)
        if self.kind == "int" and int(value) != value:
            raise ValueError(value)
        return {"int": int, "float": float, "bool": bool}[self.kind](value)

    # -- as an attribute

    def __set_name__(self, owner: type, attribute: str) -> None:
        self.attribute = attribute

    def __get__(self, flow: Any, owner: type | None = None) -> Any:
        if flow is None:
            return self
        binding = flow.__dict__.get("_binding")
        if binding is None:
            return self
        return binding.fetch(flow, self.attribute)

    # -- as an option

    def data(self) -> dict[str, Any]:
        """As JSON: what the command line must know without importing the flow. default: as text to show, or None."""
        shown = None
        if self.show_default and self.default is not None and not callable(self.default):
            shown = self.default if isinstance(self.default, str) else _shown(self.default)
        return {
            "name": self.name,
            "type": self.kind,
            "required": bool(self.required) and self.default is None,
            "help": self.help or "",
            "default": shown,
            "separator": self.separator,
        }

    def value(self, text: str | None, context: ParameterContext) -> Any:
        """The value of a run: of the text that was given, else of the default. Raises UsageError."""
        if text is not None:
            return convert(self.data(), text)
        if not callable(self.default):
            return self._converted(self.default)
        found = self.default(context)
        try:
            return self._converted(found)
        except (TypeError, ValueError) as error:
            raise UsageError(
                f"the default function of parameter {self.name!r} returned {found!r}, which is no {self.kind}",
                where=self.where,
            ) from error


class IncludeFile(Parameter):
    """A parameter whose text is the path of a file, and whose value is what the file holds when the run begins.

    default: a path, or a function that returns one; is_text: text, else bytes; encoding: of the text, UTF-8 unless
    said. Paths are relative to the working directory. None where no file is given.
    """

    def __init__(
        self,
        name: str,
        default: Any = None,
        required: bool | None = None,
        is_text: bool = True,
        encoding: str | None = None,
        help: str | None = None,
        show_default: bool = True,
        **others: Any,
    ) -> None:
        self.is_text, self.encoding = is_text, encoding or "utf-8"
        super().__init__(name, default, None, help, required, None, show_default, **others)
        frame = sys._getframe(1)
        self.where = f"{frame.f_code.co_filename}:{frame.f_lineno}"

    def _kind(self, given: Any) -> str:
        del given
        return "file"

    def _check(self) -> None:
        super()._check()
        if self.default is not None and not callable(self.default) and not isinstance(self.default, str):
            raise self._refuse(f"default={self.default!r} is no path", "default='FILE'")

    def _converted(self, value: Any) -> Any:
        return value

    def value(self, text: str | None, context: ParameterContext) -> Any:
        """What the file holds. Raises UsageError for one that can't be read."""
        path = text if text is not None else self.default
        path = path(context) if callable(path) else path
        if path is None:
            return None
        try:
            with open(_file(path), "rb") as file:
                raw = file.read()
            return raw.decode(self.encoding) if self.is_text else raw
        except UnicodeDecodeError as error:
            raise UsageError(
                f"{path} is no text in {self.encoding}: {error}", where=f"--{self.name}",
                hint=f"IncludeFile({self.name!r}, is_text=False)",
            ) from error  # fmt: skip
        except (OSError, ValueError) as error:
            raise UsageError(f"{path} can't be read: {error}", where=f"--{self.name}", hint=f"ls -l {path}") from error


def _file(text: str) -> str:
    """The path of a file that is there. Raises ValueError."""
    import os

    if os.path.isdir(text):
        raise ValueError("it is a folder")
    if not os.path.exists(text):
        raise ValueError("there is no such file")
    return text


def parameters_of(flow_class: type[FlowSpec]) -> dict[str, Parameter]:
    """Parameters of a flow by the name of their attribute, in the order of their declaration; subclasses win."""
    found: dict[str, Parameter] = {}
    for cls in reversed(flow_class.__mro__):
        for name, value in vars(cls).items():
            if isinstance(value, Parameter):
                found[name] = value
            else:
                found.pop(name, None)
    return found


def check_names(parameters: Iterable[Parameter]) -> None:
    """Refuse two parameters whose options or variables would be one. Raises FlowError."""
    found: dict[str, Parameter] = {}
    for one in parameters:
        spelt = one.name.replace("-", "_").lower()
        other = found.setdefault(spelt, one)
        if other is not one:
            raise FlowError(
                f"two parameters have the name {one.name!r}" if one.name == other.name else
                f"the parameters {other.name!r} and {one.name!r} can't be told apart: capitals, - and _ do not count",
                where=one.where,
                hint=f"another name: Parameter('{one.name}_2', ...)",
            )  # fmt: skip


def _caller() -> str:
    frame = sys._getframe(2)
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


def _shown(value: Any) -> str:
    import json

    try:
        return json.dumps(value)
    except (TypeError, ValueError):
        return str(value)


def convert(declaration: Mapping[str, Any], text: str) -> Any:
    """The value of a text as typed, by `Parameter.data()`. Raises UsageError that names the option."""
    if declaration["separator"] is not None:
        return text.split(declaration["separator"])
    kind = declaration["type"]
    try:
        return _parse(kind, text)
    except ValueError as error:
        wanted = _WANTED[kind]
        detail = f" ({error})" if kind in ("json", "file") else ""
        raise UsageError(
            f"--{declaration['name']} takes {wanted}, not {text!r}{detail}",
            where=f"--{declaration['name']}",
            hint=f"--{declaration['name']}={_EXAMPLES[kind]}",
        ) from error


_WANTED = {
    "int": "a whole number", "float": "a number", "bool": "true or false", "json": "JSON", "file": "a file",
}  # fmt: skip
_EXAMPLES = {"file": "PATH", "int": "3", "float": "0.5", "bool": "true", "json": '\'{"a": 1}\''}


def _parse(kind: str, text: str) -> Any:
    parsers: dict[str, Callable[[str], Any]] = {
        "str": str, "int": int, "float": float, "bool": _bool, "json": _json, "file": _file,
    }  # fmt: skip
    return parsers[kind](text)


def _bool(text: str) -> bool:
    word = text.strip().lower()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise ValueError(text)


def _json(text: str) -> Any:
    import json

    return json.loads(text)
