"""Pings to the addresses that must answer, and to those that must not."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address

from msgspec import Struct
from msgspec.structs import replace

from fleetctl.model.facts import NodeFacts
from fleetctl.model.network import Echo
from fleetctl.model.questions import Questions
from fleetctl.probes.echoes import echoes_text, read_echoes
from fleetctl.probes.probe import Beside, Probe, T, Told


class Echoes(Struct, frozen=True):
    """Results of the pings, by address."""

    asked: frozenset[IPv4Address]
    echoes: Mapping[IPv4Address, Echo]
    answers_tcp: Mapping[IPv4Address, bool]
    """Without an answer to the ping: whether the SSH port there answered."""
    unread: Mapping[IPv4Address, str]
    """Output of ping that was not understood."""


def _linux(questions: Questions) -> str:
    return echoes_text(questions, "linux")


def _macos(questions: Questions) -> str:
    return echoes_text(questions, "macos")


def _read(told: Told) -> Echoes:
    asked = frozenset([*told.questions.echoes, *told.questions.silent])
    return Echoes(asked, *read_echoes(told.token, told.errors))


def _into(facts: NodeFacts, found: Echoes) -> NodeFacts:
    network = replace(facts.network, echoes=found.echoes, answers_tcp=found.answers_tcp)
    unread = {f"echo {address}": said for address, said in found.unread.items()}
    return replace(facts, network=network, unknown={**facts.unknown, **unread})


def _renew(old: Echoes, new: Echoes) -> Echoes:
    """The new results, with the old ones of addresses that were not asked again."""

    def kept(values: Mapping[IPv4Address, T]) -> dict[IPv4Address, T]:
        return {a: value for a, value in values.items() if a not in new.asked}

    return Echoes(
        old.asked | new.asked,
        {**kept(old.echoes), **new.echoes},
        {**kept(old.answers_tcp), **new.answers_tcp},
        {**kept(old.unread), **new.unread},
    )


PROBE = Probe(
    name="echoes",
    when="status",
    on={"linux": Beside(_linux, _read), "macos": Beside(_macos, _read)},
    into=_into,
    renew=_renew,
)
