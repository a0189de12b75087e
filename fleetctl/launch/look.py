"""One look at a node: a script of probes run over its link, and the facts in what it printed."""

from __future__ import annotations

from fleetctl.link.protocol import Link
from fleetctl.model.facts import NodeFacts
from fleetctl.probes.node import read_node
from fleetctl.probes.probe import Script

LOOK_TIMEOUT_S = 10.0
"""A node that was reached has this long to tell its facts."""


async def look(link: Link, script: Script) -> NodeFacts:
    """Run ``script``, one of :mod:`fleetctl.probes.node`, in one round trip.

    :raises LinkError: the node is lost, or does not answer in time.
    """
    done = await link.run(script.text, timeout_s=LOOK_TIMEOUT_S)
    return read_node(script, done.text)
