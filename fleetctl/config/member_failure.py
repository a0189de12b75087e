"""Reads what follows when a member of a job fails."""

from __future__ import annotations

from ipaddress import IPv4Address

from fleetctl.config.report import Report, TreePath
from fleetctl.config.scalars import OnFailure
from fleetctl.config.scope import meeting
from fleetctl.config.shape.entry import given
from fleetctl.config.shape.jobs import JobEntry
from fleetctl.model.jobs import GroupRule, Instance, Job
from fleetctl.model.requirements import Requirement
from fleetctl.model.topology import Fleet

NEEDS = Requirement("python3", ">=", "3.7")
"""What nodes of a job with such a rule need: member_program.py runs there."""
_LOOPBACK = IPv4Address("127.0.0.1")


def read_group_rule(job: Job, entry: JobEntry, fleet: Fleet, report: Report) -> GroupRule | None:
    """The ``on_member_failure`` of ``job``, if it is not to keep the others; mistakes go into
    ``report``."""
    path: TreePath = ("jobs", job.name, "on_member_failure")
    rule: OnFailure = given(entry.on_member_failure, "keep")
    members = [i for i in job.instances if i.command is not None]
    if rule == "keep" or not members:
        return None
    if job.elastic:
        what = (
            f"job {job.name!r} is elastic, so its members may come and go: on_member_failure must "
            f"be keep, not {rule}; remove one of the two"
        )
        report.mistake(path, what)
        return None
    first = members[0]
    address = _address(first, members, entry, fleet, path, report)
    return GroupRule(rule, first.name, first.node, address) if address else None


def _address(
    first: Instance,
    members: list[Instance],
    entry: JobEntry,
    fleet: Fleet,
    path: TreePath,
    report: Report,
) -> IPv4Address | None:
    """Where the members reach the first of them."""
    nodes = [fleet.nodes[name] for name in dict.fromkeys(i.node for i in members)]
    if len(nodes) == 1:
        return _LOOPBACK
    written = given(entry.network, None)
    network = written if written in fleet.networks else meeting(fleet, nodes)
    own = fleet.way_out(fleet.nodes[first.node], network) if network else None
    if own is None:
        if not report.wrong("nodes"):
            what = (
                f"on_member_failure needs a network by which all nodes of the job reach "
                f"{first.node!r}, and there is none; give them addresses or a via to one"
            )
            report.mistake(path, what)
        return None
    if network and fleet.networks[network].control:
        what = (
            f"on_member_failure will use the control network {network!r}: there is no other to "
            "which all nodes of the job have a way"
        )
        report.warning(path, what)
    return fleet.nodes[first.node].addresses[own]
