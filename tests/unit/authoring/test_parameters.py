"""Parameters: each type from text and from Python, defaults and their functions, and what is refused with its line."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock import JSONType, Parameter
from penstock.authoring.flow import FlowSpec
from penstock.authoring.parameters import RESERVED, ParameterContext, check_names, convert, parameters_of
from penstock.errors import FlowError, UsageError

CONTEXT = ParameterContext("F", "ann", "p", {})


def value(parameter: Parameter, text: str | None = None) -> Any:
    return parameter.value(text, CONTEXT)


# ------------------------------------------------------------------------------------------------- refused

REFUSED: dict[str, tuple[dict[str, Any], str, str]] = {
    "odd name": ({"name": "a b"}, "letters, digits, _ and -", "Parameter("),
    "empty name": ({"name": ""}, "letters, digits, _ and -", "Parameter("),
    "name of a number": ({"name": "3x"}, "letters, digits, _ and -", "Parameter("),
    "no text": ({"name": 3}, "letters, digits, _ and -", "Parameter("),
    "unknown type": ({"name": "p", "type": list}, "none of str, int, float, bool, JSONType", "type=str"),
    "type as text": ({"name": "p", "type": "int"}, "none of str, int, float, bool, JSONType", "type=str"),
    "default of another type": ({"name": "p", "default": "x", "type": int}, "default='x' is no int", "type=str"),
    "half a number": ({"name": "p", "default": 1.5, "type": int}, "default=1.5 is no int", "type=float"),
    "truth in words": ({"name": "p", "default": "maybe", "type": bool}, "default='maybe' is no bool", "type=str"),
    "truth as a list": ({"name": "p", "default": [], "type": bool}, "default=[] is no bool", "type=JSONType"),
    "broken JSON": ({"name": "p", "default": "{", "type": JSONType}, "default='{' is no json", "type=str"),
    "separator of a number": ({"name": "p", "default": 3, "separator": ","}, "separator= goes with text", "separator="),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused_with_the_user_s_line(case: str) -> None:
    words, message, hint = REFUSED[case]
    with pytest.raises(FlowError) as told:
        Parameter(**words)
    assert message in told.value.message
    assert hint in told.value.hint
    assert told.value.where.rpartition(":")[0] == __file__


@pytest.mark.parametrize("name", sorted(RESERVED))
def test_names_of_options_are_taken(name: str) -> None:
    with pytest.raises(FlowError, match=f"--{name} is an option"):
        Parameter(name)


@pytest.mark.parametrize(
    ("one", "other", "message"),
    [
        ("alpha", "alpha", "two parameters have the name 'alpha'"), ("alpha", "Alpha", "can't be told apart"),
        ("a-b", "a_b", "can't be told apart"),
    ],
)  # fmt: skip
def test_two_parameters_that_would_be_one_option(one: str, other: str, message: str) -> None:
    with pytest.raises(FlowError, match=message) as told:
        check_names([Parameter("x"), Parameter(one), Parameter(other)])
    assert told.value.where.rpartition(":")[0] == __file__


def test_parameters_with_names_of_their_own() -> None:
    check_names([Parameter("a"), Parameter("b"), Parameter("a_b")])


# ------------------------------------------------------------------------------------------------- of text

TEXTS: list[tuple[dict[str, Any], str, Any]] = [
    ({}, "x", "x"), ({}, "", ""), ({"default": "d"}, " x ", " x "), ({"type": str}, "3", "3"),
    ({"default": 3}, "-4", -4), ({"type": int}, " 4 ", 4), ({"type": int}, "1_000", 1000),
    ({"default": 0.5}, "1e-3", 0.001), ({"type": float}, "3", 3.0), ({"type": float}, "inf", float("inf")),
    (
        {"default": True}, "False", False
    ), ({"type": bool}, "YES", True), ({"type": bool}, "0", False), ({"type": bool}, " on ", True),
    (
        {"type": JSONType}, '{"a": [1, null]}', {"a": [1, None]}
    ), ({"type": type(JSONType)}, "3", 3), ({"default": {"a": 1}}, "[]", []),
    ({"default": "a,b", "separator": ","}, "c", ["c"]), (
        {"separator": ","}, "a,b,,c", ["a", "b", "", "c"]
    ), ({"separator": "::"}, "a::b", ["a", "b"]),
    ({"default": ["a"], "separator": ","}, "x,y", ["x", "y"]),
]  # fmt: skip


@pytest.mark.parametrize(("words", "text", "expected"), TEXTS)
def test_texts(words: dict[str, Any], text: str, expected: Any) -> None:
    found = value(Parameter("p", **words), text)
    assert found == expected
    assert type(found) is type(expected)
    assert convert(Parameter("p", **words).data(), text) == expected


@pytest.mark.parametrize(
    ("words", "text", "wanted"),
    [
        ({"type": int}, "x", "a whole number"), ({"type": int}, "", "a whole number"),
        ({"type": int}, "1.0", "a whole number"), ({"type": float}, "fast", "a number"),
        ({"type": bool}, "maybe", "true or false"), ({"type": bool}, "", "true or false"),
        ({"type": JSONType}, "{'a': 1}", "JSON"), ({"type": JSONType}, "", "JSON"),
    ],
)  # fmt: skip
def test_texts_that_are_refused(words: dict[str, Any], text: str, wanted: str) -> None:
    with pytest.raises(UsageError) as told:
        value(Parameter("rate", **words), text)
    assert f"--rate takes {wanted}, not {text!r}" in told.value.message
    assert told.value.where == "--rate"
    assert told.value.hint.startswith("--rate=")


# ---------------------------------------------------------------------------------------------- of Python

DEFAULTS: list[tuple[dict[str, Any], Any]] = [
    ({}, None), (
        {"default": None, "type": int}, None
    ), ({"default": 3}, 3), ({"default": "3", "type": int}, 3), ({"default": 3, "type": float}, 3.0),
    ({"default": 3.0, "type": int}, 3), ({"default": 1, "type": bool}, True), (
        {"default": "no", "type": bool}, False
    ), ({"default": 3, "type": str}, "3"),
    ({"default": [1, 2]}, [1, 2]), ({"default": (1, 2)}, (1, 2)), ({"default": '{"a": 1}', "type": JSONType}, {"a": 1}),
    ({"default": "a,b", "separator": ","}, ["a", "b"]), ({"default": ("a", "b"), "separator": ","}, ["a", "b"]),
    (
        {"default": lambda context: context.flow_name + context.user_name}, "Fann"
    ), ({"default": lambda _: "4", "type": int}, 4),
    ({"default": lambda _: None}, None), (
        {"default": lambda context: [context.parameter_name], "type": JSONType}, ["p"]
    ),
]  # fmt: skip


@pytest.mark.parametrize(("words", "expected"), DEFAULTS)
def test_defaults(words: dict[str, Any], expected: Any) -> None:
    found = value(Parameter("p", **words))
    assert found == expected
    assert type(found) is type(expected)


def test_a_default_function_is_not_called_for_a_given_text() -> None:
    def never(context: ParameterContext) -> str:
        raise AssertionError

    assert value(Parameter("p", default=never), "x") == "x"


def test_a_default_function_of_another_type() -> None:
    with pytest.raises(
        UsageError, match=r"the default function of parameter 'p' returned 'x', which is no int"
    ) as told:
        value(Parameter("p", type=int, default=lambda _: "x"))
    assert told.value.where.rpartition(":")[0] == __file__


@given(st.one_of(st.integers(), st.floats(allow_nan=False), st.booleans(), st.text()))
def test_what_is_shown_as_default_gives_the_default_when_typed(default: Any) -> None:
    parameter = Parameter("p", default=default)
    shown = parameter.data()["default"]
    assert value(parameter, shown) == value(parameter)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_json_of_any_shape(default: Any) -> None:
    parameter = Parameter("p", type=JSONType)
    assert value(parameter, json.dumps(default)) == default


# --------------------------------------------------------------------------------------------- as a member


class Base(FlowSpec):
    alpha = Parameter("alpha", default=1)
    beta = Parameter("beta-name", default=2, help="about beta")
    gone = Parameter("gone")


class Derived(Base):
    alpha = Parameter("alpha", default=5)  # type: ignore[assignment]
    gone = 3  # type: ignore[assignment]
    extra = Parameter("extra", required=True)


def test_parameters_of_a_class_and_of_the_one_that_inherits() -> None:
    assert list(parameters_of(Base)) == ["alpha", "beta", "gone"]
    found = parameters_of(Derived)
    assert set(found) == {"alpha", "beta", "extra"}
    assert found["alpha"].default == 5
    assert (found["beta"].name, found["beta"].attribute) == ("beta-name", "beta")


def test_outside_a_run_an_attribute_is_the_declaration() -> None:
    assert Base.alpha is vars(Base)["alpha"]
    assert Base(use_cli=False).alpha is vars(Base)["alpha"]


def test_as_data() -> None:
    assert vars(Base)["beta"].data() == {
        "name": "beta-name", "type": "int", "required": False, "help": "about beta", "default": "2", "separator": None,
    }  # fmt: skip
    assert vars(Derived)["extra"].data()["required"]
    assert Parameter("p", default=lambda _: 1).data()["default"] is None
    assert Parameter("p", default=3, show_default=False).data()["default"] is None
    assert Parameter("p", default=3, required=True).data()["required"] is False
    assert repr(JSONType) == "JSONType"
