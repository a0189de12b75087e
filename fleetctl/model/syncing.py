"""What a sync found on a node and did there, and files as it compares them."""

from __future__ import annotations

import hashlib
from typing import Literal

from msgspec import Struct

from fleetctl.errors import FleetctlError

SyncState = Literal["same", "synced", "would sync", "changed there", "failed"]
Way = Literal["rsync", "tar"]


class Entry(Struct, frozen=True):
    """A file or a symbolic link, here or on a node."""

    kind: Literal["file", "link", "other"]
    """``other``: a folder, for example."""
    mode: int
    """The permission bits; of a link 0."""
    size: int
    """Bytes; of a link those of its target's name."""
    mtime: int
    """Whole seconds since 1970; of a link 0, for not all tools set it."""
    target: str = ""
    """Of a link here: where it leads. What a node says of a link does not have it."""
    fraction_ns: int = 0
    """Of a file here: what ``mtime`` leaves out. Not all nodes could say it."""

    @property
    def digest(self) -> str:
        """Twelve hex digits that stand for all of it."""
        time = f"{self.mtime}.{self.fraction_ns}"
        text = f"{self.kind} {self.mode} {self.size} {time} {self.target}"
        return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:12]

    def alike(self, other: Entry) -> bool:
        """Whether the content is the same, as far as kind, size and time tell."""
        return (self.kind, self.size, self.mtime) == (other.kind, other.size, other.mtime)


class SyncError(FleetctlError):
    """The code could not be copied to a node; what was there is as it was, unless the reason says
    something else."""

    def __init__(self, node: str, reason: str, *, hint: str = "") -> None:
        super().__init__(f"{node}: {reason}", hint=hint)


class Shared(Struct, frozen=True):
    """What a node got of the files that nodes share."""

    files: tuple[str, ...]
    """Paths that it lacked."""
    size_bytes: int
    """Of these files."""
    source: str | None = None
    """From which node it got them; None: from the controller, or nothing was sent yet."""
    seconds: float | None = None
    """From the first byte to the last; None: not measured."""
    note: str = ""
    """Why they came from the controller."""


class NodeSync(Struct, frozen=True):
    """What became of one node."""

    node: str
    state: SyncState
    workdir: str
    """As nodes.yaml has it."""
    files: tuple[str, ...] = ()
    """Paths that were sent, or would be."""
    size_bytes: int = 0
    """Of these files."""
    deleted: tuple[str, ...] = ()
    """Paths that were deleted there, or would be."""
    changed_there: tuple[str, ...] = ()
    """Paths that somebody changed there; without ``force`` nothing was done."""
    way: Way | None = None
    """How they were sent; ``None``: nothing was."""
    note: str = ""
    """Why it was not rsync, and what to do about it."""
    shared: Shared | None = None
    """``None``: of these it lacked nothing."""
    error: FleetctlError | None = None
    """Why it failed."""

    @property
    def ok(self) -> bool:
        return self.state not in ("failed", "changed there")
