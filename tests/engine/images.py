"""Images out of what this machine has: an interpreter, the libraries that it links to, a shell. No registry, no build.

An image is imported once for each engine and content, and found by its tag from then on: a few seconds the first time.
Every image has the label `penstock.test`, so that all of them can be removed:
`docker image ls --quiet --filter label=penstock.test | xargs docker image rm --force`.
"""

from __future__ import annotations

import functools
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import docker
import docker.errors

from tests.engine.pythons import Python

LABEL = "penstock.test"
REPOSITORY = "penstock-test/{name}"
TOOLS = ("sh", "cat", "env", "false", "head", "id", "ls", "mkdir", "rm", "sleep", "true")
_OPENED_BY_NAME = ("libzstd.so.1", "libnss_files.so.2", "libnss_dns.so.2")  # linked to by nobody, loaded all the same
_CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
_LEFT_OUT = frozenset({"site-packages", "dist-packages", "test", "tests", "idlelib", "tkinter", "ensurepip", "lib2to3"})
_FILES = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\n",
    "etc/group": "root:x:0:\nnogroup:x:65534:\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
}
_FOLDERS = {"tmp": 0o1777, "var/tmp": 0o1777, "root": 0o700, "proc": 0o755, "sys": 0o755, "dev": 0o755}


def python_image(client: docker.DockerClient, python: Python) -> str:
    """The tag of an image with this interpreter as `python3`."""
    return _imported(client, f"python{python.name}", python)


def bare_image(client: docker.DockerClient) -> str:
    """The tag of an image with a shell and no Python."""
    return _imported(client, "bare", None)


def with_startup(client: docker.DockerClient, reference: str, source: str) -> str:
    """The tag of an image as this one, whose interpreter runs `source` whenever it starts."""
    tag = hashlib.sha256(f"{reference} {source}".encode()).hexdigest()[:12]
    repository = REPOSITORY.format(name="startup")
    made = client.containers.create(reference, ["true"], network_mode="none")
    try:
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as archive:
            file = tarfile.TarInfo("sitecustomize.py")
            file.size = len(source)
            archive.addfile(file, io.BytesIO(source.encode()))
        made.put_archive("/usr/local/lib", buffer.getvalue())
        made.commit(repository, tag, changes=["ENV PYTHONPATH=/usr/local/lib", f"LABEL {LABEL}={tag}"])
    finally:
        made.remove(force=True)
    return f"{repository}:{tag}"


def foreign_image(client: docker.DockerClient, machine: str) -> str:
    """The tag of an image, with nothing in it, that is for another kind of machine."""
    reference = f"{REPOSITORY.format(name=machine)}:1"
    layer = io.BytesIO()
    tarfile.open(fileobj=layer, mode="w").close()
    config = {
        "architecture": machine, "os": "linux", "config": {"Labels": {LABEL: machine}},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer.getvalue()).hexdigest()}"]},
    }  # fmt: skip
    listed = [{"Config": "config.json", "RepoTags": [reference], "Layers": ["layer.tar"]}]
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, data in (
            ("config.json", json.dumps(config).encode()), ("manifest.json", json.dumps(listed).encode()),
            ("layer.tar", layer.getvalue()),
        ):  # fmt: skip
            file = tarfile.TarInfo(name)
            file.size = len(data)
            archive.addfile(file, io.BytesIO(data))
    client.images.load(buffer.getvalue())
    return reference


def _imported(client: docker.DockerClient, name: str, python: Python | None) -> str:
    """Import the image unless the engine has it: the label says from which content."""
    repository, digest = REPOSITORY.format(name=name), _digest(python)
    for known in client.images.list(filters={"label": f"{LABEL}={digest}"}):
        for reference in known.tags:  # Podman puts `localhost/` in front, and forgets the tag of an import
            if f"{repository}:" in reference:
                return reference
    with tempfile.TemporaryFile() as file:
        with tarfile.open(fileobj=file, mode="w", dereference=True) as archive:
            for inside, path in _content(python):
                archive.add(path, inside, recursive=False, filter=_as_root)
            _add_rest(archive)
        file.seek(0)
        changes = ["ENV PATH=/usr/local/bin:/bin", f"LABEL {LABEL}={digest}", 'CMD ["/bin/sh"]']
        client.api.import_image_from_data(file, repository=repository, tag=digest, changes=changes)
    found = client.images.list(filters={"label": f"{LABEL}={digest}"})
    return next(tag for one in found for tag in one.tags if f"{repository}:" in tag)


@functools.cache
def _digest(python: Python | None) -> str:
    """Changes with what goes in: this file and the interpreter."""
    hashed = hashlib.sha256(Path(__file__).read_bytes())
    if python is not None:
        hashed.update(f"{python!r} {python.version} {python.executable.stat().st_mtime_ns}".encode())
    return hashed.hexdigest()[:12]


# ------------------------------------------------------------------------------------------- what goes in


def _content(python: Python | None) -> Iterator[tuple[str, str]]:
    """Name inside and path, of every file."""
    programs = {f"bin/{name}": path for name in TOOLS if (path := shutil.which(name)) is not None}
    linked = list(programs.values())
    if python is not None:
        for name in ("python3", f"python{python.name}"):
            programs[f"usr/local/bin/{name}"] = str(python.executable)
        library = f"usr/local/lib/python{python.name}"
        for inside, path in _library(python.stdlib):
            yield f"{library}/{inside}", path
        linked += [str(python.executable), *map(str, (python.stdlib / "lib-dynload").glob("*.so"))]
    yield from programs.items()
    yield from _shared(linked)
    if os.path.exists(_CERTIFICATES):
        yield _CERTIFICATES.lstrip("/"), _CERTIFICATES


def _library(stdlib: Path) -> Iterator[tuple[str, str]]:
    """The standard library with its compiled modules: importing from source would take a second."""
    for at, folders, files in os.walk(stdlib):
        folders[:] = [name for name in folders if name not in _LEFT_OUT and not name.startswith("config-")]
        for name in files:
            if not name.endswith((".opt-1.pyc", ".opt-2.pyc", ".a", ".exe")):
                path = os.path.join(at, name)
                yield os.path.relpath(path, stdlib), path


def _shared(paths: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Every shared library that these files link to, where the loader of the image looks for it."""
    # ldd reports for each file; of a library that is not there (Tk's) the extension just can't be imported
    said = subprocess.run(["ldd", *paths], capture_output=True, text=True).stdout
    found = dict(re.findall(r"^\s+(\S+) => (/\S+)", said, re.MULTILINE))
    loaders = set(re.findall(r"^\s+(/\S+) \(0x", said, re.MULTILINE))
    beside = os.path.dirname(found["libc.so.6"])
    for name in _OPENED_BY_NAME:
        if os.path.exists(os.path.join(beside, name)):
            found[name] = os.path.join(beside, name)
    for name, path in found.items():
        yield f"{beside.lstrip('/')}/{name}", path
    for path in loaders:
        yield path.lstrip("/"), path


def _as_root(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = "root"
    return member


def _add_rest(archive: tarfile.TarFile) -> None:
    for inside, mode in _FOLDERS.items():
        folder = tarfile.TarInfo(inside)
        folder.type, folder.mode = tarfile.DIRTYPE, mode
        archive.addfile(folder)
    for inside, text in _FILES.items():
        file = tarfile.TarInfo(inside)
        file.size, file.mode = len(text), 0o644
        archive.addfile(file, io.BytesIO(text.encode()))
