"""A folder, or a volume of the engine's, that a container sees."""

from __future__ import annotations

from docker.types import Mount


class Folder:
    """source: a path of this machine, or the name of a volume; target: where the container sees it; label: how SELinux
    relabels it, `z` (shared) or `Z` (private), "" for not at all."""

    def __init__(self, source: str, target: str, *, read_only: bool = False, label: str = "") -> None:
        self.source, self.target, self.read_only, self.label = source, target, read_only, label

    @property
    def is_of_this_machine(self) -> bool:
        """Whether it is a path, and no volume."""
        return self.source.startswith("/")

    @property
    def mount(self) -> Mount:
        """As the engine wants it: the source must be there."""
        kind = "bind" if self.is_of_this_machine else "volume"
        return Mount(self.target, self.source, type=kind, read_only=self.read_only)

    @property
    def bind(self) -> str:
        """In the older form, which alone has a word for a label."""
        return ":".join([self.source, self.target, ",".join([self.label, *(["ro"] if self.read_only else [])])])
