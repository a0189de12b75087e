"""Repairs in a real network namespace, over a link that may break."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path

import pytest
from msgspec.structs import replace

from fleetctl.errors import RepairRefused
from fleetctl.health.finding import Finding
from fleetctl.health.remedies import steps
from fleetctl.health.routing import ssh_interfaces
from fleetctl.link.ssh.connect import Connector
from fleetctl.model.facts import NetworkFacts, NodeFacts
from fleetctl.model.network import Interface
from fleetctl.model.repairs import StepOutcome
from fleetctl.model.status import RepairStep
from fleetctl.model.topology import Fleet
from fleetctl.probes.parsers.ip_addr import parse_ip_addr
from fleetctl.probes.parsers.ip_route import parse_ip_route
from fleetctl.probes.parsers.unparsed import Unparsed
from fleetctl.repair.applying import Repairer
from tests.health.test_remedies import FLEET, PI5, pi5
from tests.openssh import Server, bounded, until
from tests.repair.conftest import Machine

FABRIC_ROUTE = "10.10.0.0/24 via 192.168.50.1 dev eth0"
NONE: frozenset[str] = frozenset()


def facts_of(machine: Machine) -> NodeFacts:
    interfaces = parse_ip_addr(machine.run("ip", "-j", "addr"))
    routes = parse_ip_route(machine.run("ip", "-j", "route"))
    assert not isinstance(interfaces, Unparsed)
    assert not isinstance(routes, Unparsed)
    return NodeFacts(
        measured_at=PI5.measured_at,
        system=PI5.system,
        tmux_version=None,
        panes=None,
        records={},
        log_bytes={},
        listeners=None,
        runs=None,
        network=NetworkFacts(interfaces=interfaces, routes=routes),
    )


finding = pi5


def applied(machine: Machine, code: str, planned: tuple[RepairStep, ...]) -> list[StepOutcome]:
    async def body() -> list[StepOutcome]:
        repairer = Repairer(machine.link(), "smol", NONE, lambda outcome: None)
        await repairer.prepare([step.command for step in planned])
        return [await repairer.apply(code, step) for step in planned]

    return bounded(body())


def undone(machine: Machine, protected: frozenset[str] = NONE) -> list[StepOutcome]:
    async def body() -> list[StepOutcome]:
        repairer = Repairer(machine.link(), "smol", protected, lambda outcome: None)
        records = await repairer.records()
        await repairer.prepare([kept.record.step.undo for kept in records])
        return [await repairer.undo(kept) for kept in records]

    return bounded(body())


def state(machine: Machine) -> str:
    return (
        f"routes:\n{machine.run('ip', '-4', 'route')}"
        + machine.run("ip", "-4", "-o", "addr")
        + machine.run("sysctl", "net.ipv4.ip_forward", "net.ipv4.conf.eth0.rp_filter")
    )


STOLEN = finding("default-route-stolen", "edge50", found="192.168.50.1", interface="eth0")
WRONG = finding("route-wrong-gateway", "fabric", expected="192.168.50.1", found="192.168.50.9")


@pytest.mark.parametrize(
    ("broken", "found", "wanted"),
    [
        ([], finding("forwarding-off"), "net.ipv4.ip_forward = 1"),
        ([], finding("route-missing", "fabric", expected="192.168.50.1"), FABRIC_ROUTE),
        (["route add 10.10.0.0/24 via 192.168.50.9"], WRONG, FABRIC_ROUTE),
        (
            ["route add 10.10.0.0/24 via 192.168.50.9 metric 100"],
            WRONG,
            f"{FABRIC_ROUTE} metric 100",
        ),
        (["route add blackhole 10.10.0.0/24"], WRONG, FABRIC_ROUTE),
        (["route add 10.10.0.0/25 via 192.168.50.9"], WRONG, FABRIC_ROUTE),
        (
            [
                "route add default via 192.168.50.1 metric 50",
                "route add default via 192.168.1.1 metric 600",
            ],
            STOLEN,
            "routes:\ndefault via 192.168.1.1 dev wlan0 metric 600",
        ),
        (
            ["addr del 192.168.50.2/24 dev eth0"],
            finding("address-missing", "edge50", expected="192.168.50.2", interface="eth0"),
            "inet 192.168.50.2/24 scope global eth0",
        ),
        (
            ["link set eth0 down"],
            finding("interface-down", "edge50", interface="eth0", enabled=False),
            "192.168.50.0/24 dev eth0 proto kernel",
        ),
    ],
)
def test_a_repair_changes_the_kernel_and_undo_restores_the_former_state(
    machine: Machine, broken: list[str], found: Finding, wanted: str
) -> None:
    for words in broken:
        machine.run("ip", *words.split())
    before = state(machine)
    assert wanted not in before
    outcomes = applied(machine, found.code, steps(FLEET, found, facts_of(machine)))
    assert [(o.state, o.said) for o in outcomes] == [("done", "")] * len(outcomes)
    assert wanted in state(machine)
    assert len(machine.records()) == len(outcomes) > 0
    assert {o.state for o in undone(machine)} == {"done"}
    assert state(machine) == before
    assert machine.records() == []
    assert undone(machine) == []


def test_a_stolen_default_route_and_a_narrower_route_are_gone_after_the_repair(
    machine: Machine,
) -> None:
    for words in (
        "route add default via 192.168.50.1",
        "route add default via 192.168.1.1 metric 600",
        "route add 10.10.0.0/25 via 192.168.50.9",
    ):
        machine.run("ip", *words.split())
    for found in (STOLEN, WRONG):
        applied(machine, found.code, steps(FLEET, found, facts_of(machine)))
    routes = machine.run("ip", "route")
    assert "default via 192.168.50.1" not in routes
    assert "10.10.0.0/25" not in routes


def test_records_say_what_was_run_and_only_their_owner_can_read_them(machine: Machine) -> None:
    applied(machine, "forwarding-off", steps(FLEET, finding("forwarding-off"), PI5))
    [record] = machine.records()
    assert record.stat().st_mode & 0o077 == 0
    text = record.read_text()
    for word in ("forwarding-off", "ip_forward=1", "ip_forward=0", "pi5", "fleetctl.fixed/1"):
        assert word in text
    assert record.name.startswith("000001-")
    assert record.name.endswith("-forwarding-off.json")


def test_undo_goes_from_the_newest_to_the_oldest_over_several_calls(machine: Machine) -> None:
    def write(text: str, former: str) -> tuple[RepairStep, ...]:
        file = machine.home / "file"
        return (RepairStep(f"echo {text} >{file}", "writes", f"echo {former} >{file}"),)

    for number in range(12):  # ten sorts after nine
        applied(machine, "route-missing", write(str(number + 1), str(number)))
    undone_commands = [o.command for o in undone(machine)]
    assert [c.split()[1] for c in undone_commands] == [str(n) for n in range(11, -1, -1)]
    assert (machine.home / "file").read_text() == "0\n"


def test_a_failed_command_leaves_no_record_and_says_why(machine: Machine) -> None:
    step = RepairStep(
        "sudo ip route replace 10.10.0.0/24 via 172.31.0.1 dev eth0", "", "sudo false"
    )
    [outcome] = applied(machine, "route-missing", (step,))
    assert outcome.state == "failed"
    assert "gateway" in outcome.said
    assert machine.records() == []


@pytest.mark.parametrize(
    ("tool", "says", "status", "state"),
    [
        ("route", "add net 192.168.51.0: gateway 10.10.0.3", 0, "done"),
        (
            "route",
            "route: writing to routing socket: File exists\n"
            "add net 192.168.51.0: gateway 10.10.0.3: File exists",
            0,
            "failed",
        ),
        ("route", "route: writing to routing socket: Network is unreachable", 0, "failed"),
        ("route", "", 0, "failed"),
        ("networksetup", "", 0, "done"),
        ("networksetup", "** Error: The parameters were not valid.", 0, "failed"),
        ("networksetup", "Bridge is not a recognized network service.", 0, "failed"),
        ("networksetup", "", 4, "failed"),
        ("nmcli", "Error: unknown connection 'x'.", 10, "failed"),
    ],
)
def test_output_counts_rather_than_misleading_exit_statuses(
    machine: Machine, tool: str, says: str, status: int, state: str
) -> None:
    machine.stub(tool, f"cat <<'EOF'\n{says}\nEOF\nexit {status}\n")
    words = "-n add -net 192.168.51.0/24 10.10.0.3" if tool == "route" else "-set x"
    [outcome] = applied(machine, "return-route-missing", (RepairStep(f"sudo {tool} {words}", ""),))
    assert outcome.state == state
    assert len(machine.records()) == (state == "done")
    if says and state == "failed":
        assert outcome.said in says


@pytest.mark.parametrize(
    "undo",
    [
        f"sudo ip route del {FABRIC_ROUTE}",
        "sudo ip route add 192.168.50.0/24 dev eth0 proto kernel scope link src 192.168.50.2",
        "sudo ip addr del 192.168.77.2/24 dev eth0",
    ],
)
def test_what_is_undone_already_counts_as_undone(machine: Machine, undo: str) -> None:
    applied(machine, "route-missing", (RepairStep("true", "", undo),))
    assert [o.state for o in undone(machine)] == ["done"]
    assert machine.records() == []


def test_an_undo_that_fails_keeps_its_record_and_the_others_go_on(machine: Machine) -> None:
    applied(machine, "forwarding-off", steps(FLEET, finding("forwarding-off"), PI5))
    applied(
        machine, "route-missing", (RepairStep("true", "", "sudo ip route del 10.9.0.0/16 dev no0"),)
    )
    assert [o.state for o in undone(machine)] == ["failed", "done"]
    [left] = machine.records()
    assert "no0" in left.read_text()
    assert "net.ipv4.ip_forward = 0" in state(machine)


# protected interfaces, and missing permissions


def test_nothing_is_run_or_undone_on_the_interface_that_carries_ssh(machine: Machine) -> None:
    [step] = steps(FLEET, finding("route-missing", "fabric", expected="192.168.50.1"), PI5)
    before = state(machine)

    async def body() -> StepOutcome:
        repairer = Repairer(machine.link(), "smol", frozenset({"eth0"}), lambda outcome: None)
        await repairer.prepare([step.command])
        return await repairer.apply("route-missing", step)

    outcome = bounded(body())
    assert outcome.state == "refused"
    assert outcome.said.startswith("eth0 carries the SSH connection to pi5, so fix does not touch")
    assert state(machine) == before
    assert machine.records() == []

    applied(machine, "route-missing", (step,))
    assert [o.state for o in undone(machine, frozenset({"eth0"}))] == ["refused"]
    assert FABRIC_ROUTE in state(machine)
    assert len(machine.records()) == 1


@pytest.mark.parametrize(
    ("ssh_address", "carrying"),
    [("192.168.50.2", "eth0"), ("192.168.1.25", "wlan0"), ("10.99.0.1", "wlan0"), (None, "wlan0")],
)
def test_the_interface_that_carries_ssh(ssh_address: str | None, carrying: str) -> None:
    network = NetworkFacts(
        interfaces=(
            Interface("eth0", True, True, (IPv4Interface("192.168.50.2/24"),)),
            Interface("wlan0", True, True, (IPv4Interface("192.168.1.25/24"),)),
        ),
        ssh_address=IPv4Address(ssh_address) if ssh_address else None,
    )
    known = NodeFacts(
        measured_at=PI5.measured_at,
        system=PI5.system,
        tmux_version=None,
        panes=None,
        records={},
        log_bytes={},
        listeners=None,
        runs=None,
        network=network,
    )
    assert ssh_interfaces(FLEET, FLEET.nodes["pi5"], known) == {carrying}


def test_the_interface_that_carries_ssh_over_ipv6() -> None:
    network = replace(PI5.network, ssh_address=None, ssh_interface="wlan7")
    assert ssh_interfaces(FLEET, FLEET.nodes["pi5"], replace(PI5, network=network)) == {"wlan7"}


def test_sudo_that_asks_for_a_password_is_an_error_before_anything_is_run(machine: Machine) -> None:
    machine.stub("sudo", "echo 'sudo: a password is required' >&2; exit 1\n")
    with pytest.raises(RepairRefused) as refused:
        applied(machine, "forwarding-off", steps(FLEET, finding("forwarding-off"), PI5))
    assert "sudo: a password is required" in refused.value.message
    assert "NOPASSWD" in refused.value.hint
    assert "\n" not in str(refused.value)
    assert machine.records() == []


def test_sudo_that_refuses_only_this_command(machine: Machine) -> None:
    machine.stub(
        "sudo",
        '[ "$2" = -l ] && exit 0\necho "sudo: a password is required" >&2; exit 1\n',
    )
    [outcome] = applied(machine, "forwarding-off", steps(FLEET, finding("forwarding-off"), PI5))
    assert outcome.state == "failed"
    assert "without a password" in outcome.said
    assert machine.records() == []


def test_nothing_is_run_that_cannot_be_recorded(machine: Machine) -> None:
    (machine.home / ".local").write_text("a file where a folder should be")
    [outcome] = applied(machine, "forwarding-off", steps(FLEET, finding("forwarding-off"), PI5))
    assert outcome.state == "failed"
    assert outcome.said.startswith("how to undo it cannot be written down: ")
    assert "net.ipv4.ip_forward = 0" in state(machine)


# what breaks in the middle


def test_a_cancelled_repair_ends_its_command_first(machine: Machine) -> None:
    begun, ended = machine.home / "begun", machine.home / "ended"
    step = RepairStep(f"touch {begun}; sleep 0.5; touch {ended}", "", f"rm {ended}")
    told: list[StepOutcome] = []

    async def body() -> None:
        repairer = Repairer(machine.link(), "smol", NONE, told.append)
        task = asyncio.create_task(repairer.apply("route-missing", step))
        await until(begun.exists, "the step begins")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert ended.exists()

    bounded(body())
    assert [o.state for o in told] == ["done"]
    assert len(machine.records()) == 1


def test_a_connection_that_breaks_in_the_middle_loses_nothing(
    make_sshd: Callable[..., Server], tmp_path: Path
) -> None:
    server = make_sshd()
    made = server.home / "made"
    step = RepairStep(f"touch {made}; sleep 20", "", f"rm {made}")

    async def body() -> None:
        fleet = Fleet("smol", {}, {"pi4": server.node()})
        link = await Connector(fleet.nodes).connect(server.node())
        repairer = Repairer(link, "smol", NONE, lambda outcome: None)
        running = asyncio.create_task(repairer.apply("route-missing", step))
        await until(made.exists, "the step begins")
        assert server.cut() > 0
        outcome = await running
        assert outcome.state == "unknown"
        assert outcome.said
        await link.close()

        link = await Connector(fleet.nodes).connect(server.node())
        again = Repairer(link, "smol", NONE, lambda outcome: None)
        [kept] = await again.records()
        assert kept.record.step == step
        assert (await again.undo(kept)).state == "done"
        assert not made.exists()
        assert await again.records() == ()
        await link.close()

    bounded(body())


def test_incomplete_and_foreign_files_among_the_records_are_ignored(machine: Machine) -> None:
    applied(machine, "forwarding-off", steps(FLEET, finding("forwarding-off"), PI5))
    [record] = machine.records()
    record.with_name("000002-torn.json").write_text(record.read_text()[:40])
    record.with_name("notes.txt").write_text("mine")
    assert [o.state for o in undone(machine)] == ["done"]
    applied(machine, "forwarding-off", steps(FLEET, finding("forwarding-off"), PI5))
    assert [p.name[:7] for p in machine.records()] == ["000002-", "000003-", "notes.t"]


def test_what_carries_other_connections_is_kept_as_well() -> None:
    fabric = next(name for name in FLEET.nodes["pi5"].addresses if name != "wifi")
    own = PI5.network.interface_of(FLEET.nodes["pi5"].addresses[fabric])
    assert own
    known = replace(PI5, network=replace(PI5.network, ssh_interface="wlan7"))
    kept = ssh_interfaces(FLEET, FLEET.nodes["pi5"], known, frozenset({fabric, "not-there"}))
    assert kept == {"wlan7", own.name}
