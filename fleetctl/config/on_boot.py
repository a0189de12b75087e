"""Reads ``on_boot``: what a node starts again by itself, and what it waits for before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from ipaddress import IPv4Address

from msgspec import structs

from fleetctl.config.report import Report, TreePath
from fleetctl.config.shape.entry import given
from fleetctl.config.shape.services import ServiceEntry
from fleetctl.model.expectations import Expectations, derive, sample
from fleetctl.model.jobs import AtBoot, BootWay, Instance, Job
from fleetctl.model.topology import Fleet


def with_boot(job: Job, entries: Mapping[str, ServiceEntry], fleet: Fleet, report: Report) -> Job:
    """``job`` with what its services have as ``on_boot``; mistakes go into ``report``."""
    wanted = [n for n, entry in entries.items() if given(entry.on_boot, "leave") == "start"]
    if not wanted or any(_refused(job, name, entries[name], report) for name in wanted):
        return job
    expectations = derive(fleet)
    services = dict(job.services)
    for name in wanted:
        service = services[name]
        _warn_of_order(job, name, report)
        services[name] = structs.replace(
            service,
            instances=tuple(_booted(i, job, fleet, expectations) for i in service.instances),
        )
    return structs.replace(job, services=services)


def _path(job: Job, service: str) -> TreePath:
    return ("jobs", job.name, "services", service, "on_boot")


def _refused(job: Job, service: str, entry: ServiceEntry, report: Report) -> bool:
    if report.wrong("nodes"):
        return True
    rule = next((i.group.rule for i in job.instances if i.group), None)
    if rule:
        why = (
            f"on_member_failure {rule} decides what follows when a node of job {job.name!r} goes "
            f"off, so on_boot of service {service!r} must be leave; remove one of the two"
        )
    elif given(entry.command, None) is None:
        why = f"service {service!r} has no command, so nothing can start it at boot: remove on_boot"
    else:
        return False
    report.mistake(_path(job, service), why)
    return True


def _warn_of_order(job: Job, service: str, report: Report) -> None:
    """A node cannot ask whether what is on another node is ready."""
    first = next(iter(job.services[service].instances), None)
    if first and first.after and first.restart.policy == "never":
        report.warning(
            _path(job, service),
            f"after a power cut service {service!r} may begin before {first.after[0]!r}, which a "
            "node cannot ask for, and has restart never; give it restart: on-failure",
        )


def _booted(instance: Instance, job: Job, fleet: Fleet, expectations: Expectations) -> Instance:
    needs = _needs(instance, job, fleet, expectations)
    unranked = instance.unranked and structs.replace(instance.unranked, at_boot=needs)
    return structs.replace(instance, at_boot=needs, unranked=unranked)


def _needs(instance: Instance, job: Job, fleet: Fleet, expectations: Expectations) -> AtBoot:
    """Of the networks that it listens on and connects to; where these are not known, of all of its
    node's. An address that DHCP gives is not known, and not waited for."""
    node = fleet.nodes[instance.node]
    routes = expectations.routes_of(node.name)
    targets = [*job.used_by(instance), *instance.interfaces.values()]
    targets += [b.address for b in instance.bindings if b.address in node.addresses.values()]
    known = {t: fleet.network_of(t) for t in targets}
    networks = {network for network in known.values() if network in node.networks}
    ways = [
        BootWay(target, route.via, route.network)
        for target, network in known.items()
        if network not in node.networks
        for route in routes
        if target in route.to
    ]
    if not networks and not ways:
        networks = set(node.networks)
        ways = [BootWay(sample(fleet, r.network, node.name), r.via, r.network) for r in routes]
    networks.update(filter(None, (fleet.network_of(way.via) for way in ways)))
    return AtBoot(dict(_own(node.addresses, networks)), tuple(dict.fromkeys(ways)))


def _own(
    addresses: Mapping[str, IPv4Address], networks: Set[str | None]
) -> Iterator[tuple[str, IPv4Address]]:
    return ((name, address) for name, address in addresses.items() if name in networks)
