"""The temperature of a Mac's processor."""

from __future__ import annotations

from msgspec.structs import replace

from fleetctl.model.facts import NodeFacts
from fleetctl.probes.parsers.macmon import parse_macmon
from fleetctl.probes.parsers.unparsed import known
from fleetctl.probes.probe import Ask, NotAsked, Probe, Told

# The one tool that tells an Apple silicon Mac's temperature without root; may not be installed.
_MACOS = "command -v macmon >/dev/null || exit 0\nmacmon pipe -s 1 -i 100"


def _read(told: Told) -> float | None:
    sample = known(parse_macmon(told.answer.text))
    return sample.cpu_celsius if sample else None


def _into(facts: NodeFacts, celsius: float) -> NodeFacts:
    system = facts.system
    return replace(facts, system=replace(system, temperature_c=celsius) if system else None)


PROBE = Probe(
    name="macmon",
    when="check",
    on={
        "linux": NotAsked("the kernel tells it; see system"),
        "macos": Ask(_MACOS, _read),
    },
    into=_into,
)
