"""Times and sizes as people read them."""

from __future__ import annotations

import time


def bytes_text(size: float) -> str:
    """`512 B`, `3.1 kB`, `7.9 GB`: decimal units."""
    if size < 1000:
        return f"{size:.0f} B"
    for unit in ("kB", "MB", "GB"):
        size /= 1000
        if size < 999.95:
            return f"{size:.1f} {unit}"
    return f"{size / 1000:.1f} TB"


def duration_text(seconds: float | None) -> str:
    """`0.3s`, `41s`, `1:07`, `2:03:44`; empty for None."""
    if seconds is None:
        return ""
    if seconds < 9.95:
        return f"{max(0.0, seconds):.1f}s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}:{minutes:02}:{rest:02}"
    return f"{minutes}:{rest:02}" if minutes else f"{rest}s"


def moment_text(unix_s: float | None) -> str:
    """`2026-11-24 02:29:05` in local time; empty for None."""
    return "" if unix_s is None else time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(unix_s))
