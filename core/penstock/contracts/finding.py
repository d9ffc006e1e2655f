"""What a backend finds out about itself when somebody asks `flow doctor`."""

from __future__ import annotations

GOOD, DOUBTFUL, BAD = "good", "doubtful", "bad"
STATES = (GOOD, DOUBTFUL, BAD)


class Finding:
    """One thing that was looked at.

    what: a word or two (`image`); said: what was found, one line; state: one of `STATES` (DOUBTFUL: a run may do well
    all the same); hint: what to type next, where it is not good.
    """

    __slots__ = ("hint", "said", "state", "what")

    def __init__(self, what: str, said: str, state: str = GOOD, hint: str = "") -> None:
        self.what, self.said, self.state, self.hint = what, said, state, hint

    def __repr__(self) -> str:
        return f"Finding({self.what!r}, {self.said!r}, {self.state!r}, {self.hint!r})"
