"""How far a node's clock is from the controller's, and how sure that is. Costs a process, ``date``.

The node read its clock at some moment between the question and the answer, which is not known
better than that: the error bar is half of that time.
"""

from __future__ import annotations

import time

from msgspec.structs import replace

from fleetctl.model.facts import NodeFacts
from fleetctl.patterns import pattern
from fleetctl.probes.probe import Ask, Probe, Told, Unanswered, cannot_read

# %N is GNU's; macOS prints whole seconds
_LINUX, _MACOS = "date +%s.%N", "date +%s"
_READ = pattern(r"([0-9]{1,15})(?:\.([0-9]{9}))?[^\n]*\n?")


def measured(told: Told) -> tuple[float, float] | Unanswered:
    """Seconds that the node's clock is ahead, and by how much more or less it may be."""
    match = _READ.fullmatch(told.answer.text)
    if match is None:
        return cannot_read(told.answer)
    fraction_s, spread_s = (int(match[2]) / 1e9, 0.0) if match[2] else (0.5, 1.0)
    now_s = time.time()
    asked_s = min(now_s if told.asked_s is None else told.asked_s, now_s)
    offset_s = int(match[1]) + fraction_s - (asked_s + now_s) / 2
    return round(offset_s, 3), round((now_s - asked_s + spread_s) / 2, 3)


def _into(facts: NodeFacts, clock: tuple[float, float]) -> NodeFacts:
    offset_s, error_s = clock
    now = replace(facts.reliability, clock_offset_s=offset_s, clock_error_s=error_s)
    return replace(facts, reliability=now)


PROBE = Probe(
    name="clock",
    when="check",
    on={"linux": Ask(_LINUX, measured), "macos": Ask(_MACOS, measured)},
    into=_into,
)
