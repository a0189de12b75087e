"""What is connected to a Mac's Thunderbolt ports. Takes a second or more."""

from __future__ import annotations

from msgspec.structs import replace

from fleetctl.model.facts import NodeFacts, ThunderboltPort
from fleetctl.probes.parsers.system_profiler import parse_thunderbolt
from fleetctl.probes.parsers.unparsed import Unparsed
from fleetctl.probes.probe import Ask, NotAsked, Probe, Told, Unanswered, or_why


def _read(told: Told) -> tuple[ThunderboltPort, ...] | Unanswered:
    ports = parse_thunderbolt(told.answer.text)
    if isinstance(ports, Unparsed):
        return or_why(ports)
    return tuple(ThunderboltPort(p.domain_uuid, p.peer_uuid) for p in ports)


def _into(facts: NodeFacts, ports: tuple[ThunderboltPort, ...]) -> NodeFacts:
    return replace(facts, thunderbolt=ports)


PROBE = Probe(
    name="thunderbolt",
    when="check",
    on={
        "linux": NotAsked("nothing is judged of it"),
        "macos": Ask("system_profiler SPThunderboltDataType -json", _read),
    },
    into=_into,
)
