"""The name that somebody probably meant."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_SHOWN = 8


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known name that is most like `word`, None where none is: one number is no misspelling of another."""
    import difflib

    if word.isdigit():
        return None
    by_sound = {name.casefold(): name for name in known}
    return next((by_sound[one] for one in difflib.get_close_matches(word.casefold(), list(by_sound), 1)), None)


def hint(word: str, known: Iterable[str]) -> str:
    """What to say to somebody who typed `word`: the nearest name, else what there is; empty where there is nothing."""
    names = list(known)
    near = nearest(word, names)
    if near is not None:
        return f"did you mean {near!r}?"
    shown = ", ".join(names[:_SHOWN])
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"there are: {shown}{more}" if names else ""
