"""The network's problems in words: what is wrong, where, whom it hits, what shows it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from fleetctl.health.network.findings import Finding
from fleetctl.model.facts import NodeFacts
from fleetctl.model.status import Problem, ReachStatus
from fleetctl.model.topology import Fleet


def problem(fleet: Fleet, found: Sequence[Finding], hit: Sequence[str]) -> Problem:
    """One problem of findings that are alike: of one node and one code.

    :param hit: the nodes that it keeps from something.
    """
    first = found[0]
    summary = _SUMMARIES[first.code](fleet, found)
    if hit:
        summary += f"; so {_names(hit)} {_lack(first, len(hit))}"
    return Problem(
        code=first.code,
        severity="error",
        node=first.node,
        summary=summary,
        affects=tuple(hit),
        evidence="; ".join(dict.fromkeys(f.evidence for f in found if f.evidence)),
    )


def _names(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _lack(finding: Finding, many: int) -> str:
    if finding.code == "return-route-missing":
        return "get no answer from it" if many > 1 else "gets no answer from it"
    if finding.code == "forwarding-off":
        return "cannot reach what lies behind it"
    return "cannot reach it or what is behind it"


def _net(fleet: Fleet, name: str) -> str:
    return f"{name} ({fleet.networks[name].cidr})"


def _forwarding(fleet: Fleet, found: Sequence[Finding]) -> str:
    key = found[0].evidence.partition(":")[0]
    return f"{found[0].node} does not forward packets ({key} is 0)"


def _owner(fleet: Fleet, address: str) -> str:
    for node in fleet.nodes.values():
        if any(str(a) == address for a in node.addresses.values()):
            return f"{node.name} ({address})"
    return address


def _route(fleet: Fleet, found: Sequence[Finding]) -> str:
    way = "no way back" if found[0].code == "return-route-missing" else "no route"
    parts = [f"to {_net(fleet, f.network)} via {_owner(fleet, f.expected)}" for f in found]
    return f"{found[0].node} has {way} {' and '.join(parts)}"


def _wrong_gateway(fleet: Fleet, found: Sequence[Finding]) -> str:
    parts = [
        f"{_net(fleet, f.network)} via {_owner(fleet, f.found)} instead of "
        f"{_owner(fleet, f.expected)}"
        for f in found
    ]
    return f"{found[0].node} sends packets to {' and to '.join(parts)}"


def _address(fleet: Fleet, found: Sequence[Finding]) -> str:
    parts = [
        f"{f.expected} on {f.network}" + (f" (it has {f.found} there)" if f.found else "")
        for f in found
    ]
    return f"{found[0].node} does not have its address {' and '.join(parts)}"


def _down(fleet: Fleet, found: Sequence[Finding]) -> str:
    parts = []
    for f in found:
        why = (
            f"has no carrier: the cable to {_net(fleet, f.network)} is out, or its other end is off"
            if f.enabled
            else f"is switched off, so {_net(fleet, f.network)} is cut"
        )
        parts.append(f"{f.interface} {why}")
    return f"{found[0].node}: {' and '.join(parts)}"


def _stolen(fleet: Fleet, found: Sequence[Finding]) -> str:
    first = found[0]
    where = f" into {first.network}" if first.network else ""
    return (
        f"the default route of {first.node} leads{where} by {first.interface} via "
        f"{_owner(fleet, first.found) if first.found else 'nobody'}, not to the internet"
    )


_Summary = Callable[[Fleet, Sequence[Finding]], str]
_SUMMARIES: dict[str, _Summary] = {
    "forwarding-off": _forwarding,
    "route-missing": _route,
    "return-route-missing": _route,
    "route-wrong-gateway": _wrong_gateway,
    "address-missing": _address,
    "interface-down": _down,
    "default-route-stolen": _stolen,
}


def not_isolated(name: str, heard: Sequence[ReachStatus], facts: NodeFacts) -> Problem:
    """The node gets an answer from where none may come from."""
    targets = ", ".join(f"{r.to} ({r.node} on {r.network})" for r in heard)
    return Problem(
        code="not-isolated",
        severity="error",
        node=name,
        summary=f"{name} gets answers from {targets}, which it must not reach: some router "
        "knows a way there, or another machine has that address",
        evidence=f"ping: answers from {', '.join(r.to for r in heard)}",
    )


def no_internet(fleet: Fleet, name: str | None, hit: Sequence[str], why: str) -> Problem:
    """A node, or with ``name`` None every node, gets no answer from the internet address."""
    who = name or "no node"
    verb = "does not reach" if name else "reaches"
    reason = why or (
        "its default route is as it should be" if name else "the router or its uplink is down"
    )
    return Problem(
        code="no-internet",
        severity="warning",
        node=name,
        summary=f"{who} {verb} the internet ({fleet.internet}): {reason}",
        affects=tuple(hit),
        evidence=f"ping {fleet.internet}: no answer",
    )
