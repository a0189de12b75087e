"""What works today and will bite tomorrow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fleetctl.health.network.findings import Finding
from fleetctl.health.network.rows import Rows
from fleetctl.model.facts import NodeFacts
from fleetctl.model.status import Problem
from fleetctl.model.topology import Fleet, Node

CLOCK_SKEW_S = 5.0
RTT_FACTOR = 2.0
RTT_SLACK_MS = 1.0
"""Above the expected round-trip time by this factor and at least this much counts as high: one
sample of three is on a busy machine what it should be."""

_Warning = tuple[Problem, Sequence[Finding]]


def warnings(fleet: Fleet, node: Node, facts: NodeFacts, rows: Rows) -> Iterator[_Warning]:
    """The warnings about one node that answered."""
    name, network, comfort = node.name, facts.network, facts.comfort
    os = facts.system.os if facts.system else None
    if rows.forwarding.expected and rows.forwarding.ipv4 and rows.forwarding.persistent is False:
        where = "no LaunchDaemon" if os == "macos" else "nothing in /etc/sysctl.d"
        yield _warn(
            Finding("forwarding-not-persistent", name, ""),
            f"{name} forwards packets now, but not after its next boot: {where} sets it",
            network.persistence or f"{where} switches it on",
        )
    strict = [n for n in network.strict_filters if _of_cluster(fleet, node, facts, n)]
    if strict and len(node.addresses) > 1:
        yield _warn(
            Finding("rp-filter-strict", name, "", interface=strict[0]),
            f"{name} drops packets that come in another way than answers would leave "
            f"(rp_filter is 1 on {', '.join(strict)})",
            f"net.ipv4.conf.{strict[0]}.rp_filter: 1",
        )
    if comfort.wifi_power_save:
        interface = comfort.wifi_power_save[0]
        yield _warn(
            Finding("wifi-power-save", name, "", interface=interface),
            f"{name}'s Wi-Fi saves power ({interface}), which makes SSH lag or drop",
            f"iw dev {interface} get power_save: on",
        )
    if comfort.sleep_minutes:
        minutes = comfort.sleep_minutes
        yield _warn(
            Finding("sleep-enabled", name, "", found=str(minutes)),
            f"{name} goes to sleep after {minutes} idle minute{'s' if minutes > 1 else ''}, and "
            "what runs in tmux does not keep it awake",
            f"pmset -g: sleep {minutes}",
        )
    offset = comfort.clock_offset_s
    if offset is not None and abs(offset) > CLOCK_SKEW_S:
        way = "ahead of" if offset > 0 else "behind"
        yield (
            Problem(
                code="clock-skew",
                severity="warning",
                node=name,
                summary=f"the clock of {name} is {abs(offset):.0f} s {way} this machine's",
                evidence=f"date: {offset:+.0f} s",
            ),
            (),
        )
    yield from _slow(fleet, node, rows)


def _warn(finding: Finding, summary: str, evidence: str) -> _Warning:
    problem = Problem(
        code=finding.code,
        severity="warning",
        node=finding.node,
        summary=summary,
        evidence=evidence,
    )
    return problem, (finding,)


def _of_cluster(fleet: Fleet, node: Node, facts: NodeFacts, interface: str) -> bool:
    return any(
        (own := facts.network.interface_of(address)) is not None and own.name == interface
        for address in node.addresses.values()
    )


def _slow(fleet: Fleet, node: Node, rows: Rows) -> Iterator[_Warning]:
    """Round trips are judged by the shortest of several only: the first one includes ARP."""
    for network in fleet.networks.values():
        limit = network.expect_rtt_ms
        if limit is None or network.name not in node.addresses:
            continue
        slow = [
            r
            for r in rows.reachability
            if r.network == network.name
            and r.loss_percent is not None
            and r.rtt_ms is not None
            and r.rtt_ms > max(limit * RTT_FACTOR, limit + RTT_SLACK_MS)
        ]
        if slow:
            worst = max(slow, key=lambda r: r.rtt_ms or 0)
            yield (
                Problem(
                    code="rtt-high",
                    severity="warning",
                    node=node.name,
                    summary=f"{node.name} needs {worst.rtt_ms:g} ms to {worst.node} and back on "
                    f"{network.name}, where {limit:g} ms are expected",
                    affects=tuple(dict.fromkeys(r.node for r in slow)),
                    evidence=f"ping {worst.to}: shortest of several {worst.rtt_ms:g} ms",
                ),
                (),
            )
