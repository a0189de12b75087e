"""What a node's next boot brings: its network, as a repair would change it.

Probes of a check; what they print is read as before a repair, by :mod:`fleetctl.probes.setup`.
"""

from __future__ import annotations

from msgspec.structs import replace

from fleetctl.model.facts import CUT_OFF, NodeFacts
from fleetctl.model.setup import NetworkSetup
from fleetctl.probes.probe import Ask, NotAsked, Probe, Told
from fleetctl.probes.setup import (
    MANAGERS_LINUX,
    PROFILES_LINUX,
    SERVICES_MACOS,
    with_managers,
    with_profiles,
    with_services,
)


def _profiles(told: Told) -> NetworkSetup:
    return with_profiles(NetworkSetup(), told.answer.text)


def _managers(told: Told) -> NetworkSetup:
    return with_managers(NetworkSetup(), told.answer.text)


def _services(told: Told) -> NetworkSetup:
    return with_services(NetworkSetup(), told.answer.text)


def _connections_into(facts: NodeFacts, found: NetworkSetup) -> NodeFacts:
    setup = facts.setup or NetworkSetup()
    return replace(facts, setup=replace(found, interfaces=setup.interfaces))


def _managers_into(facts: NodeFacts, found: NetworkSetup) -> NodeFacts:
    setup = facts.setup or NetworkSetup(unknown={"profiles": CUT_OFF})
    return replace(facts, setup=replace(setup, interfaces=found.interfaces))


PROBES = (
    Probe(
        name="connections-at-boot",
        when="check",
        on={
            "linux": Ask(PROFILES_LINUX, _profiles),
            "macos": Ask(SERVICES_MACOS, _services),
        },
        into=_connections_into,
    ),
    Probe(
        name="managers-at-boot",
        when="check",
        on={
            "linux": Ask(MANAGERS_LINUX, _managers),
            "macos": NotAsked("only its network services set up interfaces"),
        },
        into=_managers_into,
    ),
)
