"""Lasting repairs where systemd-networkd, dhcpcd or ifupdown sets up the interface: what they
write, from what is there, and what undoes it."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

import pytest

from fleetctl.health import at_boot
from fleetctl.health.finding import Finding
from fleetctl.health.remedies import plan, plans
from fleetctl.model.setup import NetworkSetup
from fleetctl.model.status import RepairStep
from fleetctl.probes.setup import with_managers
from tests.health.test_remedies import FLEET, NO_ADDRESS, PI5, WAY, pi5

ADDRESS = pi5("address-not-persistent", "edge50", expected="192.168.50.2", interface="eth0")
ROUTE = pi5("route-not-persistent", "fabric", expected="192.168.50.1", interface="eth0")
OWN_MATCH = "[Match]\nName=eth0\n\n[Network]\nDHCP=yes\n"
ANY_MATCH = "[Match]\nName=e*\n\n[Network]\nDHCP=yes\n"
NETWORKD = "\x1enetworkd eth0 {}\n{}\x1einterface eth0\n"
DHCPCD = "\x1edhcpcd\n{}\x1einterface eth0\n"
IFUPDOWN = "\x1eifupdown\n{}\x1einterface eth0\n"
SOURCE = "source /etc/network/interfaces.d/*\n"
MADE_BY = '"# written by fleetctl fix; fleetctl fix --undo takes it away"'
DROP_IN = "/etc/systemd/network/eth0.network.d"
WHOLE = "/etc/systemd/network/05-fleetctl-eth0.network"
IFACE = "/etc/network/interfaces.d/fleetctl-eth0"


def told(text: str) -> NetworkSetup:
    """The setup by what a node says, without NetworkManager."""
    setup = NetworkSetup(unknown={"profiles": "there is no NetworkManager"})
    return with_managers(setup, text)


def networkd(file: str, text: str) -> NetworkSetup:
    return told(NETWORKD.format(file, text))


def written(file: str, folder: str, *lines: str) -> str:
    words = " ".join([MADE_BY, *lines])
    return (
        f'sudo sh -c \'f={file}; mkdir -p {folder} && printf "%s\\n" {words} >$f.new && '
        "chmod 644 $f.new && chown 0:0 $f.new && mv $f.new $f'"
    )


def lines_of(*lines: str) -> str:
    """What writes lines between the two comments of dhcpcd.conf."""
    marks = '"# fleetctl eth0 begin"', '"# fleetctl eth0 end"'
    words = " ".join([marks[0], *lines, marks[1]])
    return (
        "sudo sh -c 'f=/etc/dhcpcd.conf; cp -p $f $f.new && "
        'sed -e "/^# fleetctl eth0 begin$/,/^# fleetctl eth0 end$/d" -e "\\$a\\\\" $f >$f.new && '
        f'printf "%s\\n" {words} >>$f.new && mv $f.new $f\''
    )


NO_LINES = (
    "sudo sh -c 'f=/etc/dhcpcd.conf; cp -p $f $f.new && "
    'sed -e "/^# fleetctl eth0 begin$/,/^# fleetctl eth0 end$/d" $f >$f.new && mv $f.new $f\''
)
NETWORK, TO = ('"[Network]" "Address=192.168.50.2/24"',
               '"[Route]" "Destination=10.10.0.0/24" "Gateway=192.168.50.1"')  # fmt: skip
MATCH = '"" "[Match]" "Name=eth0" ""'
NO_DROP_IN = f"sudo sh -c 'rm -f {DROP_IN}/fleetctl.conf && (rmdir {DROP_IN} 2>/dev/null; :)'"
STATIC = f"{SOURCE}auto eth0\niface eth0 inet static\n    address 10.9.0.2/24\n"

CASES = [
    (networkd("/usr/lib/systemd/network/eth0.network", OWN_MATCH),
     [(written(f"{DROP_IN}/fleetctl.conf", DROP_IN, '""', NETWORK), NO_DROP_IN),
      (written(f"{DROP_IN}/fleetctl.conf", DROP_IN, '""', NETWORK, '""', TO),
       written(f"{DROP_IN}/fleetctl.conf", DROP_IN, '""', NETWORK))]),
    # a drop-in beside it would be for all interfaces
    (networkd("/etc/systemd/network/20-wired.network", ANY_MATCH),
     [(written(WHOLE, "/etc/systemd/network", MATCH, NETWORK, '"IPv6AcceptRA=no"'),
       f"sudo rm -f {WHOLE}"),
      (written(WHOLE, "/etc/systemd/network", MATCH, NETWORK, '"IPv6AcceptRA=no"', '""', TO),
       written(WHOLE, "/etc/systemd/network", MATCH, NETWORK, '"IPv6AcceptRA=no"'))]),
    (told(DHCPCD.format("hostname\n")),
     [(lines_of('"interface eth0"', '"static ip_address=192.168.50.2/24"'), NO_LINES),
      (lines_of('"interface eth0"', '"static ip_address=192.168.50.2/24"',
                '"static routes=10.10.0.0/24 192.168.50.1"'),
       lines_of('"interface eth0"', '"static ip_address=192.168.50.2/24"'))]),
    (told(IFUPDOWN.format(STATIC)),
     [(written(IFACE, "/etc/network/interfaces.d", '"iface eth0 inet static"',
               '"    address 192.168.50.2/24"'), f"sudo rm -f {IFACE}"),
      (written(IFACE, "/etc/network/interfaces.d", '"iface eth0 inet static"',
               '"    address 192.168.50.2/24"',
               '"    up ip route add 10.10.0.0/24 via 192.168.50.1 dev eth0"'),
       written(IFACE, "/etc/network/interfaces.d", '"iface eth0 inet static"',
               '"    address 192.168.50.2/24"'))]),
]  # fmt: skip


@pytest.mark.parametrize(("setup", "expected"), CASES)
def test_address_and_route_are_written_once(
    setup: NetworkSetup, expected: list[tuple[str, str]]
) -> None:
    made = list(plans(FLEET, [ADDRESS, ROUTE], PI5, setup))
    steps = [s for p in made for s in p.steps]
    assert [(s.command, s.undo) for s in steps] == expected
    assert all(s.lasts and s.interface == "eth0" for s in steps)
    after = made[-1].setup
    assert after
    again = list(plans(FLEET, [ADDRESS, ROUTE], PI5, after))
    assert not any(p.steps or p.notes for p in again)


@pytest.mark.parametrize(("setup", "_expected"), CASES)
def test_what_is_written_is_seen_to_last(setup: NetworkSetup, _expected: object) -> None:
    after = list(plans(FLEET, [ADDRESS, ROUTE], PI5, setup))[-1].setup
    assert after
    assert PI5.network.interfaces
    own, via = PI5.network.interfaces[1].addresses[0], IPv4Address("192.168.50.1")
    boot = at_boot.boot(after, "eth0")
    assert boot.of(lambda way: at_boot.address(way, own, leased=False)).persistent
    to = IPv4Network("10.10.0.0/24")
    assert boot.of(lambda way: at_boot.route(way, to, via)).persistent


def lasting(setup: NetworkSetup, finding: Finding) -> list[RepairStep]:
    return [s for s in plan(FLEET, finding, PI5, setup).steps if s.lasts]


def test_a_missing_address_is_written_beside_what_works_at_once() -> None:
    setup = CASES[0][0]
    for finding in (NO_ADDRESS, WAY):
        live, kept = plan(FLEET, finding, PI5, setup).steps
        assert (live.lasts, kept.lasts) == (False, True)


def test_a_route_alone_takes_the_address_along_into_a_file_that_replaces_another() -> None:
    [step] = lasting(networkd("/etc/systemd/network/20-wired.network", ANY_MATCH), ROUTE)
    assert "Address=192.168.50.2/24" in step.command
    [step] = lasting(networkd("/etc/systemd/network/eth0.network", OWN_MATCH), ROUTE)
    assert "Address" not in step.command


def test_a_file_of_netplans_that_only_root_may_read_takes_a_drop_in() -> None:
    where = "/run/systemd/network/10-netplan-eth0.network"
    setup = networkd(where, f"cat: {where}: Permission denied\n")
    [step] = lasting(setup, NO_ADDRESS)
    assert "/etc/systemd/network/10-netplan-eth0.network.d/fleetctl.conf" in step.command


@pytest.mark.parametrize(
    ("setup", "finding", "said"),
    [
        # what is there has another address of the network, or leads the route elsewhere
        (networkd("/etc/systemd/network/e.network", f"{OWN_MATCH}Address=192.168.50.9/24\n"),
         ADDRESS, "`Address=192.168.50.2/24`"),
        (networkd("/etc/systemd/network/e.network",
                  f"{OWN_MATCH}[Route]\nDestination=10.10.0.0/24\nGateway=192.168.50.9\n"),
         ROUTE, "`Gateway=192.168.50.1`"),
        # for several interfaces, and it says more than DHCP, or sorts before a file of ours
        (networkd("/etc/systemd/network/e.network", f"{ANY_MATCH}Address=10.9.0.2/24\n"),
         ADDRESS, "write into /etc/systemd/network/e.network"),
        (networkd("/etc/systemd/network/01.network", ANY_MATCH), ADDRESS, "01.network"),
        (networkd("/etc/systemd/network/my wired.network", OWN_MATCH), ADDRESS,
         "characters that fleetctl does not write"),
        (told(DHCPCD.format("interface eth0\nstatic ip_address=10.9.0.2/24\n")), ADDRESS,
         "`static ip_address=192.168.50.2/24`"),
        # ifupdown: not included, not brought up, or after DHCP
        (told(IFUPDOWN.format("auto eth0\niface eth0 inet manual\n")), ADDRESS, "`auto eth0`"),
        (told(IFUPDOWN.format(f"{SOURCE}iface eth0 inet manual\n")), ADDRESS, "`auto eth0`"),
        (told(IFUPDOWN.format(f"{SOURCE}auto eth0\niface eth0 inet dhcp\n")), ROUTE,
         "below `iface eth0 inet …`"),
        (CASES[0][0], pi5("address-missing", "wifi", expected="192.168.1.25", interface="eth0"),
         "`Address=192.168.1.25/24`"),
    ],
)  # fmt: skip
def test_the_lines_are_told_where_something_stands_in_the_way(
    setup: NetworkSetup, finding: Finding, said: str
) -> None:
    made = plan(FLEET, finding, PI5, setup)
    assert not any(s.lasts for s in made.steps)
    [note] = made.notes
    assert note.startswith("pi5: for good by hand, because ")
    assert said in note
