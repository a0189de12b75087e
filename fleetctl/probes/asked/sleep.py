"""After how long a Mac goes to sleep."""

from __future__ import annotations

from msgspec.structs import replace

from fleetctl.model.facts import NodeFacts
from fleetctl.probes.parsers.pmset import PowerSettings, parse_pmset
from fleetctl.probes.probe import Ask, NotAsked, Probe, Told, Unanswered, or_why


def _read(told: Told) -> PowerSettings | Unanswered:
    return or_why(parse_pmset(told.answer.text))


def _into(facts: NodeFacts, settings: PowerSettings) -> NodeFacts:
    reliability = replace(
        facts.reliability,
        sleep_minutes=settings.sleep_minutes,
        sleep_disabled=settings.sleep_disabled,
        restarts=settings.restarts,
    )
    return replace(facts, reliability=reliability)


PROBE = Probe(
    name="sleep",
    when="status",
    on={
        "linux": NotAsked("a Linux machine without a desktop does not sleep by itself"),
        "macos": Ask("pmset -g", _read),
    },
    into=_into,
)
