"""Reads the networks of nodes.yaml, and addresses. IPv4 only."""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv4Network
from itertools import combinations

from msgspec import UNSET

from fleetctl.config.report import Report, TreePath, dotted, quoted
from fleetctl.config.shape.entry import given
from fleetctl.config.shape.machines import ExpectEntry, NetworkEntry
from fleetctl.model.topology import DEFAULT_LOSS_PERCENT, Network

DEFAULT_INTERNET = IPv4Address("8.8.8.8")
_STAND_IN = IPv4Network("0.0.0.0/0")


def read_networks(entries: Mapping[str, NetworkEntry], report: Report) -> dict[str, Network]:
    """All networks; mistakes go into ``report``. A wrong ``cidr`` is replaced by 0.0.0.0/0."""
    networks = {}
    for name, entry in entries.items():
        expect = entry.expect or ExpectEntry()
        networks[name] = Network(
            name=name,
            cidr=_cidr(entry.cidr, ("networks", name, "cidr"), report) or _STAND_IN,
            kind=given(entry.kind, "ethernet"),
            control=given(entry.control, False),
            expect_rtt_ms=given(expect.rtt_ms, None),
            expect_loss_percent=given(expect.loss_percent, DEFAULT_LOSS_PERCENT),
            expect_bandwidth_mbps=given(expect.bandwidth_mbps, None),
        )
    right = [n for n in networks.values() if not report.wrong("networks", n.name, "cidr")]
    for first, second in combinations(right, 2):
        if first.cidr.overlaps(second.cidr):
            what = (
                f"cidr {second.cidr} of network {second.name!r} overlaps {first.cidr} of "
                f"{first.name!r}; each network needs addresses of its own"
            )
            report.mistake(("networks", second.name, "cidr"), what)
    return networks


def read_internet(value: object, report: Report) -> IPv4Address | None:
    """The address to ping for the internet check; by default 8.8.8.8; ``None``: no check."""
    if value is UNSET:
        return DEFAULT_INTERNET
    if value is None:
        return None
    text = str(value)
    if text.lower() in {"false", "no", "off", "none"}:
        report.mistake(
            ("internet",), f"internet is {quoted(text)}; write null to turn the check off"
        )
        return None
    return read_address(text, ("internet",), report)


def read_address(text: str, path: TreePath, report: Report) -> IPv4Address | None:
    """An address, or ``None`` after a mistake."""
    try:
        return IPv4Address(text)
    except ValueError:
        why = (
            "IPv6 is not supported; write an IPv4 address"
            if ":" in text
            else ("write an IPv4 address, such as 10.10.0.1")
        )
        if "/" in text:
            why = "write the address alone; the prefix length belongs to the network's cidr"
        report.mistake(path, f"{dotted(path)} is {quoted(text)}, which is no IPv4 address: {why}")
    return None


def _cidr(text: str, path: TreePath, report: Report) -> IPv4Network | None:
    if report.wrong(*path):
        return None
    if not re.fullmatch(r"[0-9.]+/[0-9]{1,2}", text):
        why = "IPv6 is not supported" if ":" in text else "a prefix length is part of it"
        why = f"{why}; write a subnet such as 10.10.0.0/24"
        report.mistake(path, f"{dotted(path)} is {quoted(text)}, which is no IPv4 subnet: {why}")
        return None
    try:
        cidr = IPv4Network(text, strict=False)
    except ValueError as error:
        report.mistake(path, f"{dotted(path)} is {quoted(text)}, which is no IPv4 subnet: {error}")
        return None
    if str(cidr) != text:
        what = (
            f"{dotted(path)} is {quoted(text)}, an address inside a subnet: did you mean '{cidr}'?"
        )
        report.mistake(path, what)
        return None
    if cidr.prefixlen == 0:
        report.mistake(path, f"{dotted(path)} is {text}, which is every address there is")
        return None
    return cidr
