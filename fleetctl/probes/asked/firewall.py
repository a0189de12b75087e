"""Whether a Mac's firewall is in stealth mode, in which it answers no ping."""

from __future__ import annotations

from msgspec.structs import replace

from fleetctl.model.facts import NodeFacts
from fleetctl.probes.parsers.socketfilterfw import Firewall, parse_firewall
from fleetctl.probes.probe import Ask, NotAsked, Probe, Told, Unanswered, cannot_read, or_why

_TEXT = """f=/usr/libexec/ApplicationFirewall/socketfilterfw
$f --getglobalstate
$f --getstealthmode"""


def _read(told: Told) -> Firewall | Unanswered:
    found = or_why(parse_firewall(told.answer.text))
    if isinstance(found, Firewall) and (found.enabled is None or found.stealth is None):
        return cannot_read(told.answer)
    return found


def _into(facts: NodeFacts, firewall: Firewall) -> NodeFacts:
    """Stealth mode is a mode of the firewall: while that is off, pings are answered."""
    hidden = bool(firewall.enabled and firewall.stealth)
    return replace(facts, reliability=replace(facts.reliability, stealth=hidden))


PROBE = Probe(
    name="firewall",
    when="status",
    on={
        "linux": NotAsked("what its rules drop cannot be read without root"),
        "macos": Ask(_TEXT, _read),
    },
    into=_into,
)
