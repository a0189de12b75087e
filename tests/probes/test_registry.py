"""Every probe has its own name, and its value is used or shown."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest

from fleetctl.probes import node
from fleetctl.probes.node import Answered
from fleetctl.probes.probe import AnyProbe, Ask, Probe, Unanswered, only_shown
from fleetctl.probes.registry import BY_NAME, PROBES


def test_names_and_labels_are_unique() -> None:
    assert len(BY_NAME) == len(PROBES)
    labels = [probe.label for probe in PROBES if probe.label]
    assert len(set(labels)) == len(labels)


@pytest.mark.parametrize("probe", PROBES, ids=lambda probe: probe.name)
def test_the_value_of_a_probe_is_used_or_shown(probe: AnyProbe) -> None:
    assert re.fullmatch("[a-z][a-z-]*", probe.name), "it stands in the frames of a script"
    assert probe.into is not only_shown or probe.label


ASK = Ask("cat model", lambda told: told.answer.text)
HARDWARE = Probe(name="hardware", when="status", on={"linux": ASK, "macos": ASK}, label="hardware")


@pytest.mark.parametrize(
    ("value", "told", "unknown"),
    [
        ("Raspberry Pi 5\n Model B\n", {"hardware": "Raspberry Pi 5 Model B"}, {}),
        (Unanswered("no such file"), {}, {"hardware": "no such file"}),
        (None, {}, {}),
    ],
)
def test_a_label_makes_a_row(
    value: object,
    told: dict[str, str],
    unknown: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(node, "PROBES", (HARDWARE,))
    facts = Answered(datetime.now(UTC), {"hardware": value}).facts()
    assert (facts.told, facts.unknown) == (told, unknown)
