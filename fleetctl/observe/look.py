"""One look at a node: run a script of probes over its link, and read the answer."""

from __future__ import annotations

import time

from fleetctl.errors import AnswerCut, LinkHung
from fleetctl.link.protocol import Link
from fleetctl.model.facts import NO_ANSWER, NodeFacts
from fleetctl.probes.node import NodeScript, answered, hanging, node_script

LOOK_TIMEOUT_S = 10.0
"""Timeout of one script, on a node that was reached."""


def no_answer() -> str:
    """The reason given for what a hanging probe would have told."""
    return f"{NO_ANSWER} within {LOOK_TIMEOUT_S:g} s"


async def look(link: Link, script: NodeScript) -> NodeFacts:
    """Run ``script`` in one round trip.

    If one probe hangs, only its own answer is missing: the script is run again without it.

    What is missing of an answer that was cut is not known.

    :raises LinkError: the node is lost, or does not answer in time.
    """
    asked_s = time.time()
    try:
        done = await link.run(script.text, timeout_s=LOOK_TIMEOUT_S)
        return _facts(script, done.stdout, done.stderr, asked_s)
    except AnswerCut as cut:
        return _facts(script, cut.output, cut.errors, asked_s)
    except LinkHung as error:
        stuck = hanging(script, error.output.decode("utf-8", "replace"))
        if stuck is None or script.depth == "services":
            raise
        again = node_script(script.questions, without=frozenset({stuck}))
        asked_s = time.time()
        try:
            done = await link.run(again.text, timeout_s=LOOK_TIMEOUT_S)
            output, said = done.stdout, done.stderr
        except (LinkHung, AnswerCut) as second:
            output, said = second.output, second.errors
        texts = (output.decode("utf-8", "replace"), said.decode("utf-8", "replace"))
        known = answered(again, *texts, asked_s)
        return known.without_answer(frozenset({stuck}), no_answer()).facts()


def _facts(script: NodeScript, output: bytes, errors: bytes, asked_s: float) -> NodeFacts:
    texts = (output.decode("utf-8", "replace"), errors.decode("utf-8", "replace"))
    return answered(script, *texts, asked_s).facts()
