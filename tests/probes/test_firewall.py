"""Stealth mode, which counts only while the firewall of a Mac is on."""

from __future__ import annotations

import pytest

from fleetctl.model.questions import Questions
from fleetctl.probes.asked.firewall import PROBE
from fleetctl.probes.parsers.socketfilterfw import Firewall
from fleetctl.probes.probe import Ask, Told, Unanswered
from fleetctl.probes.script import Answer, Machine
from tests.health.facts import facts

ON, OFF = "Firewall is enabled. (State = 1)\n", "Firewall is disabled. (State = 0)\n"


def read(text: str) -> object:
    ask = PROBE.on["macos"]
    assert isinstance(ask, Ask)
    return ask.read(Told(Answer(text, 0), Machine("macos", "m", "arm64"), Questions("f", "m")))


@pytest.mark.parametrize(
    ("text", "stealth"),
    [
        (f"{ON}Firewall stealth mode is on", True),
        (f"{ON}Stealth mode enabled", True),
        (f"{ON}Firewall stealth mode is off", False),
        (f"{OFF}Firewall stealth mode is on", False),
    ],
)
def test_it_counts_only_while_the_firewall_is_on(text: str, stealth: bool) -> None:
    value = read(text)
    assert isinstance(value, Firewall)
    assert PROBE.into(facts(), value).reliability.stealth is stealth


@pytest.mark.parametrize("text", ["Firewall stealth mode is on", ON, "", "no such file"])
def test_half_an_answer_is_none(text: str) -> None:
    assert isinstance(read(text), Unanswered)
