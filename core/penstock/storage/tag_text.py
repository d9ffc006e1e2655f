"""What may be a tag: text of 1 to 500 characters."""

from __future__ import annotations

from penstock.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

LONGEST = 500  # characters, as in Metaflow


def tag_text(tag: object) -> str:
    """A tag as text; bytes are read as UTF-8. Raises UsageError."""
    if isinstance(tag, bytes):
        try:
            tag = tag.decode("utf-8")
        except UnicodeDecodeError as error:
            raise UsageError(f"a tag must be text, and these bytes are not UTF-8: {tag[:40]!r}") from error
    if not isinstance(tag, str):
        raise UsageError(f"a tag must be text, not {type(tag).__name__}")
    if not tag:
        raise UsageError("a tag can't be empty")
    if len(tag) > LONGEST:
        raise UsageError(f"a tag has at most {LONGEST} characters, this one {len(tag)}: {tag[:40]!r}...")
    try:
        tag.encode("utf-8")
    except UnicodeEncodeError as error:
        raise UsageError(f"a tag must be text that can be written as UTF-8: {tag[:40]!r}") from error
    return tag


def tag_texts(tags: object) -> list[str]:
    """One tag or several, each once, in the order given. Raises UsageError for the first that is none."""
    several: Iterable[object] = tags if isinstance(tags, list | tuple | set | frozenset) else (tags,)
    return list(dict.fromkeys(tag_text(tag) for tag in several))
