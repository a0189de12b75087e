"""Whether a Mac's firewall is in stealth mode, in which it answers no ping."""

from __future__ import annotations

from msgspec.structs import replace

from fleetctl.model.facts import NodeFacts
from fleetctl.probes.parsers.socketfilterfw import Firewall, parse_firewall
from fleetctl.probes.probe import Ask, NotAsked, Probe, Told, Unanswered, or_why


def _read(told: Told) -> Firewall | Unanswered:
    return or_why(parse_firewall(told.answer.text))


def _into(facts: NodeFacts, firewall: Firewall) -> NodeFacts:
    return replace(facts, reliability=replace(facts.reliability, stealth=firewall.stealth))


PROBE = Probe(
    name="firewall",
    when="status",
    on={
        "linux": NotAsked("what its rules drop cannot be read without root"),
        "macos": Ask("/usr/libexec/ApplicationFirewall/socketfilterfw --getstealthmode", _read),
    },
    into=_into,
)
