"""From a check's root causes to commands, with setups asked by real scripts."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from fleetctl.health.assess import Checked
from fleetctl.health.finding import Finding
from fleetctl.health.network.diagnosis import Root
from fleetctl.health.repairs.boot_files import write_command
from fleetctl.link.links import Links
from fleetctl.model.expectations import derive
from fleetctl.model.facts import NodeFacts
from fleetctl.model.repairs import Proposal
from fleetctl.model.setup import NetworkSetup
from fleetctl.model.status import SCHEMA, FleetStatus, Problem
from fleetctl.repair import proposals
from fleetctl.repair.proposals import propose
from tests.health.test_remedies import (
    FLEET,
    LINUX,
    MACOS,
    MINI1,
    PI5,
    RETURN,
    WAY,
    interface,
    mini1,
    pi5,
    route,
)
from tests.openssh import bounded

FACTS = {"mini1": MINI1, "pi5": PI5}


def root(*found: Finding, severity: str = "error") -> Root:
    problem = Problem(found[0].code, severity, f"about {found[0].code}", found[0].node)  # type: ignore[arg-type]  # one of two words
    return Root(problem, found)


def checked(*roots: Root, others: tuple[Problem, ...] = ()) -> Checked:
    problems = (*(r.problem for r in roots), *others)
    status = FleetStatus(
        SCHEMA, "smol", None, datetime.now(UTC), 0.1, not problems, {}, {}, problems
    )
    return Checked(status, roots, FACTS, FLEET, derive(FLEET))


def proposed(
    monkeypatch: pytest.MonkeyPatch,
    found: Checked,
    nodes: tuple[str, ...] = ("mini1", "pi5"),
    setups: dict[str, NetworkSetup | str] | None = None,
    problems: tuple[Problem, ...] | None = None,
) -> Proposal:
    answers = {"mini1": MACOS, "pi5": LINUX} if setups is None else setups

    async def ask(links: Links, node: str) -> NetworkSetup | str:
        return answers[node]

    monkeypatch.setattr(proposals, "_ask", ask)

    async def body() -> Proposal:
        async with Links(FLEET) as links:
            return await propose(FLEET, links, found, nodes, problems)

    return bounded(body())


def test_one_problem_is_repaired_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    other = Problem("ssh-timeout", "error", "pi5 does not answer", "pi5")
    found = checked(root(RETURN), root(WAY), others=(other,))
    wanted = replace(root(RETURN).problem, summary="in other words, by an earlier look")
    proposal = proposed(monkeypatch, found, problems=(wanted,))
    assert [r.problem for r in proposal.repairs] == [root(RETURN).problem]
    assert proposal.by_hand == ()
    assert proposed(monkeypatch, found, problems=(other,)).by_hand[0].problem == other
    assert proposed(monkeypatch, checked(root(WAY)), problems=(wanted,)) == Proposal()


def test_what_a_repair_will_bring_up_is_planned_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing address hides the routes over it."""
    bare = replace(
        PI5,
        network=replace(
            PI5.network,
            interfaces=(interface("wlan0", "192.168.1.25/24"), interface("eth0")),
            routes=(route("default", "192.168.1.1", "wlan0"),),
        ),
    )
    lost = pi5("address-missing", "edge50", expected="192.168.50.2", interface="eth0")
    found = replace(checked(root(lost)), facts={**FACTS, "pi5": bare})
    proposal = proposed(monkeypatch, found)
    assert [r.problem.code for r in proposal.repairs] == ["address-missing"]
    [then] = proposal.then
    assert (then.problem.code, then.node) == ("route-missing", "pi5")
    assert then.steps[0].command == "sudo ip route replace 10.10.0.0/24 via 192.168.50.1 dev eth0"
    unknown = replace(lost, interface="")
    assert proposed(monkeypatch, replace(found, roots=(root(unknown),))).then == ()


def test_each_system_has_its_own_rule_for_what_lasts(monkeypatch: pytest.MonkeyPatch) -> None:
    mac, pi = proposed(monkeypatch, checked(root(RETURN), root(WAY))).repairs
    assert [s.lasts for s in mac.steps] == [False, True]
    assert [s.lasts for s in mac.runnable(persistent=False)] == [False]
    assert mac.runnable(persistent=True) == mac.steps
    assert [s.lasts for s in pi.runnable(persistent=False)] == [False, True]


