"""The hosts in smolcluster's own files: its inventory ``nodes.yaml``, and the ``cluster_config``
of a job, which names hosts as ``~/.ssh/config`` does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fleetctl.discovery.answer import Host
from fleetctl.discovery.hosts import parse_host, unique
from fleetctl.errors import UsageError
from fleetctl.model.topology import SSH


def is_inventory(tree: Mapping[str, Any]) -> bool:
    """Whether it is a list of ``alias``, ``ip`` and ``user``."""
    return isinstance(tree.get("nodes"), list)


def is_cluster_config(tree: Mapping[str, Any]) -> bool:
    """Whether it names a server and workers."""
    return "workers" in tree and ("server" in tree or "host_ip" in tree)


def inventory_hosts(tree: Mapping[str, Any], source: str) -> list[Host]:
    """
    :raises UsageError: an entry cannot be read.
    """
    found = []
    for entry in tree["nodes"]:
        if not isinstance(entry, Mapping) or not entry.get("ip") or not entry.get("alias"):
            raise UsageError(f"{source}: a node has no alias and ip: {str(entry)[:100]!r}")
        given = parse_host(str(entry["ip"]), source)
        user, port = entry.get("user"), entry.get("port")
        ssh = SSH(
            given.ssh.host,
            user=str(user) if user else None,
            port=port if isinstance(port, int) else given.ssh.port,
        )
        found.append(Host(ssh, source, name=str(entry["alias"])))
    return found


def cluster_hosts(tree: Mapping[str, Any], source: str) -> list[Host]:
    """The server and the workers; tablets cannot be logged into.

    :raises UsageError: an entry cannot be read.
    """
    workers = tree.get("workers")
    if isinstance(workers, Mapping):
        workers = workers.get("regular")
    entries = [tree.get("server"), *(workers if isinstance(workers, list) else ())]
    return unique([host for entry in entries for host in _host(entry, source)])


def _host(entry: object, source: str) -> Iterator[Host]:
    name = entry.get("hostname") if isinstance(entry, Mapping) else entry
    if not name:
        return
    given = parse_host(str(name), source)
    user = entry.get("user") if isinstance(entry, Mapping) else None
    yield Host(
        SSH(given.ssh.host, user=str(user) if user else given.ssh.user, port=given.ssh.port),
        source,
        name=given.name,
    )
