"""The nodes on which this controller has started something, kept in a file beside its other state.

A node that is taken out of nodes.yaml while something runs there could else never be asked again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

import msgspec
from msgspec import Struct

from fleetctl.local_files import read_bounded, write_private
from fleetctl.model.layout import started_nodes
from fleetctl.model.topology import SSH, Connection, Node

FEW_S = 3.0
"""The connect_timeout of a node that is no longer in nodes.yaml, and may be gone for good."""
_MOST_BYTES = 4 * 1024 * 1024


class _Kept(Struct, frozen=True):
    """How a node is reached."""

    ssh: SSH
    connection: Connection


def _places(ssh: SSH) -> set[tuple[str, int | None]]:
    return {(host, ssh.port) for host in ssh.hosts}


class StartedNodes:
    """The file of one fleet. What cannot be read or written is not kept: nothing depends on it."""

    def __init__(self, fleet: str) -> None:
        self._file = Path(started_nodes(fleet)).expanduser()

    def former(self, present: Mapping[str, Node]) -> dict[str, Node]:
        """The nodes that are not in nodes.yaml any more.

        A node that is there under another name, with the same SSH host and port, is left out.
        """
        places = {p for n in present.values() if n.connection == "ssh" for p in _places(n.ssh)}
        return {
            name: Node(
                name,
                msgspec.structs.replace(kept.ssh, connect_timeout_s=FEW_S),
                connection=kept.connection,
            )
            for name, kept in self._read().items()
            if name not in present and kept.connection == "ssh" and not places & _places(kept.ssh)
        }

    def add(self, nodes: Iterable[Node]) -> None:
        """Keep ``nodes``."""
        before = self._read()
        after = {**before, **{n.name: _Kept(n.ssh, n.connection) for n in nodes}}
        if after != before:
            self._write(after)

    def forget(self, name: str) -> None:
        """Nothing of this fleet runs there any more."""
        kept = self._read()
        if kept.pop(name, None):
            self._write(kept)

    def _read(self) -> dict[str, _Kept]:
        try:
            return msgspec.json.decode(read_bounded(self._file, _MOST_BYTES), type=dict[str, _Kept])
        except (OSError, msgspec.MsgspecError):
            return {}

    def _write(self, kept: Mapping[str, _Kept]) -> None:
        with suppress(OSError):
            write_private(self._file, msgspec.json.encode(kept))
