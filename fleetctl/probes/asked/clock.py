"""How far a node's clock is from the controller's. Costs a process, ``date``."""

from __future__ import annotations

import re
import time

from msgspec.structs import replace

from fleetctl.model.facts import NodeFacts
from fleetctl.probes.probe import Ask, Probe, Told, Unanswered, cannot_read

_TEXT = "date +%s"


def _read(told: Told) -> float | Unanswered:
    """Seconds that it is ahead; 0.5 s makes up for ``date`` printing whole seconds."""
    match = re.fullmatch(r"([0-9]{1,15})\n?", told.answer.text)
    return round(int(match[1]) + 0.5 - time.time(), 1) if match else cannot_read(told.answer)


def _into(facts: NodeFacts, offset_s: float) -> NodeFacts:
    return replace(facts, reliability=replace(facts.reliability, clock_offset_s=offset_s))


PROBE = Probe(
    name="clock",
    when="check",
    on={"linux": Ask(_TEXT, _read), "macos": Ask(_TEXT, _read)},
    into=_into,
)
