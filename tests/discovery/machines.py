"""Machines that say what they are, for the tests: Macs and Pis as in the setup guide."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

from fleetctl.config import load_text
from fleetctl.discovery.answer import Answer, Host
from fleetctl.discovery.assemble import draft
from fleetctl.discovery.draft import Draft
from fleetctl.discovery.hosts import parse_host
from fleetctl.discovery.text import file_text
from fleetctl.model.facts import NetworkFacts, NodeFacts, ThunderboltPort
from fleetctl.model.network import Interface, Neighbour, Route
from fleetctl.model.node_status import SystemStatus
from fleetctl.model.setup import NetworkService, NetworkSetup
from fleetctl.model.topology import Fleet

PORTS = {"en0": "Ethernet", "en1": "Wi-Fi", "bridge0": "Thunderbolt Bridge"}


def mac_of(host: str, interface: str) -> str:
    """A hardware address that no other interface has."""
    number = sum(ord(c) << (8 * (i % 4)) for i, c in enumerate(f"{host}/{interface}"))
    return ":".join(f"{byte:02x}" for byte in (2, 0, *(number % 2**32).to_bytes(4, "big")))


def machine(
    host: str,
    addresses: Mapping[str, str],
    *,
    macos: bool = False,
    ssh: str | None = None,
    routes: Sequence[tuple[str, str, str]] = (),
    neighbours: Sequence[tuple[str, str]] = (),
    others: Sequence[str] = (),
    ports: Sequence[tuple[str, str | None]] | None = None,
    forwarding: bool = False,
    services: Mapping[str, str] = PORTS,
    serial: str = "",
) -> NodeFacts:
    """
    :param addresses: by interface, with their prefix lengths; empty: a link and no address.
    :param ssh: the address of the SSH connection.
    :param routes: destination, next hop, interface.
    :param neighbours: interface and MAC address.
    :param serial: makes it another machine than one of the same name.
    :param others: addresses in its neighbour table of machines that are none of the hosts.
    :param ports: of Thunderbolt: the UUIDs of its own end and of the other.
    """
    interfaces = tuple(
        Interface(
            name,
            enabled=True,
            link=True,
            addresses=(IPv4Interface(text),) if text else (),
            mac=mac_of(host + serial, name),
        )
        for name, text in addresses.items()
    )
    return NodeFacts(
        measured_at=datetime.now(UTC),
        system=SystemStatus(
            os="macos" if macos else "linux",
            os_version="macOS 15.5" if macos else "debian 12",
            arch="arm64",
            hostname=host,
        ),
        tmux_version=None,
        panes=None,
        records={},
        log_bytes={},
        listeners=None,
        runs=None,
        thunderbolt=None if ports is None else tuple(ThunderboltPort(*p) for p in ports),
        setup=NetworkSetup(
            services=tuple(NetworkService(p, True, d, port=p) for d, p in services.items())
        )
        if macos
        else None,
        network=NetworkFacts(
            interfaces=interfaces,
            routes=tuple(
                Route(IPv4Network(to), IPv4Address(via), interface) for to, via, interface in routes
            ),
            neighbours=tuple(
                Neighbour(IPv4Address("169.254.1.1"), interface, mac, "known")
                for interface, mac in neighbours
            )
            + tuple(
                Neighbour(IPv4Address(ip), "bridge0", "02:ff:00:00:00:01", "known") for ip in others
            ),
            forwarding=forwarding,
            ssh_address=IPv4Address(ssh) if ssh else None,
        ),
    )


def answer(host: str, facts: NodeFacts) -> Answer:
    return Answer(parse_host(host), facts=facts, peer=str(facts.network.ssh_address or host))


def refused(host: str, why: str, *, silent: bool = False) -> Answer:
    return Answer(parse_host(host), error=why, silent=silent)


def drafted(
    *answers: Answer, here: NodeFacts | None = None, fleet: Fleet | None = None
) -> tuple[Draft, Fleet]:
    """The draft, and what its text is read as."""
    made = draft(answers, here, fleet)
    return made, load_text(file_text(made, date(2026, 11, 29)), "nodes.yaml")


# the guide


def bridged(host: str, left: str | None, right: str | None) -> list[tuple[str, str | None]]:
    """The Thunderbolt ports of a Mac between two others."""
    return [
        (f"{host}-left", f"{left}-right" if left else None),
        (f"{host}-right", f"{right}-left" if right else None),
    ]


def guide() -> list[Answer]:
    """The cluster of the guide, as it is when all is done."""
    wifi = "192.168.1."
    minis = [
        machine(
            "mini1",
            {"en0": "192.168.50.1/24", "en1": f"{wifi}11/24", "bridge0": "10.10.0.1/24"},
            macos=True,
            ssh=f"{wifi}11",
            routes=[("0.0.0.0/0", f"{wifi}1", "en1"), ("192.168.51.0/24", "10.10.0.3", "bridge0")],
            forwarding=True,
            ports=bridged("mini1", None, "mini2"),
        ),
        machine(
            "mini2",
            {"en1": f"{wifi}12/24", "bridge0": "10.10.0.2/24"},
            macos=True,
            ssh=f"{wifi}12",
            routes=[
                ("192.168.50.0/24", "10.10.0.1", "bridge0"),
                ("192.168.51.0/24", "10.10.0.3", "bridge0"),
            ],
            ports=bridged("mini2", "mini1", "mini3"),
        ),
        machine(
            "mini3",
            {"en0": "192.168.51.2/24", "en1": f"{wifi}13/24", "bridge0": "10.10.0.3/24"},
            macos=True,
            ssh=f"{wifi}13",
            routes=[("192.168.50.0/24", "10.10.0.1", "bridge0")],
            forwarding=True,
            ports=bridged("mini3", "mini2", None),
        ),
    ]
    pis = [
        machine(
            "pi5",
            {"eth0": "192.168.50.2/24", "wlan0": f"{wifi}25/24", "docker0": "172.17.0.1/16"},
            ssh=f"{wifi}25",
            routes=[("10.10.0.0/24", "192.168.50.1", "eth0")],
        ),
        machine(
            "pi4",
            {"eth0": "192.168.51.4/24", "wlan0": f"{wifi}24/24"},
            ssh=f"{wifi}24",
            routes=[("10.10.0.0/24", "192.168.51.2", "eth0")],
        ),
    ]
    return [answer(f.system.hostname or "", f) for f in (*minis, *pis) if f.system]


def fresh(**changes: NodeFacts) -> list[Answer]:
    """The same machines as they come out of their boxes, with all cables in place.

    :param changes: facts of machines that are different.
    """
    wifi = "192.168.1."
    own = "169.254."
    facts = {
        "mini1": machine(
            "mini1",
            {"en0": f"{own}7.1/16", "en1": f"{wifi}11/24", "bridge0": f"{own}8.1/16"},
            macos=True,
            ssh=f"{wifi}11",
            ports=bridged("mini1", None, "mini2"),
        ),
        "mini2": machine(
            "mini2",
            {"en1": f"{wifi}12/24", "bridge0": f"{own}8.2/16"},
            macos=True,
            ssh=f"{wifi}12",
            ports=bridged("mini2", "mini1", "mini3"),
        ),
        "mini3": machine(
            "mini3",
            {"en0": "", "en1": f"{wifi}13/24", "bridge0": ""},
            macos=True,
            ssh=f"{wifi}13",
            ports=bridged("mini3", "mini2", None),
        ),
        "pi5": machine(
            "pi5",
            {"eth0": "", "wlan0": f"{wifi}25/24"},
            ssh=f"{wifi}25",
            neighbours=[("eth0", mac_of("mini1", "en0"))],
        ),
        "pi4": machine(
            "pi4",
            {"eth0": "", "wlan0": f"{wifi}24/24"},
            ssh=f"{wifi}24",
            neighbours=[("eth0", mac_of("mini3", "en0"))],
        ),
        **changes,
    }
    return [answer(name, said) for name, said in facts.items()]


__all__ = ["Host", "answer", "drafted", "fresh", "guide", "mac_of", "machine", "refused"]
