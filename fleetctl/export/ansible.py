"""An inventory for Ansible, as its YAML plugin reads it (docs.ansible.com, "How to build your
inventory")."""

from __future__ import annotations

import re
from typing import Any

import yaml

from fleetctl.model.jobs import Job
from fleetctl.model.topology import Fleet, Node
from fleetctl.quoting import quote

_NO_NAME = re.compile(r"[^A-Za-z0-9_]")
"""What the name of a group cannot have."""


def ansible(fleet: Fleet, job: Job | None) -> str:
    """All nodes that can be logged into, with groups by system, network, gateway and service.

    The names of groups begin with their kind, such as ``network_fabric``, so that none is also the
    name of a host.
    """
    nodes = [node for node in fleet.nodes.values() if node.connection != "none"]
    groups: dict[str, dict[str, Any]] = {}

    def join(kind: str, name: str, node: Node) -> None:
        group = groups.setdefault(_NO_NAME.sub("_", f"{kind}_{name}"), {"hosts": {}})
        group["hosts"][node.name] = {}

    for node in nodes:
        if node.os:
            join("os", node.os, node)
        for network in node.networks:
            join("network", network, node)
        if node.gateway:
            join("role", "gateway", node)
        for instance in job.on(node.name) if job else ():
            join("service", instance.service, node)
    inventory: dict[str, Any] = {"all": {"hosts": {node.name: _host(node) for node in nodes}}}
    if groups:
        inventory["all"]["children"] = groups
    return yaml.safe_dump(inventory, sort_keys=False, allow_unicode=True, width=1000)


def _host(node: Node) -> dict[str, Any]:
    if node.connection == "local":
        return {"ansible_connection": "local"}
    ssh = node.ssh
    options = [
        f"-o {name}={quote(value)}"
        for name, value in (("ProxyJump", ssh.proxy_jump), ("UserKnownHostsFile", ssh.known_hosts))
        if value
    ]
    found = {
        "ansible_host": ssh.host,
        "ansible_port": ssh.port,
        "ansible_user": ssh.user,
        "ansible_ssh_private_key_file": ssh.identity_file,
        "ansible_ssh_common_args": " ".join(options) or None,
    }
    return {key: value for key, value in found.items() if value is not None}
