"""Whether a Mac waits for a password at its next boot, before anybody can log in."""

from __future__ import annotations

from msgspec.structs import replace

from fleetctl.model.facts import NodeFacts
from fleetctl.probes.parsers.fdesetup import parse_filevault
from fleetctl.probes.probe import Ask, NotAsked, Probe, Told, Unanswered, or_why


def _read(told: Told) -> bool | Unanswered:
    return or_why(parse_filevault(told.answer.text))


def _into(facts: NodeFacts, encrypted: bool) -> NodeFacts:
    return replace(facts, reliability=replace(facts.reliability, filevault=encrypted))


PROBE = Probe(
    name="filevault",
    when="check",
    on={
        "linux": NotAsked("an encrypted disk that asks for a password is not usual on a Pi"),
        "macos": Ask("fdesetup status", _read),
    },
    into=_into,
)
