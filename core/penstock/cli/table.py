"""Rows as aligned columns for a terminal; what would steer it is escaped."""

from __future__ import annotations

from penstock.printable import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """One line a row below a line of heads; the last column is as long as it is, a column without text is left out."""
    every = [tuple(heads), *(tuple(map(printable, row)) for row in rows)]
    used = [number for number in range(len(heads)) if any(row[number] for row in every[1:])]
    widths = {number: max(len(row[number]) for row in every) for number in used}
    return ["  ".join(row[number].ljust(widths[number]) for number in used).rstrip() for row in every]
