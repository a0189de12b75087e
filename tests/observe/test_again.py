"""A second round of echoes, before a check calls a link bad."""

from __future__ import annotations

from ipaddress import IPv4Address

from fleetctl.model.facts import NetworkFacts
from fleetctl.model.network import Echo, EchoRound
from fleetctl.observe.again import both

A, B = IPv4Address("10.0.0.1"), IPv4Address("10.0.0.2")


def measured(slot: int, **came: int) -> NetworkFacts:
    found = {{"a": A, "b": B}[name]: number for name, number in came.items()}
    return NetworkFacts(
        echoes={to: Echo(10, n, 0.5 - n / 100) for to, n in found.items()},
        rounds={to: (EchoRound(slot, 10, n, 0.5 - n / 100),) for to, n in found.items()},
    )


def test_rounds_are_judged_by_themselves_and_counted_together() -> None:
    network = both(measured(7, a=6, b=10), measured(7, a=8))
    assert network.echoes == {A: Echo(20, 14, 0.42), B: Echo(10, 10, 0.4)}
    assert network.rounds == {
        A: (EchoRound(0, 10, 6, 0.44), EchoRound(1, 10, 8, 0.42)),
        B: (EchoRound(0, 10, 10, 0.4),),
    }