def test_what_several_problems_change_in_one_setup_adds_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    second = mini1("return-route-missing", "edge50", expected="10.10.0.3")
    [repair] = proposed(monkeypatch, checked(root(RETURN, second))).repairs
    [last] = [s for s in repair.steps if s.lasts]
    service = "sudo networksetup -setadditionalroutes 'Thunderbolt Bridge'"
    first = "192.168.51.0 255.255.255.0 10.10.0.3"
    assert last.command == f"{service} {first} 192.168.50.0 255.255.255.0 10.10.0.3"
    assert last.undo == service
    assert "192.168.51.0/24" in last.does
    assert "192.168.50.0/24" in last.does
    assert [s.command.split()[1] for s in repair.steps] == ["route", "route", "networksetup"]


def test_an_error_is_repaired_before_a_warning_that_its_repair_covers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    warning = root(pi5("forwarding-not-persistent"), severity="warning")
    error = root(pi5("forwarding-off"))
    found = proposed(monkeypatch, checked(warning, error))
    [repair] = found.repairs
    assert repair.problem.code == "forwarding-off"
    assert [s.lasts for s in repair.steps] == [False, True]
    assert [left.problem.code for left in found.by_hand] == ["forwarding-not-persistent"]


def test_only_the_chosen_nodes_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    found = checked(root(RETURN), root(WAY))
    chosen = proposed(monkeypatch, found, ("pi5",), {"pi5": LINUX})
    assert [r.node for r in chosen.repairs] == ["pi5"]
    assert chosen.by_hand == ()


def test_what_has_no_remedy_is_left_to_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    cable = root(pi5("interface-down", "edge50", interface="eth0"))
    dead = Problem("ssh-timeout", "error", "mini2 is gone", "pi5")
    fleetwide = Problem("no-internet", "error", "no node has internet")
    elsewhere = Problem("ssh-timeout", "error", "mini3 is gone", "mini3")
    found = proposed(monkeypatch, checked(cable, others=(dead, fleetwide, elsewhere)))
    assert found.repairs == ()
    assert [left.problem for left in found.by_hand] == [cable.problem, dead, fleetwide]
    assert found.by_hand[0].notes == ("eth0 is switched on: look at its cable",)


def test_a_setup_that_cannot_be_asked_leaves_the_live_repair(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    why = "pi5: not for good, because it did not answer"
    [repair] = proposed(monkeypatch, checked(root(WAY)), setups={"pi5": why}).repairs
    assert [s.lasts for s in repair.steps] == [False]
    assert repair.notes == (why,)


def test_steps_on_the_interface_that_carries_ssh_are_never_runnable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    over_edge = replace(
        PI5, network=replace(PI5.network, ssh_address=FLEET.nodes["pi5"].addresses["edge50"])
    )
    facts: dict[str, NodeFacts] = {**FACTS, "pi5": over_edge}
    found = replace(checked(root(WAY), root(pi5("forwarding-off"))), facts=facts)
    way, forwarding = proposed(monkeypatch, found).repairs
    assert way.runnable(persistent=True) == ()
    assert all("carries the SSH connection" in way.refusal(step) for step in way.steps)
    assert forwarding.runnable(persistent=True) == forwarding.steps


def test_a_node_that_cannot_be_reached_has_no_setup(monkeypatch: pytest.MonkeyPatch) -> None:
    async def body() -> NetworkSetup | str:
        lost = replace(FLEET.nodes["pi5"], connection="none")
        async with Links(replace(FLEET, nodes={"pi5": lost})) as links:
            return await proposals._ask(links, "pi5")

    said = bounded(body())
    assert isinstance(said, str)
    assert said.startswith("pi5: not for good, because its setup could not be asked: ")


@settings(deadline=None)  # each example starts a process
@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=80))
def test_a_file_is_written_exactly(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.mktemp("file") / "file"
    command = write_command(str(path), text)
    assert command.startswith("sudo sh -c ")
    subprocess.run(["sh", "-c", command.removeprefix("sudo ")], check=True)
    assert path.read_bytes() == text.encode()
    assert path.stat().st_mode & 0o777 == 0o644
    assert [p.name for p in Path(path.parent).iterdir()] == ["file"]
