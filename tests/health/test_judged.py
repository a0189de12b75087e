"""What is kept from look to look never differs from what is found anew, whatever nodes say."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
from random import Random
from typing import Any

import pytest
from msgspec import Struct
from msgspec.structs import fields, replace

from fleetctl.config import load
from fleetctl.health.assess import Checked, assess
from fleetctl.health.judged import Judged
from fleetctl.health.network.findings import findings
from fleetctl.health.network.of_node import of_node
from fleetctl.health.network.quality import Degraded
from fleetctl.health.network.rows import firm_rows
from fleetctl.health.network.warnings import warnings
from fleetctl.health.one_node import beforehand
from fleetctl.model.expectations import derive
from fleetctl.model.facts import NodeFacts, ThunderboltPort
from fleetctl.model.jobs import Job
from fleetctl.model.look import Look
from fleetctl.model.network import EchoRound, Neighbour, PortUse
from fleetctl.model.questions import Depth
from fleetctl.model.steps import StepReading, Steps
from tests.health.world import Host, World

FLEET = load(Path(__file__).parents[2] / "nodes.yaml")
JOBS = tuple(FLEET.jobs.values())
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
ROUNDS, POOL = 60, 8
Extra = Callable[[Random, NodeFacts], NodeFacts]


def _broken(random: Random, host: Host) -> None:
    network = random.choice([*host.addresses] or [""])
    match random.randrange(8):
        case 0:
            host.powered = False
        case 1:
            host.missing.add(network)
        case 2:
            host.carrier[network] = False
        case 3:
            host.enabled[network] = False
        case 4:
            host.prefixes[network] = 25
        case 5:
            host.routes.clear()
        case 6:
            host.forwarding = not host.forwarding
        case _:
            host.loses[network] = 0.4


def _network(facts: NodeFacts, **changes: Any) -> NodeFacts:
    return replace(facts, network=replace(facts.network, **changes))


def _neighbours(random: Random, facts: NodeFacts) -> NodeFacts:
    to = random.choice([*facts.network.echoes] or [IPv4Address("10.0.0.1")])
    return _network(facts, neighbours=(Neighbour(to, "eth0", _mac(random, 0), "known", True),))


def _mac(random: Random, place: int) -> str:
    return f"02:00:00:00:{random.randrange(3):02x}:{place:02x}"


def _cards(random: Random, facts: NodeFacts) -> NodeFacts:
    cards = facts.network.interfaces or ()
    named = [
        replace(card, mac=_mac(random, place), mtu=random.choice((1500, 9000)))
        for place, card in enumerate(cards)
    ]
    return _network(facts, interfaces=tuple(named))


def _rounds(random: Random, facts: NodeFacts) -> NodeFacts:
    came = random.randrange(11)
    rounds = {to: tuple(EchoRound(n, 10, came, 0.2) for n in (1, 2)) for to in facts.network.echoes}
    return _network(facts, rounds=rounds)


def _use(random: Random, facts: NodeFacts) -> NodeFacts:
    use = PortUse(random.randrange(9), 0)
    return _network(facts, use={card.name: use for card in facts.network.interfaces or ()})


def _steps(random: Random, facts: NodeFacts) -> NodeFacts:
    pause_s = random.choice((1, 4))
    readings = tuple(StepReading(100.0 - pause_s * n, 90 - n) for n in range(20, -1, -1))
    return replace(facts, steps={key: Steps(101.0, readings) for key in facts.records})


EXTRAS: tuple[Extra, ...] = (
    _neighbours,
    _cards,
    _rounds,
    _use,
    _steps,
    lambda random, facts: replace(
        facts,
        reliability=replace(facts.reliability, clock_offset_s=random.choice((0.0, 9.0))),
    ),
    lambda random, facts: replace(
        facts, unknown={random.choice(("interfaces", "routes", "runs")): "no answer"}
    ),
    lambda random, facts: replace(
        facts, thunderbolt=(ThunderboltPort(f"{random.randrange(3)}", f"{random.randrange(3)}"),)
    ),
    lambda random, facts: _network(facts, strict_filters=("eth0",)),
)


def _looks(random: Random) -> dict[str, list[Look]]:
    """By node: what it may say, or that it is lost."""
    pool: dict[str, list[Look]] = {name: [] for name in FLEET.nodes}
    for number in range(POOL):
        world = World(FLEET, job=random.choice((None, *JOBS)))
        for _ in range(min(number, 2)):
            _broken(random, random.choice([*world.hosts.values()]))
        for name, known in pool.items():
            known.append(world.look(name, random.choice(("check", "status"))))
    return pool


def _mixed(random: Random, look: Look, other: Look) -> Look:
    """``look`` with one value of ``other``, or with one that the worlds do not have."""
    mine, its = look.facts, other.facts
    if mine is None or its is None or random.random() < 0.2:
        return replace(other)
    if random.random() < 0.4:
        return replace(look, facts=random.choice(EXTRAS)(random, mine))
    of_network = _differing(mine.network, its.network)
    of_facts = _differing(mine, its)
    if of_network and random.random() < 0.5:
        name = random.choice(of_network)
        mine = _network(mine, **{name: getattr(its.network, name)})
    elif of_facts:
        name = random.choice(of_facts)
        mine = replace(mine, **{name: getattr(its, name)})
    return replace(look, facts=mine)


def _differing(one: Struct, other: Struct) -> list[str]:
    names = [field.name for field in fields(one) if field.name not in ("network", "measured_at")]
    return [name for name in names if getattr(one, name) != getattr(other, name)]


def _same(kept: Checked, anew: Checked) -> None:
    at = anew.status.generated_at
    assert replace(kept.status, generated_at=at) == anew.status
    assert kept.roots == anew.roots
    assert (kept.degraded, kept.broken) == (anew.degraded, anew.broken)


@pytest.mark.parametrize("seed", [1, 2])
def test_what_is_kept_is_what_is_found_anew(seed: int) -> None:
    random, jobs = Random(seed), (*JOBS, None)
    expectations = derive(FLEET)
    judged = Judged(FLEET, expectations)
    pool = _looks(random)
    looks = {name: known[0] for name, known in pool.items()}
    standing: frozenset[Degraded] = frozenset()
    for number in range(ROUNDS):
        now = NOON + timedelta(seconds=number)
        depth: Depth = random.choice(("check", "check", "status"))
        for name in random.sample([*looks], random.randint(0, 2)):
            look = _mixed(random, looks[name], random.choice(pool[name]))
            if look.facts:
                look = replace(look, facts=replace(look.facts, measured_at=now))
            looks[name] = look
            if random.random() < 0.5:
                beforehand(judged, JOBS, FLEET.nodes[name], look, depth)
        for job in random.sample(jobs, 2):
            kept, anew = (
                assess(
                    FLEET,
                    job,
                    expectations,
                    looks,
                    duration_s=0.0,
                    depth=depth,
                    standing=standing,
                    judged=one,
                )
                for one in (judged, None)
            )
            _same(kept, anew)
        standing = kept.degraded


def test_a_machine_that_is_known_later_is_no_stranger_any_more() -> None:
    judged = Judged(FLEET, derive(FLEET))
    world = World(FLEET)
    looks = {name: world.look(name, "check") for name in FLEET.nodes}

    def say(name: str, **changes: Any) -> None:
        facts = looks[name].facts
        assert facts
        looks[name] = replace(looks[name], facts=_network(facts, **changes))

    def card(name: str, mac: str) -> None:
        facts = looks[name].facts
        assert facts
        cards = facts.network.interfaces or ()
        say(name, interfaces=tuple(replace(own, mac=mac) for own in cards))

    def codes() -> set[str]:
        found = assess(
            FLEET, None, judged.expectations, looks, duration_s=0.0, judged=judged, depth="check"
        )
        return {problem.code for problem in found.status.problems}

    own = FLEET.nodes["mini2"].addresses["fabric"]
    card("mini2", "02:00:00:00:00:02")
    assert "address-duplicate" not in codes()
    say("mini1", neighbours=(Neighbour(own, "thunderbolt0", "02:00:00:00:00:99", "known", True),))
    assert "address-duplicate" in codes()
    card("mini3", "02:00:00:00:00:99")  # it answers in the other's place (proxy ARP)
    assert "address-duplicate" not in codes()


def test_nodes_that_answer_one_after_the_other_are_no_strangers_to_one_another() -> None:
    judged = Judged(FLEET, derive(FLEET))
    world = World(FLEET)
    looks = {name: Look() for name in FLEET.nodes}
    for place, name in enumerate(FLEET.nodes):
        look = world.look(name, "check")
        if look.facts:
            cards = tuple(
                replace(card, mac=f"02:00:00:00:{place:02x}:{number:02x}")
                for number, card in enumerate(look.facts.network.interfaces or ())
            )
            look = replace(look, facts=_network(look.facts, interfaces=cards))
        looks[name] = look
    told = {name: look.facts for name, look in looks.items() if look.facts}
    mac = {
        own.ip: c.mac
        for f in told.values()
        for c in f.network.interfaces or ()
        for own in c.addresses
    }
    answered = {name: Look() for name in FLEET.nodes}
    for name, facts in told.items():
        table = tuple(
            Neighbour(to, "eth0", mac[to], "known", True)
            for to in facts.network.echoes
            if to in mac
        )
        answered[name] = replace(looks[name], facts=_network(facts, neighbours=table))
        found = assess(
            FLEET, None, judged.expectations, answered, duration_s=0.0, judged=judged, depth="check"
        )
        assert "address-duplicate" not in {problem.code for problem in found.status.problems}


def test_nothing_is_judged_twice_while_all_say_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor for a second job: what is kept is kept for all."""
    judged = Judged(FLEET, derive(FLEET))
    world = World(FLEET)
    looks = {name: world.look(name, "check") for name in FLEET.nodes}
    made: list[Any] = []
    of = Judged.of

    def counted(self: Judged, key: Any, made_of: Any, make: Callable[[], Any]) -> Any:
        def noted() -> Any:
            made.append(key)
            return make()

        return of(self, key, made_of, noted)

    monkeypatch.setattr(Judged, "of", counted)

    def judge(job: Job | None) -> Sequence[Any]:
        made.clear()
        assess(FLEET, job, judged.expectations, looks, duration_s=0.0, depth="check", judged=judged)
        return tuple(made)

    assert judge(JOBS[0])
    assert judge(JOBS[0]) == ()
    later = {
        name: replace(look, facts=replace(look.facts, measured_at=NOON)) if look.facts else look
        for name, look in looks.items()
    }
    looks.update(later)
    again = {key[0] if isinstance(key, tuple) else key for key in judge(JOBS[0])}
    assert again <= {"instance", "statuses", "machine", "node", "orphans", "warned"}


