"""The output of ``config show``: a fleet with everything derived, as plain values."""

from __future__ import annotations

from typing import Any

import msgspec

from fleetctl.hiding import hidden, hidden_value
from fleetctl.model.alerts import AlertRule, Command
from fleetctl.model.expectations import Expectations, ExpectedRoute, derive, unaddressed
from fleetctl.model.jobs import AtBoot, Instance, Job, Service, Share
from fleetctl.model.topology import DHCP, SSH, Fleet, Network, Node


def expand(fleet: Fleet) -> dict[str, Any]:
    """``fleet`` with its expectations and instances, without what does not apply.

    Of an ``env_file`` only the path is shown; what looks like a secret is hidden.
    """
    expectations = derive(fleet)
    return {
        "fleet": fleet.name,
        "internet": str(fleet.internet) if fleet.internet else None,
        "networks": {name: _network(network) for name, network in fleet.networks.items()},
        "nodes": {name: _node(fleet, node, expectations) for name, node in fleet.nodes.items()},
        "history": msgspec.structs.asdict(fleet.history),
        "jobs": {name: _job(job) for name, job in fleet.jobs.items()},
        **({"alerts": [_alert(rule) for rule in fleet.alerts]} if fleet.alerts else {}),
    }


def _alert(rule: AlertRule) -> dict[str, Any]:
    """Without what may be a secret in its URLs and commands."""
    return _given(
        name=rule.name,
        on=list(rule.on),
        to=[{"command": one.shown} if isinstance(one, Command) else one.shown for one in rule.to],
        for_s=rule.for_s,
        quiet=str(rule.quiet) if rule.quiet else None,
        env_file=rule.env_file,
        jobs=list(rule.jobs) or None,
        targets=list(rule.targets) or None,
    )


def _network(network: Network) -> dict[str, Any]:
    expect = {
        "rtt_ms": network.expect_rtt_ms,
        "loss_percent": network.expect_loss_percent,
        "bandwidth_mbps": network.expect_bandwidth_mbps,
    }
    return _given(
        cidr=str(network.cidr),
        kind=network.kind,
        control=network.control,
        expect=_given(**expect) or None,
    )


def _node(fleet: Fleet, node: Node, expectations: Expectations) -> dict[str, Any]:
    reach: dict[bool, list[str]] = {True: [], False: []}
    for one in expectations.reach_of(node.name):
        reach[one.expected].append(f"{one.to} ({one.peer} on {one.network})")
    reach[True] += [f"{DHCP} ({peer} on {network})" for peer, network in unaddressed(fleet, node)]
    routes = expectations.routes_of(node.name)
    return _given(
        connection=node.connection,
        os=node.os,
        ssh=_ssh(node.ssh) if node.connection == "ssh" else None,
        workdir=node.workdir,
        vars={name: hidden_value(name, value) for name, value in node.vars.items()} or None,
        interfaces=dict(node.interfaces) or None,
        addresses={name: str(node.addresses.get(name, DHCP)) for name in node.networks},
        via=dict(node.via) or None,
        forwards=node.name in expectations.forwarding,
        routes=[_route(route) for route in routes if route.kind == "route"],
        return_routes=[_route(route) for route in routes if route.kind == "return"],
        must_reach=reach[True],
        must_not_reach=reach[False],
    )


def _ssh(ssh: SSH) -> dict[str, Any]:
    return _given(**msgspec.structs.asdict(ssh))


def _route(route: ExpectedRoute) -> dict[str, str]:
    return {
        "to": str(route.to),
        "network": route.network,
        "via": str(route.via),
        "gateway": route.gateway,
    }


def _job(job: Job) -> dict[str, Any]:
    return {
        **({"elastic": True} if job.elastic else {}),
        **_on_member_failure(job),
        **({"sync": _sync(job)} if job.sync else {}),
        **({"prepare": hidden(job.prepare.command)} if job.prepare else {}),
        **({"prepare_on": list(job.prepare.on)} if job.prepare else {}),
        **({"requires": list(map(str, job.requires))} if job.requires else {}),
        "services": {
            name: {
                "after": _after(service),
                "instances": {i.name: _instance(i) for i in service.instances},
            }
            for name, service in job.services.items()
        },
    }


def _on_member_failure(job: Job) -> dict[str, Any]:
    group = next((i.group for i in job.instances if i.group), None)
    if group is None:
        return {}
    decided = f"beside {group.first}, at {group.address}"
    return {"on_member_failure": group.rule, "member_failure_decided": decided}


def _after(service: Service) -> list[str] | dict[str, str]:
    until = service.instances[0].until if service.instances else {}
    if not until:
        return list(service.after)
    return {name: until.get(name, "ready") for name in service.after}


def _sync(job: Job) -> dict[str, Any]:
    """With the folders of the nodes of ``job``, and no others."""
    assert job.sync
    nodes = dict.fromkeys(i.node for i in job.instances)
    return {
        "from": job.sync.source,
        "exclude": list(job.sync.exclude),
        "delete": job.sync.delete,
        **(_shared(job.sync.share) if job.sync.share else {}),
        "to": {node: job.sync.workdirs[node] for node in nodes if node in job.sync.workdirs},
    }


def _shared(share: Share) -> dict[str, Any]:
    return {"share": list(share.paths), "over": share.over}


def _instance(instance: Instance) -> dict[str, Any]:
    ready = instance.ready
    return _given(
        node=instance.node,
        rank=instance.rank,
        world_size=instance.world_size,
        command=hidden(instance.command) if instance.command else instance.command,
        workdir=instance.workdir,
        listen=_listen(instance),
        reaches={name: str(listen) for name, listen in instance.endpoints.items()} or None,
        peers={node: str(address) for node, address in instance.peers.items()} or None,
        ports={name: str(port) for name, port in instance.ports.items()} or None,
        web=list(instance.web) or None,
        ready=_given(
            kind=ready.kind,
            value=ready.value or None,
            body=ready.body or None,
            timeout_s=ready.timeout_s,
            interval_s=ready.interval_s,
        ),
        liveness=_given(**msgspec.structs.asdict(instance.liveness)) if instance.liveness else None,
        progress=_given(**msgspec.structs.asdict(instance.progress)) if instance.progress else None,
        env={
            name: hidden_value(name, value)
            for name, value in {**instance.provided, **instance.env}.items()
        },
        env_file=instance.env_file,
        files=dict(instance.files) or None,
        once=instance.once or None,
        on_boot=_on_boot(instance.at_boot) if instance.at_boot else None,
        restart=_given(**msgspec.structs.asdict(instance.restart)),
        stop=_given(**msgspec.structs.asdict(instance.stop)),
    )


def _on_boot(needs: AtBoot) -> dict[str, Any]:
    return {
        "start_once": {
            "addresses": {name: str(address) for name, address in needs.addresses.items()},
            "ways": [f"{way.to} ({way.network}) via {way.via}" for way in needs.ways],
        }
    }


def _listen(instance: Instance) -> str | list[str] | None:
    listens = [str(listen) for listen in instance.listens]
    return listens if len(listens) > 1 else next(iter(listens), None)


def _given(**values: Any) -> dict[str, Any]:
    return {key: _plain(value) for key, value in values.items() if value is not None}


def _plain(value: Any) -> Any:
    """``60`` rather than ``60.0``, as a user would write it."""
    return int(value) if isinstance(value, float) and value.is_integer() else value
