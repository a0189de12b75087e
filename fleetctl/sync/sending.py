"""Sends files from here to a node: by rsync, or by tar where there is none."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from contextlib import suppress

from fleetctl.errors import LinkError
from fleetctl.escaping import visible
from fleetctl.finishing import to_the_end
from fleetctl.link.protocol import Link
from fleetctl.model.syncing import Way
from fleetctl.sync import tarball
from fleetctl.sync.answer import Copy
from fleetctl.sync.node_files import Place
from fleetctl.sync.rsync import Rsync, RsyncUnusable
from fleetctl.sync.tree import Tree

_DISCARD_TIMEOUT_S = 20.0


class Sending:
    """Sends to several nodes at once, until :meth:`close`."""

    def __init__(self) -> None:
        self._rsync = Rsync()
        self._lacks_rsync = ""
        """Why no rsync can be run here."""
        if shutil.which("rsync") is None:
            self._lacks_rsync = (
                "this machine has no rsync; to install it, on a Mac: brew install rsync; on "
                "Debian: sudo apt-get install -y rsync"
            )

    def close(self) -> None:
        self._rsync.close()

    async def send(
        self, link: Link, place: Place, tree: Tree, paths: Sequence[str], copy: Copy
    ) -> tuple[Way, str]:
        """Send files of ``tree`` into the stage; how, and if not by rsync, why.

        :raises SyncError: it failed.
        :raises LinkError: the node is lost.
        """
        try:
            note = self._lacks_rsync or _no_rsync_there(copy)
            if not note:
                try:
                    await self._rsync.send(link, place, tree.folder, paths)
                except RsyncUnusable as error:
                    note = f"rsync did not work ({visible(str(error))})"
                    await _discard(link, place)
                else:
                    return "rsync", ""
            await tarball.send(link, place, tree.folder, paths, tree.files)
        except BaseException:
            await to_the_end(_discard(link, place))
            raise
        return "tar", note


async def _discard(link: Link, place: Place) -> None:
    if not link.closed:
        with suppress(LinkError):
            await link.run(place.discard, timeout_s=_DISCARD_TIMEOUT_S)


def _no_rsync_there(copy: Copy) -> str:
    """Empty: there is one; else how it is installed."""
    if copy.rsync:
        return ""
    how = "brew install rsync" if copy.system == "Darwin" else "sudo apt-get install -y rsync"
    return f"it has no rsync; to install it there: {how}"
