"""Reading what controllers noted on nodes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping

from fleetctl.errors import LinkError
from fleetctl.link.links import Links
from fleetctl.link.mistakes import of_node
from fleetctl.model.actions import Told
from fleetctl.noting.scripts import read_notes, read_script

READ_TIMEOUT_S = 10.0


async def fetch_actions(
    links: Links, fleet: str, nodes: Iterable[str], sizes: Mapping[str, str] | None = None
) -> dict[str, Told]:
    """What is noted on ``nodes``; one that cannot be asked says why in its answer.

    :param sizes: by node: :attr:`Told.size` of the last answer; where it is the same, nothing is
        read.
    """
    known = sizes or {}

    async def one(node: str) -> Told:
        size = known.get(node, "")
        try:
            with of_node(node):
                link = await links.get(node)
                began_s = time.time()
                done = await link.run(read_script(fleet, size), timeout_s=READ_TIMEOUT_S)
                if done.exit_status != 0:
                    return Told(error=done.error_text or f"exit status {done.exit_status}")
                return read_notes(done.text, size, (began_s + time.time()) / 2)
        except LinkError as error:
            return Told(error=error.reason)

    names = tuple(nodes)
    found = await asyncio.gather(*(one(node) for node in names))
    return dict(zip(names, found, strict=True))
