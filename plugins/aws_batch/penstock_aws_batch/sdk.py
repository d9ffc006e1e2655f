"""The AWS SDK as files, for a driver in a job whose image has none: its modules, and its models of what we call."""

from __future__ import annotations

import importlib.util
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PACKAGES = ("boto3", "botocore", "s3transfer", "jmespath", "urllib3", "dateutil")
MODULES = ("six",)
SERVICES = ("batch", "logs", "sts", "iam", "ecr")
_DATA = "botocore/data"  # a folder for each service, 20 MB in all
_LEFT_OUT = ("tests", "__pycache__")


def files() -> Mapping[str, str]:
    """Name inside an archive -> path."""
    found = {f"{name}.py": str(_spec(name).origin) for name in MODULES}
    for package in PACKAGES:
        (folder,) = _spec(package).submodule_search_locations or ("",)
        for path in _walk(folder):
            inside = f"{package}/{os.path.relpath(path, folder)}".replace(os.sep, "/")
            if _is_needed(inside):
                found[inside] = path
    return found


def _is_needed(inside: str) -> bool:
    if inside.startswith(f"{_DATA}/"):
        parts = inside.split("/")
        return len(parts) == 3 or parts[2] in SERVICES
    return inside.endswith((".py", ".json", ".pem"))


def _walk(folder: str) -> Iterator[str]:
    for at, folders, names in os.walk(folder):
        folders[:] = [one for one in folders if one not in _LEFT_OUT]
        yield from (os.path.join(at, name) for name in names)


def _spec(name: str) -> importlib.machinery.ModuleSpec:
    spec = importlib.util.find_spec(name)
    assert spec is not None, f"boto3 came without {name}"
    return spec
