"""How far the measured offset of a node's clock may be from the true one; see ``clock``."""

from __future__ import annotations

from msgspec.structs import replace

from fleetctl.model.facts import NodeFacts
from fleetctl.probes.asked.clock import measured
from fleetctl.probes.probe import PartOf, Probe, Told, Unanswered


def _read(told: Told) -> float | Unanswered:
    found = measured(told)
    return found if isinstance(found, Unanswered) else found[1]


def _into(facts: NodeFacts, error_s: float) -> NodeFacts:
    return replace(facts, reliability=replace(facts.reliability, clock_error_s=error_s))


PROBE = Probe(
    name="clock-error",
    when="check",
    on={"linux": PartOf("clock", _read), "macos": PartOf("clock", _read)},
    into=_into,
)
