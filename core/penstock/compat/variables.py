"""Environment variables under Metaflow's names: scripts that set them go on working."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_SAME = {
    "METAFLOW_USER": "PENSTOCK_USER",
    "METAFLOW_DEFAULT_DATASTORE": "PENSTOCK_DATASTORE",
    "METAFLOW_DEFAULT_METADATA": "PENSTOCK_METADATA",
    "METAFLOW_DEFAULT_DECOSPECS": "PENSTOCK_WITH",
    "METAFLOW_BRANCH": "PENSTOCK_BRANCH",
    "METAFLOW_PRODUCTION": "PENSTOCK_PRODUCTION",
    "METAFLOW_PACKAGE_SUFFIXES": "PENSTOCK_PACKAGE_SUFFIXES",
    "METAFLOW_RUN_MAX_WORKERS": "PENSTOCK_MAX_WORKERS",
}
_PARAMETER, OUR_PARAMETER = "METAFLOW_RUN_", "PENSTOCK_RUN_"


def translated(environ: Mapping[str, str]) -> dict[str, str]:
    """A copy in which each variable of Metaflow's also stands under our name, unless that is set by itself."""
    found = dict(environ)
    for name, value in environ.items():
        ours = _SAME.get(name)
        if name.startswith(_PARAMETER):
            ours = OUR_PARAMETER + name[len(_PARAMETER) :]
        if ours is not None:
            found.setdefault(ours, value)
    return found
