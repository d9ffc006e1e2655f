"""Who runs this: the first variable that says it, Metaflow's among them."""

from __future__ import annotations

import pytest

from penstock.user_name import user_name

NAMES = ("PENSTOCK_USER", "METAFLOW_USER", "USER", "LOGNAME", "USERNAME")


@pytest.mark.parametrize(
    ("environ", "changes", "name"),
    [
        ({"USER": "ann"}, {}, "ann"),
        ({"USER": "ann", "METAFLOW_USER": "bob"}, {}, "bob"),
        ({"METAFLOW_USER": "bob", "PENSTOCK_USER": "eve"}, {}, "eve"),
        ({"USER": "ann"}, {"METAFLOW_USER": "of the file"}, "of the file"),
        ({"USER": "ann", "PENSTOCK_USER": "eve"}, {"PENSTOCK_USER": None}, "ann"),
        ({"USER": "", "LOGNAME": "log"}, {}, "log"),
    ],
)
def test_the_first_that_is_set(
    environ: dict[str, str], changes: dict[str, str | None], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for one in NAMES:
        monkeypatch.delenv(one, raising=False)
    for one, value in environ.items():
        monkeypatch.setenv(one, value)
    assert user_name(changes) == name
