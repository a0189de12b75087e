"""By which port a node is on a network, where that cannot be told."""

from __future__ import annotations

from fleetctl.health.repairs.target import RepairTarget


def interface_unknown(target: RepairTarget) -> str:
    """Why a missing address goes to no interface; empty: it goes to one."""
    finding = target.finding
    if finding.interface or finding.network is None:
        return ""
    declared = target.node.interfaces.get(finding.network.name, "")
    is_mac = target.facts.system is not None and target.facts.system.os == "macos"
    names = [card.name for card in target.facts.network.interfaces or ()]
    bridged = declared == "bridge0" or (not declared and finding.network.kind == "thunderbolt")
    if is_mac and bridged and "bridge0" not in names:
        return (
            f"{finding.node} has no bridge0, which joins its Thunderbolt ports: make it in System "
            "Settings (Network, …, Manage Virtual Interfaces), or until the next boot with "
            "`sudo ifconfig bridge0 create` and `sudo ifconfig bridge0 addm en2` for each of them "
            "(networksetup -listallhardwareports)"
        )
    if declared:
        return (
            f"{finding.node} has no {declared}, by which nodes.yaml says it is on "
            f"{finding.network.name}: correct interfaces there, or bring that port back"
        )
    return (
        f"which interface of {finding.node} belongs to {finding.network.name} is not known: name "
        "it by interfaces in nodes.yaml"
    )
