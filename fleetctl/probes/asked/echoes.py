"""Pings to the addresses that must answer, and to those that must not."""

from __future__ import annotations

import time
from collections.abc import Mapping
from ipaddress import IPv4Address

from msgspec import Struct
from msgspec.structs import replace

from fleetctl.model.facts import CUT_OFF, NodeFacts
from fleetctl.model.network import Echo, EchoRound
from fleetctl.model.questions import Questions
from fleetctl.probes.echoes import CHECK_COUNT, echoes_text, read_echoes
from fleetctl.probes.probe import Beside, Probe, T, Told

SLOT_S = 30
"""The rounds of a watched node are as long as the time from one of its checks to the next."""
SLOTS = 5
"""How many rounds are kept: the present one, and those of two minutes before it."""


def present_slot() -> int:
    """The number of the stretch of time that it is now; see :class:`EchoRound`."""
    return int(time.monotonic() // SLOT_S)


class Echoes(Struct, frozen=True):
    """Results of the pings, by address."""

    asked: frozenset[IPv4Address]
    echoes: Mapping[IPv4Address, Echo]
    answers_tcp: Mapping[IPv4Address, bool]
    """Without an answer to the ping: whether the SSH port there answered."""
    unread: Mapping[IPv4Address, str]
    """Output of ping that was not understood, or why there is none."""
    rounds: Mapping[IPv4Address, tuple[EchoRound, ...]] = {}
    """Oldest first, since the address was last silent."""
    silent: Mapping[IPv4Address, int] = {}
    """How many echoes in a row were lost up to now, where any was."""
    unheard: Mapping[IPv4Address, int] = {}
    """The same, where the SSH port did not answer either."""


def _linux(questions: Questions) -> str:
    return echoes_text(questions, "linux")


def _macos(questions: Questions) -> str:
    return echoes_text(questions, "macos")


def _read(told: Told) -> Echoes:
    asked = frozenset([*told.questions.echoes, *told.questions.silent])
    echoes, ports, unread = read_echoes(told.token, told.errors)
    unread |= {address: CUT_OFF for address in asked if address not in (*echoes, *unread)}
    return measured(asked, echoes, ports, unread, present_slot())


def measured(
    asked: frozenset[IPv4Address],
    echoes: Mapping[IPv4Address, Echo],
    ports: Mapping[IPv4Address, bool],
    unread: Mapping[IPv4Address, str],
    slot: int,
) -> Echoes:
    """What one look found, in the stretch of time ``slot``."""
    rounds = {
        address: (EchoRound(slot, e.sent, min(e.received, e.sent), e.rtt_min_ms, e.deviation_ms),)
        for address, e in echoes.items()
        if e.sent
    }
    silent = {address: e.sent for address, e in echoes.items() if not e.received}
    unheard = {address: sent for address, sent in silent.items() if not ports.get(address)}
    return Echoes(asked, echoes, ports, unread, _of_answering(rounds, silent), silent, unheard)


def _of_answering(
    rounds: Mapping[IPv4Address, tuple[EchoRound, ...]], silent: Mapping[IPv4Address, int]
) -> dict[IPv4Address, tuple[EchoRound, ...]]:
    """The rounds of addresses that answer; a way that was cut off begins anew."""
    return {a: found for a, found in rounds.items() if silent.get(a, 0) < CHECK_COUNT}


def _into(facts: NodeFacts, found: Echoes) -> NodeFacts:
    network = replace(
        facts.network,
        echoes=found.echoes,
        answers_tcp=found.answers_tcp,
        rounds=found.rounds,
        unheard=found.unheard,
    )
    unread = {f"echo {address}": said for address, said in found.unread.items()}
    return replace(facts, network=network, unknown={**facts.unknown, **unread})


def _renew(old: Echoes, new: Echoes) -> Echoes:
    """The new results, with the old ones of addresses that were not asked again."""

    def kept(values: Mapping[IPv4Address, T]) -> dict[IPv4Address, T]:
        return {a: value for a, value in values.items() if a not in new.asked}

    def counted(
        before: Mapping[IPv4Address, int], now: Mapping[IPv4Address, int]
    ) -> dict[IPv4Address, int]:
        return {**kept(before), **{a: n + before.get(a, 0) for a, n in now.items()}}

    silent = counted(old.silent, new.silent)
    rounds = {**old.rounds}
    for address, latest in new.rounds.items():
        rounds[address] = _appended(old.rounds.get(address, ()), latest[-1])
    return Echoes(
        old.asked | new.asked,
        {**kept(old.echoes), **new.echoes},
        {**kept(old.answers_tcp), **new.answers_tcp},
        {**kept(old.unread), **new.unread},
        _of_answering(rounds, silent),
        silent,
        counted(old.unheard, new.unheard),
    )


def _appended(rounds: tuple[EchoRound, ...], new: EchoRound) -> tuple[EchoRound, ...]:
    if rounds and rounds[-1].slot == new.slot:
        return (*rounds[:-1], rounds[-1].with_more(new))
    return tuple(r for r in (*rounds, new) if r.slot > new.slot - SLOTS)


PROBE = Probe(
    name="echoes",
    when="status",
    on={"linux": Beside(_linux, _read), "macos": Beside(_macos, _read)},
    into=_into,
    renew=_renew,
)