class _Watched:
    """Facts that note which of them are read."""

    def __init__(self, facts: object, read: set[str], before: str = "") -> None:
        self._facts, self._read, self._before = facts, read, before

    def __getattr__(self, name: str) -> Any:
        self._read.add(self._before + name)
        value = getattr(self._facts, name)
        return _Watched(value, self._read, "network.") if name == "network" else value


def test_what_findings_and_warnings_read_is_among_what_is_kept() -> None:
    """A fact that is not would be missing for them, and nothing would be found."""
    random, read = Random(3), set[str]()
    judged = Judged(FLEET, derive(FLEET))
    for name, known in _looks(random).items():
        for look in known:
            if look.facts is None:
                continue
            facts, node = look.facts, FLEET.nodes[name]
            watched: Any = _Watched(facts, read)
            rows = firm_rows(FLEET, judged.expectations, node, watched)
            found = tuple(findings(FLEET, node, watched, rows))
            warned = tuple(warnings(FLEET, node, watched, rows))
            kept = of_node(judged, node, facts, "check")
            assert (kept.found, kept.warnings) == (found, warned)
    of_network = (
        "interfaces", "routes", "taken", "forwarding", "forwarding_persistent", "persistence",
        "strict_filters", "echoes", "interface_of",
    )  # fmt: skip
    own = {"network", "system", "reliability", "setup", "boot_start", "thunderbolt", "unknown"}
    assert read <= own | {f"network.{name}" for name in of_network}
