"""The code of a run as content-addressed archives, and the bootstrap by which a bare interpreter comes to them.

    code       the flow file and what belongs to it: every run has one, local ones too, so that it can be continued and
               its classes can be read later
    runtime    penstock itself and what the worker needs of its plugins, pure Python: only for jobs elsewhere
    launch     both for the jobs elsewhere of a run, and how they open the store: one object, so that a job fetches once
"""

from __future__ import annotations

import json
import os

from penstock.errors import BackendMisconfigured, ChunkDamaged, FlowError, PluginError
from penstock.storage import keys
from penstock.storage.sha256 import sha256
from penstock.storage.zipped import MOST_MEMBERS, zipped
from penstock.values import RUNTIME_VARIABLE, WRONG_PYTHON_EXIT_CODE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path
    from typing import Any

    from penstock.contracts.datastore import Datastore

DEFAULT_SUFFIXES = (".py", ".R", ".RDS")
LARGEST_BYTES = 50 * 1000 * 1000
_SKIPPED_FOLDERS = frozenset({"__pycache__", "node_modules", "site-packages", "venv", "env"})
_SKIPPED_NAMES = (".env", ".netrc")
_SKIPPED_SUFFIXES = (".pem", ".key")
RUNTIME_PACKAGES = ("penstock", "cloudpickle")


def pack(files: Mapping[str, str], texts: Mapping[str, bytes] | None = None) -> bytes:
    """An archive of files, name inside -> path, and of texts, name inside -> content; the same give the same bytes."""
    members = []
    for inside in sorted(files):
        with open(files[inside], "rb") as file:
            members.append((inside, file.read()))
    return zipped([*members, *sorted((texts or {}).items())])


def put(datastore: Datastore, data: bytes) -> str:
    """Store an archive under the sha256 of its bytes, which is returned."""
    name = sha256(data).hexdigest()
    datastore.put_content(keys.code(name), data)
    return name


def get(datastore: Datastore, name: str) -> bytes:
    """An archive by its sha256. Raises KeyMissing, ChunkDamaged."""
    data = datastore.get(keys.code(name))
    if sha256(data).hexdigest() != name:
        raise ChunkDamaged(
            f"the code archive {keys.code(name)} is damaged",
            hint="flow resume FILE   # a new run, with the code as it is now",
        )
    return data


def files(data: bytes) -> dict[str, bytes]:
    """The files of an archive, name inside -> content. Raises ChunkDamaged for a name that leads outside."""
    import io
    import zipfile

    found = {}
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for member in archive.infolist():
            parts = member.filename.split("/")
            if member.filename.startswith("/") or ".." in parts or "" in parts or "\\" in member.filename:
                raise ChunkDamaged(f"the code archive holds an odd name: {member.filename!r}")
            found[member.filename] = archive.read(member)
    return found


def unpack(data: bytes, folder: str) -> None:
    """Write the files of an archive below `folder`. Raises ChunkDamaged for a name that leads outside."""
    for inside, content in files(data).items():
        path = os.path.join(folder, *inside.split("/"))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(content)


# -------------------------------------------------------------------------------------- what goes into one


def code_here(file: str, modules: Iterable[str]) -> dict[str, str]:
    """Files of a run whose jobs are on this machine: the flow file and what it imports from its folder."""
    folder = os.path.dirname(file)
    return {os.path.relpath(path, folder).replace(os.sep, "/"): path for path in {file, *modules}}


def code_elsewhere(file: str, suffixes: tuple[str, ...] = DEFAULT_SUFFIXES) -> dict[str, str]:
    """Files of a run whose jobs are elsewhere: everything below the flow's folder with one of `suffixes`.

    Hidden folders, virtual environments, keys and what `.flowignore` names (one pattern a line) are left out.
    Raises FlowError above 50 MB, with the largest files, for more files than an archive holds, and for a name that is
    not UTF-8.
    """
    folder = os.path.dirname(file)
    found = {inside: path for inside, path in _walk(folder, _ignored(folder)) if path.endswith(suffixes)}
    found[os.path.basename(file)] = file
    _refuse_odd_names(found, file)
    if len(found) > MOST_MEMBERS:
        raise FlowError(
            f"{len(found):,} files of code lie below {folder}, more than {MOST_MEMBERS:,}",
            where=folder,
            hint=f"echo 'FOLDER/*' >> {os.path.join(folder, '.flowignore')}",
        )
    sizes = {inside: os.path.getsize(path) for inside, path in found.items()}
    if sum(sizes.values()) > LARGEST_BYTES:
        largest = sorted(sizes, key=lambda inside: -sizes[inside])[:5]
        listed = ", ".join(f"{inside} ({sizes[inside] / 1e6:.0f} MB)" for inside in largest)
        raise FlowError(
            f"the code below {folder} is {sum(sizes.values()) / 1e6:.0f} MB, more than 50: {listed}",
            where=folder,
            hint=f"echo {largest[0]} >> {os.path.join(folder, '.flowignore')}",
        )
    return found


def _refuse_odd_names(found: Mapping[str, str], file: str) -> None:
    """The names in an archive are UTF-8: a job that can't read one does not begin."""
    for inside, path in found.items():
        pattern = inside.encode("utf-8", "replace").decode("utf-8")  # has ? for each byte that is not
        if pattern != inside:
            import shlex

            whole = os.path.dirname(pattern) != os.path.dirname(inside)
            pattern = f"{os.path.dirname(pattern)}/*" if whole else pattern
            ignore = f"echo {shlex.quote(pattern)} >> {os.path.join(os.path.dirname(file), '.flowignore')}"
            raise FlowError(
                f"the name of {inside!r} is not UTF-8: jobs elsewhere can't have that file",
                where=os.path.dirname(file),
                hint=ignore if path != file else "a name in UTF-8 for the flow file",
            )


