"""Options: what can be declared, and which values each type takes."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from penstock.errors import SettingsError
from penstock.options import Option, convert, options_of
from penstock.plugin import Backend, option


@pytest.mark.parametrize("value", [True, 3, 2.5, ["a"], None])
@pytest.mark.parametrize("kind", ["str", "int", "float", "bool", "Path", "tuple[str, ...]"])
def test_toml_values_convert_or_are_refused_with_what_is_wanted(kind: str, value: object) -> None:
    try:
        convert(Option("x", "y", kind), value, "/")
    except ValueError as error:
        assert str(error).startswith(("a ", "true", "texts"))


def test_a_table_becomes_texts() -> None:
    assert convert(Option("x", "y", "tuple[str, ...]"), {"a": "b", "c": 1}, "/") == ("a=b", "c=1")


def test_an_option_must_have_a_type_that_can_be_typed() -> None:
    @dataclass(frozen=True)
    class Odd:
        table: dict[str, str] = option(None, help="")

    backend = Backend(kind="executor", name="odd", contract=1, summary="", target="a:b", options=Odd)
    with pytest.raises(SettingsError, match="its option table has the type"):
        options_of(backend)
