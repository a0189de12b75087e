"""What of a look is kept over time."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address

from msgspec.structs import replace

from fleetctl.health.assess import Checked
from fleetctl.health.samples import link_samples, samples
from fleetctl.model.network import EchoRound
from fleetctl.model.samples import INSTANCE_STATES, METRICS
from fleetctl.model.status import ServiceStatus
from tests.health.test_unexplained import CLUSTER
from tests.health.world import World


def kept(
    *rounds: EchoRound, services: Mapping[str, ServiceStatus] | None = None
) -> Mapping[str, Mapping[str, float]]:
    """By subject and metric."""
    found = World(CLUSTER).check()
    facts = found.facts["mini1"]
    network = replace(facts.network, rounds=dict.fromkeys(facts.network.echoes, rounds))
    found = replace(
        found,
        facts={**found.facts, "mini1": replace(facts, network=network)},
        status=replace(found.status, job="train", services=services or {}),
    )
    told: dict[str, dict[str, float]] = {}
    for sample in samples(found):
        assert sample.series.metric in METRICS[sample.series.kind]
        told.setdefault(sample.series.subject, {})[sample.series.metric] = sample.value
    return told


def jitter(*rounds: EchoRound) -> float | None:
    return next(v for k, v in kept(*rounds).items() if k.startswith("mini1:")).get("jitter_ms")


def test_jitter_is_what_ping_says_of_the_newest_round() -> None:
    assert jitter(EchoRound(1, 10, 10, 0.2, 0.5), EchoRound(2, 10, 10, 0.2, 0.25)) == 0.25
    one = EchoRound(3, 1, 1, 0.2)
    assert jitter(EchoRound(2, 10, 10, 0.2, 0.25).with_more(one), one) == 0.25


def test_jitter_of_busybox_is_the_spread_of_rounds() -> None:
    assert jitter(EchoRound(1, 10, 10, 0.25), EchoRound(2, 10, 10, 0.75)) == 0.25
    assert jitter(EchoRound(1, 10, 10, 0.25)) is None
    assert jitter() is None


def test_each_state_of_an_instance_is_kept() -> None:
    for state in INSTANCE_STATES:
        service = ServiceStatus("worker", "pi4", 1, state, restarts=2)
        (found,) = (
            values
            for subject, values in kept(services={"worker@pi4": service}).items()
            if subject.endswith("/worker@pi4")
        )
        assert INSTANCE_STATES[int(found["state"])] == state
        assert found.get("ready") == (None if state == "unknown" else float(state == "ready"))


def test_a_path_that_carries_nothing_has_lost_all() -> None:
    world = World(CLUSTER)
    world.hosts["pi4"].powered = False
    told = {
        (s.series.subject, s.series.metric): s.value
        for s in samples(world.check())
        if s.series.kind == "link" and ":pi4/" in s.series.subject
    }
    assert told
    assert set(told.values()) == {100.0}
    assert {metric for _, metric in told} == {"loss_percent"}


def test_an_echo_that_is_lost_on_a_way_known_to_be_broken_is_no_chance() -> None:
    found = World(CLUSTER).check()
    facts = found.facts["mini1"]
    row = next(r for r in found.status.nodes["mini1"].reachability if r.expected and r.observed)
    to = IPv4Address(row.to)
    network = replace(facts.network, unheard={to: 1})
    lost = replace(found, facts={**found.facts, "mini1": replace(facts, network=network)})
    subject = f"mini1:{row.node}/{row.network}"

    def loss(checked: Checked) -> float:
        return next(
            s.value
            for s in link_samples(checked, "mini1")
            if (s.series.subject, s.series.metric) == (subject, "loss_percent")
        )

    assert loss(lost) == 0.0
    way = next(r for r in found.expectations.reach if (r.node, r.to) == ("mini1", to))
    assert loss(replace(lost, broken=frozenset({way}))) == 100.0
