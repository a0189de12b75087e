"""One look at a node: a script of probes run over its link, and what its answer says."""

from __future__ import annotations

from fleetctl.errors import LinkHung
from fleetctl.link.protocol import Link
from fleetctl.model.facts import NO_ANSWER, NodeFacts
from fleetctl.probes.node import NodeScript, answered, hanging, node_script

LOOK_TIMEOUT_S = 10.0
"""A node that was reached has this long to tell its facts."""


def no_answer() -> str:
    """Why nothing is known of what a probe asks that hangs."""
    return f"{NO_ANSWER} within {LOOK_TIMEOUT_S:g} s"


async def look(link: Link, script: NodeScript) -> NodeFacts:
    """Run ``script`` in one round trip.

    A probe that hangs costs its own answer only: the rest is asked again without it.

    :raises LinkError: the node is lost, or does not answer in time.
    """
    try:
        done = await link.run(script.text, timeout_s=LOOK_TIMEOUT_S)
        return answered(script, done.text, done.stderr.decode("utf-8", "replace")).facts()
    except LinkHung as error:
        stuck = hanging(script, error.output.decode("utf-8", "replace"))
        if stuck is None or script.depth == "services":
            raise
        again = node_script(script.questions, without=frozenset({stuck}))
        try:
            done = await link.run(again.text, timeout_s=LOOK_TIMEOUT_S)
            output, errors = done.stdout, done.stderr
        except LinkHung as second:
            output, errors = second.output, second.errors
        said = answered(again, output.decode("utf-8", "replace"), errors.decode("utf-8", "replace"))
        return said.without_answer(frozenset({stuck}), no_answer()).facts()
