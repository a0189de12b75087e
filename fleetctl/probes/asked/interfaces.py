"""A node's interfaces, routes and neighbours, and the route that packets to an address take.

Costs one process on Linux, and one for each of these on macOS.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from ipaddress import IPv4Address
from typing import Protocol

from msgspec import Struct
from msgspec.structs import replace

from fleetctl.model.facts import NodeFacts
from fleetctl.model.network import Interface, Neighbour, Route, RouteTaken
from fleetctl.model.questions import Questions
from fleetctl.probes.parsers.address import ipv4
from fleetctl.probes.parsers.arp import parse_arp
from fleetctl.probes.parsers.ifconfig import parse_ifconfig
from fleetctl.probes.parsers.ip_addr import parse_ip_addr
from fleetctl.probes.parsers.ip_batch import IpBatch, parse_ip_batch
from fleetctl.probes.parsers.ip_neigh import parse_ip_neigh
from fleetctl.probes.parsers.ip_route import parse_ip_route
from fleetctl.probes.parsers.ip_route_get import parse_ip_route_get
from fleetctl.probes.parsers.netstat_routes import parse_netstat_routes, routes
from fleetctl.probes.parsers.route_get import parse_route_get
from fleetctl.probes.parsers.unparsed import Unparsed
from fleetctl.probes.probe import Ask, PartOf, Probe, Told, Unanswered, or_why

_ADDRESSES, _ROUTES, _NEIGHBOURS = range(3)
_HEAD = ("addr show", "route show table main", "neigh show")


def _linux(questions: Questions) -> str:
    batch = "\n".join([*_HEAD, *(f"route get {address}" for address in questions.ways)])
    return f"ip -j -force -batch - <<'EOF'\n{batch}\nEOF"


def _said(told: Told) -> IpBatch:
    return parse_ip_batch(told.answer.text, len(_HEAD), told.questions.ways)


# ways


class Ways(Struct, frozen=True):
    """The routes that packets take, by address."""

    taken: Mapping[IPv4Address, RouteTaken]
    unread: Mapping[IPv4Address, str]
    """Output that was not understood."""


class _Way(Protocol):
    """What the parsers of both systems return for the route to an address."""

    def taken(self, asked: IPv4Address) -> RouteTaken: ...


def _ways(said: Iterable[tuple[IPv4Address, str]], parse: Callable[[str], _Way | Unparsed]) -> Ways:
    taken: dict[IPv4Address, RouteTaken] = {}
    unread: dict[IPv4Address, str] = {}
    for address, text in said:
        way = or_why(parse(text))
        if isinstance(way, Unanswered):
            unread[address] = way.why
        else:
            taken[address] = way.taken(address)
    return Ways(taken, unread)


def _ways_of_linux(told: Told) -> Ways:
    return _ways(_said(told).ways.items(), parse_ip_route_get)


def _ways_text_of_macos(questions: Questions) -> str:
    return "".join(f"echo 'way {a}'; route -n get {a} 2>&1\n" for a in questions.ways)


def _ways_of_macos(told: Told) -> Ways:
    return _ways(_said_of_macos(told.answer.text), parse_route_get)


def _said_of_macos(text: str) -> Iterator[tuple[IPv4Address, str]]:
    for part in re.split(r"^way (?=[0-9.]+$)", text, flags=re.M)[1:]:
        address, _, said = part.partition("\n")
        if (asked := ipv4(address)) is not None:
            yield asked, said


# routes of macOS


def _routes_of_macos(told: Told) -> tuple[Route, ...] | Unanswered:
    rows = or_why(parse_netstat_routes(told.answer.text))
    return rows if isinstance(rows, Unanswered) else routes(rows)


# into the facts


def _interfaces_into(facts: NodeFacts, interfaces: tuple[Interface, ...]) -> NodeFacts:
    return replace(facts, network=replace(facts.network, interfaces=interfaces))


def _routes_into(facts: NodeFacts, table: tuple[Route, ...]) -> NodeFacts:
    return replace(facts, network=replace(facts.network, routes=table))


def _neighbours_into(facts: NodeFacts, neighbours: tuple[Neighbour, ...]) -> NodeFacts:
    return replace(facts, network=replace(facts.network, neighbours=neighbours))


def _ways_into(facts: NodeFacts, ways: Ways) -> NodeFacts:
    unread = {f"way to {address}": said for address, said in ways.unread.items()}
    return replace(
        facts,
        network=replace(facts.network, taken=ways.taken),
        unknown={**facts.unknown, **unread},
    )


PROBES = (
    Probe(
        name="interfaces",
        when="status",
        on={
            "linux": Ask(
                _linux, lambda told: or_why(parse_ip_addr(_said(told).tables[_ADDRESSES]))
            ),
            "macos": Ask("ifconfig", lambda told: or_why(parse_ifconfig(told.answer.text))),
        },
        into=_interfaces_into,
    ),
    Probe(
        name="routes",
        when="status",
        on={
            "linux": PartOf(
                "interfaces", lambda told: or_why(parse_ip_route(_said(told).tables[_ROUTES]))
            ),
            "macos": Ask("netstat -rn -f inet", _routes_of_macos),
        },
        into=_routes_into,
    ),
    Probe(
        name="neighbours",
        when="status",
        on={
            "linux": PartOf(
                "interfaces", lambda told: or_why(parse_ip_neigh(_said(told).tables[_NEIGHBOURS]))
            ),
            "macos": Ask("arp -an", lambda told: or_why(parse_arp(told.answer.text))),
        },
        into=_neighbours_into,
    ),
    Probe(
        name="ways",
        when="status",
        on={
            "linux": PartOf("interfaces", _ways_of_linux),
            "macos": Ask(_ways_text_of_macos, _ways_of_macos),
        },
        into=_ways_into,
    ),
)
