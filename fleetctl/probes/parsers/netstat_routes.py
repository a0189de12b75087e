"""``netstat -rn -f inet`` of macOS, in the columns of all versions (network_cmds netstat/route.c).

Networks are printed without trailing zero octets, and without the mask if it is the classful one:
10.10.0.0/24 as ``10.10/24``, 192.168.50.0/24 as ``192.168.50``. With the flag H it is a host.
"""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network
from typing import Literal

from msgspec import Struct

from fleetctl.model.network import Route, RouteType
from fleetctl.patterns import pattern
from fleetctl.probes.parsers import address
from fleetctl.probes.parsers.failures import unparsed
from fleetctl.probes.parsers.number import whole
from fleetctl.probes.parsers.unparsed import Unparsed

GatewayKind = Literal["ip", "link", "mac", "interface"]

_FLAGS = pattern(r"[A-Z][A-Za-z0-9]{0,31}")
_LINK = pattern(r"link#\d+")
_COLUMNS = (
    ("Destination", "Gateway", "Flags", "Netif", "Expire"),  # 10.15 and newer
    ("Destination", "Gateway", "Flags", "Refs", "Use", "Netif", "Expire"),
)


class Row(Struct, frozen=True):
    """One IPv4 row."""

    to: IPv4Network
    gateway: str
    gateway_kind: GatewayKind
    flags: str
    interface: str
    expire_s: int | None
    expired: bool
    """Printed as ``!``."""


class Table(Struct, frozen=True):
    """The IPv4 rows in printed order, and the number of IPv6 rows (None: no such section)."""

    rows: tuple[Row, ...]
    ipv6_count: int | None = None


@lru_cache(maxsize=256)  # a watched node's output rarely changes
def parse_netstat_routes(text: str) -> tuple[Row, ...] | Unparsed:
    """The IPv4 rows in ``text``."""
    table = parse_table(text)
    return table if isinstance(table, Unparsed) else table.rows


def parse_table(text: str) -> Table | Unparsed:
    """The table in ``text``, without rows that do not fit its columns."""
    columns: tuple[tuple[str, ...], ...] = _COLUMNS  # until a header names them
    rows: list[Row] = []
    headed = in_ipv6 = False
    ipv6_count: int | None = None
    for line in text.splitlines():
        words = line.split()
        if words[:1] in (["Internet:"], ["Internet6:"]):
            headed, in_ipv6 = True, words == ["Internet6:"]
            if in_ipv6:
                ipv6_count = ipv6_count or 0
        elif words[:2] == ["Destination", "Gateway"]:
            headed, columns = True, (tuple(words),)
        elif in_ipv6:
            ipv6_count = (ipv6_count or 0) + (len(words) >= 4)
        else:
            row = next(filter(None, (_row(words, names) for names in columns)), None)
            if row is not None:
                rows.append(row)
    return Table(tuple(rows), ipv6_count) if rows or headed else unparsed(text)


def routes(rows: tuple[Row, ...]) -> tuple[Route, ...]:
    """The rows as routes; those of the neighbour cache are ``cloned``."""
    return tuple(
        Route(
            to=row.to,
            via=address.ipv4(row.gateway) if "G" in row.flags else None,
            interface=row.interface,
            type=_type(row.flags),
            scoped="I" in row.flags,
            cloned="W" in row.flags,
            dead="U" not in row.flags,
        )
        for row in rows
    )


def _row(words: list[str], columns: tuple[str, ...]) -> Row | None:
    if len(words) > 2 and "RT_IFA" in columns and address.ipv4(words[2]) is None:
        words = [*words[:2], "-", *words[2:]]  # the row leaves this column blank
    cells = dict(zip(columns, words, strict=False))
    flags, interface = cells.get("Flags", ""), cells.get("Netif", "")
    if not _FLAGS.fullmatch(flags):
        return None
    to, gateway = _destination(cells["Destination"], flags), _gateway(cells["Gateway"])
    if to is None or gateway is None or not address.interface_name(interface):
        return None
    expire = cells.get("Expire")
    return Row(
        to=to,
        gateway=gateway[0],
        gateway_kind=gateway[1],
        flags=flags,
        interface=interface,
        expire_s=whole(expire),
        expired=expire == "!",
    )


def _destination(text: str, flags: str) -> IPv4Network | None:
    if text == "default":
        return IPv4Network((0, 0))
    octets_text, slash, length_text = text.partition("/")
    octets = [whole(part) for part in octets_text.split(".")]
    first = octets[0]
    if first is None or len(octets) > 4 or any(part is None or part > 255 for part in octets):
        return None
    if "H" in flags or (len(octets) == 4 and not slash):
        length: int | None = 32
    elif slash:
        length = whole(length_text)
    else:
        length = 8 if first < 128 else 16 if first < 192 else 24
    number = bytes([part or 0 for part in octets] + [0] * (4 - len(octets)))
    return address.prefix(IPv4Address(number), length)


def _gateway(text: str) -> tuple[str, GatewayKind] | None:
    if address.ipv4(text) is not None or address.ipv6(text) is not None:
        return text, "ip"
    if _LINK.fullmatch(text):
        return text, "link"
    mac = address.mac(text)
    if mac is not None:
        return mac, "mac"
    return (text, "interface") if address.interface_name(text) else None


def _type(flags: str) -> RouteType:
    if "B" in flags:
        return "blackhole"
    return "unreachable" if "R" in flags else "unicast"