def _ignored(folder: str) -> list[str]:
    path = os.path.join(folder, ".flowignore")
    if not os.path.exists(path):
        return []
    with open(path, encoding="utf-8") as file:
        return [line.strip() for line in file if line.strip() and not line.startswith("#")]


def _walk(folder: str, ignored: list[str]) -> Iterator[tuple[str, str]]:
    from fnmatch import fnmatch

    for at, folders, files in os.walk(folder):
        folders[:] = [
            name
            for name in folders
            if not name.startswith(".")
            and name not in _SKIPPED_FOLDERS
            and not os.path.exists(os.path.join(at, name, "pyvenv.cfg"))
        ]
        for name in files:
            inside = os.path.relpath(os.path.join(at, name), folder).replace(os.sep, "/")
            if not os.path.isfile(os.path.join(at, name)):  # a link that leads nowhere, a socket
                continue
            secret = name.startswith(_SKIPPED_NAMES) or name.endswith(_SKIPPED_SUFFIXES)
            if not secret and not any(fnmatch(inside, pattern) or fnmatch(name, pattern) for pattern in ignored):
                yield inside, os.path.join(at, name)


def runtime(packages: Iterable[str]) -> dict[str, str]:
    """Files of installed import packages, pure Python only. Raises PluginError for one that is not installed."""
    import importlib.util

    found = {}
    for package in sorted({*RUNTIME_PACKAGES, *packages}):
        spec = importlib.util.find_spec(package)
        if spec is None:
            raise PluginError(f"the package {package} is not installed", hint=f"pip install {package}")
        for folder in spec.submodule_search_locations or ():
            for at, folders, files in os.walk(folder):
                folders[:] = [name for name in folders if name != "__pycache__"]
                for name in files:
                    if name.endswith(".py"):
                        path = os.path.join(at, name)
                        found[f"{package}/{os.path.relpath(path, folder)}".replace(os.sep, "/")] = path
    return found


# ---------------------------------------------------------------------------------------------- bootstrap

# Runs in a bare interpreter of any supported version, after the store's own source has defined `fetch(key)`.
_LOADER = """
import hashlib, importlib, io, json, os, sys, tempfile, zipfile
if sys.version_info < (3, 11):
    sys.stderr.write("penstock: this image has Python %d.%d; jobs need 3.11 or later\\n" % sys.version_info[:2])
    sys.exit(WRONG_PYTHON_EXIT_CODE)
def take(name):
    data = fetch("code/" + name)
    if hashlib.sha256(data).hexdigest() != name:
        sys.exit("penstock: the archive code/%s is damaged" % name)
    return data
def unpack(data, folder):
    zipfile.ZipFile(io.BytesIO(data)).extractall(folder)
whole = zipfile.ZipFile(io.BytesIO(take(sys.argv[1])))
launch = json.loads(whole.read("launch"))
folder = tempfile.mkdtemp(prefix="penstock-")
unpack(whole.read("code"), os.path.join(folder, "code"))
packed = whole.read("runtime")
runtime = os.path.join(os.environ.get(RUNTIME_VARIABLE, ""), hashlib.sha256(packed).hexdigest())
if not os.access(runtime, os.R_OK | os.X_OK):
    runtime = os.path.join(folder, "runtime")
    unpack(packed, runtime)
sys.path.insert(0, runtime)
importlib.import_module(launch.get("main", "penstock.host.once")).main(launch, folder, sys.argv[2])
"""


def command(datastore: Datastore, launch: str, message: str) -> tuple[str, ...]:
    """The argv of a worker that needs a Python of a supported version and the store, and nothing else.

    launch: sha256 of the launch object. Raises BackendMisconfigured when the store can't be reached from a bare
    interpreter.
    """
    fetch = datastore.bootstrap()
    if fetch is None:
        raise BackendMisconfigured(
            f"jobs elsewhere can't start from {datastore.label}: it has no bootstrap", hint="--datastore=..."
        )
    loader = _LOADER.replace("RUNTIME_VARIABLE", repr(RUNTIME_VARIABLE))
    loader = loader.replace("WRONG_PYTHON_EXIT_CODE", str(WRONG_PYTHON_EXIT_CODE))
    return ("python3", "-c", _packed(fetch + loader), launch, message)


def _packed(source: str) -> str:
    import base64
    import zlib

    packed = base64.b85encode(zlib.compress(source.encode("utf-8"), 9)).decode("ascii")
    return f"import base64,zlib;exec(zlib.decompress(base64.b85decode({packed!r})))"


def put_launch(datastore: Datastore, data: Mapping[str, Any], *, runtime: bytes, code: bytes) -> str:
    """Store what the jobs of a run fetch: two archives and `data`, as one object; returns its sha256."""
    parts = {"launch": json.dumps(data, sort_keys=True).encode("ascii"), "runtime": runtime, "code": code}
    return put(datastore, zipped(parts.items(), compress=False))


def private_folder(data: bytes, prefix: str) -> Path:
    """Unpack an archive into a new folder of this user's alone."""
    import tempfile
    from pathlib import Path

    folder = tempfile.mkdtemp(prefix=prefix)
    unpack(data, folder)
    return Path(folder)
