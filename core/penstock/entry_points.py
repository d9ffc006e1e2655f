"""Who announces a plugin: the entry points of the group `penstock`, found by reading `entry_points.txt` files.

`importlib.metadata` would parse the metadata of every installed distribution, which costs more than Python and click
together; here only a folder is listed and small files are opened. It is asked only for path entries that are no folder.
"""

from __future__ import annotations

import os
import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

GROUP = "penstock"
OWN = "penstock"  # the distribution whose plugins are core's own


class EntryPoint:
    """name: the plugin's short name; module: what to import; distribution and version: who installed it;
    extras: what the distribution offers to be installed with it (known for core's own alone); metadata: the folder
    that an installer wrote for it, empty where there is none."""

    __slots__ = ("distribution", "extras", "metadata", "module", "name", "version")

    def __init__(
        self, name: str, module: str, distribution: str, version: str, extras: tuple[str, ...] = (), metadata: str = ""
    ) -> None:
        self.name, self.module, self.distribution, self.version = name, module, distribution, version
        self.extras, self.metadata = extras, metadata

    @property
    def own(self) -> bool:
        """Whether core's own distribution announces it."""
        return self.distribution == OWN


def scan(path: Sequence[str], *, own_only: bool = False) -> list[EntryPoint]:
    """The entry points below the folders of `path` (usually `sys.path`); of one distribution the first found counts.

    own_only: of core's own distribution alone, without opening the files of others.
    """
    found: list[EntryPoint] = []
    seen: set[str] = set()
    for folder in dict.fromkeys(path):
        for distribution, version, text, extras, metadata in _distributions(folder or os.curdir, own_only):
            if distribution not in seen:
                seen.add(distribution)
                found += [EntryPoint(*pair, distribution, version, extras, metadata) for pair in parse(text)]
    return found


def parse(text: str) -> Iterator[tuple[str, str]]:
    """`(name, module)` of each line in the group's section of an `entry_points.txt`."""
    inside = False
    for line in map(str.strip, text.splitlines()):
        if line.startswith("["):
            inside = line == f"[{GROUP}]"
        elif inside and "=" in line and line[0] not in "#;":
            name, _, target = line.partition("=")
            yield name.strip(), re.split(r"[:\[\s]", target.strip())[0]


def _distributions(folder: str, own_only: bool) -> Iterator[tuple[str, str, str, tuple[str, ...], str]]:
    """Name, version, `entry_points.txt`, extras and metadata folder of the distributions in one path entry that have
    such a file."""
    try:
        names = os.listdir(folder)
    except NotADirectoryError:
        yield from _packed(folder, own_only)
        return
    except OSError:
        return
    for name in names:
        if not name.endswith((".dist-info", ".egg-info")) or (own_only and name[: len(OWN)].lower() != OWN):
            continue
        stem = os.path.splitext(name)[0]
        project, version = _split(stem)
        distribution = normal(project)
        if own_only and distribution != OWN:
            continue
        try:
            with open(os.path.join(folder, name, "entry_points.txt"), encoding="utf-8") as file:
                text = file.read()
        except OSError:
            continue
        extras = _extras(os.path.join(folder, name)) if distribution == OWN else ()
        yield distribution, version, text, extras, os.path.join(folder, name)


def _split(stem: str) -> tuple[str, str]:
    """Project and version of a metadata folder's name: `penstock_docker-0.9`, `penstock-docker-0.9` of older tools,
    `name-1.0-py3.11` of eggs, and a checkout's `name` alone, whose version stands only inside."""
    stem = re.sub(r"-py\d[\d.]*$", "", stem)
    project, dash, version = stem.rpartition("-")
    return (project, version) if dash and version[:1].isdigit() else (stem, "")


def _packed(path: str, own_only: bool) -> Iterator[tuple[str, str, str, tuple[str, ...], str]]:
    """The same for a path entry that is a zip file."""
    from importlib.metadata import distributions

    for found in distributions(path=[path]):
        distribution = normal(found.metadata["Name"])
        text = found.read_text("entry_points.txt")
        if text and (not own_only or distribution == OWN):
            yield distribution, found.version, text, tuple(found.metadata.get_all("Provides-Extra") or ()), ""


def _extras(folder: str) -> tuple[str, ...]:
    return tuple(re.findall(r"^Provides-Extra: *(\S+)", _head(folder), re.MULTILINE))


def _head(folder: str) -> str:
    """What a metadata folder says of its distribution, without the long description."""
    try:
        with open(os.path.join(folder, "METADATA"), encoding="utf-8") as file:
            return file.read().partition("\n\n")[0]
    except OSError:
        return ""


def required_by(entry: EntryPoint, extra: str) -> list[str]:
    """The distributions that an extra of a distribution stands for."""
    wanted = re.compile(rf"""Requires-Dist: *([\w.-]+).*;.*extra *== *['"]{re.escape(extra)}['"]""")
    return [normal(found[1]) for found in map(wanted.match, _head(entry.metadata).splitlines()) if found]


def source_of(entry: EntryPoint) -> str:
    """The folder that a distribution was installed from, empty where that was no folder.

    Source: PEP 610, `direct_url.json`.
    """
    import json
    from urllib.parse import unquote, urlparse

    try:
        with open(os.path.join(entry.metadata, "direct_url.json"), encoding="utf-8") as file:
            told = json.load(file)
        url = urlparse(told["url"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""
    return unquote(url.path) if "dir_info" in told and url.scheme == "file" else ""


def normal(name: str) -> str:
    """The name of a distribution as indexes compare it. Source: packaging.python.org, name normalization."""
    return re.sub(r"[-_.]+", "-", name).lower()
