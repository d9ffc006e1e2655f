"""What the user's code raised: as data and as text, whatever the exception does."""

from __future__ import annotations

import pytest

from penstock.errors import FlowError
from penstock.running.raised import LONGEST_CHAIN, caught_error, describe, text_of


class Sly(Exception):
    def __str__(self) -> str:
        raise RuntimeError


def raised(source: str) -> BaseException:
    with pytest.raises(BaseException) as found:
        exec(compile(source, "user.py", "exec"), {"Sly": Sly, "FlowError": FlowError})
    return found.value


CYCLE = "try:\n  1 / 0\nexcept ZeroDivisionError as e:\n  raise e from e"
PAIR = "a, b = ValueError('a'), KeyError('b')\na.__cause__, b.__cause__ = b, a\nraise a"
CONTEXT = "try:\n  1 / 0\nexcept ZeroDivisionError:\n  raise ValueError('then')"
FROM = "try:\n  1 / 0\nexcept ZeroDivisionError as e:\n  raise ValueError('then') from e"
NONE = "try:\n  1 / 0\nexcept ZeroDivisionError:\n  raise ValueError('then') from None"


@pytest.mark.parametrize(
    ("source", "kind", "message", "line", "parts"),
    [
        ("raise ValueError('x')", "ValueError", "x", 1, ["ValueError: x\n"]),
        ("\nraise SystemExit", "SystemExit", "", 2, ["SystemExit\n"]),
        ("raise Sly", f"{__name__}.Sly", "<Sly whose str() raises RuntimeError>", 1, []),
        (CYCLE, "ZeroDivisionError", "division by zero", 2, ["ZeroDivisionError: division by zero\n"]),
        (PAIR, "ValueError", "a", 3, ["KeyError: 'b'\n", "direct cause of", "ValueError: a\n"]),
        (CONTEXT, "ValueError", "then", 4, ["ZeroDivisionError: ", "During its handling came", "ValueError: then"]),
        (FROM, "ValueError", "then", 4, ["ZeroDivisionError: ", "direct cause of", "ValueError: then"]),
        (NONE, "ValueError", "then", 4, ["ValueError: then"]),
    ],
)
def test_an_exception_and_what_is_behind_it(source: str, kind: str, message: str, line: int, parts: list[str]) -> None:
    found = describe(raised(source))
    assert (found["type"], found["message"], found["file"]) == (kind, message, "user.py")
    assert found["line"] in (line, source.count("\n") + 1)
    places = [found["traceback"].index(part) for part in parts]
    assert places == sorted(places)
    links = found["traceback"].count("During its handling") + found["traceback"].count("direct cause of")
    assert links == len(parts) // 2, "each is told once, and nothing that a user has hidden"


def test_a_chain_without_end_is_cut_and_costs_no_stack() -> None:
    error: BaseException = ValueError("0")
    for number in range(1, 5 * LONGEST_CHAIN):
        later = ValueError(str(number))
        later.__cause__, error = error, later
    text = describe(error)["traceback"]
    assert text.endswith(f"ValueError: {5 * LONGEST_CHAIN - 1}\n")
    assert text.count("direct cause") == LONGEST_CHAIN - 1


def test_an_error_of_ours_is_told_by_its_message_and_hint() -> None:
    error = FlowError("no such step", where="flow.py:3", hint="self.next(self.end)")
    said = describe(error)
    assert text_of(error, said) == "flow.py:3: FlowError: no such step\n  self.next(self.end)\n"


def test_catch_keeps_type_message_and_traceback() -> None:
    found = caught_error(raised(CYCLE), "train")
    assert (found.type, found.message, found.step) == ("ZeroDivisionError", "division by zero", "train")
    assert "1 / 0" not in found.message
