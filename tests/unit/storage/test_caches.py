"""Where caches lie, on each system."""

from __future__ import annotations

import pytest

from penstock.storage.caches import folder_of


def test_a_cache_is_where_caches_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/elsewhere")
    assert folder_of("chunks") == "/elsewhere/penstock/chunks"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setattr("sys.platform", "linux")
    assert folder_of("chunks") == "/home/me/.cache/penstock/chunks"
    monkeypatch.setattr("sys.platform", "darwin")
    assert folder_of("runtime") == "/home/me/Library/Caches/penstock/runtime"
