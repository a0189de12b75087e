"""A block for ``~/.ssh/config`` (ssh_config(5)): one ``Host`` for each node."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil

from fleetctl.errors import UsageError
from fleetctl.model.jobs import Job
from fleetctl.model.topology import DEFAULT_CONNECT_TIMEOUT_S, Fleet, Node


def ssh(fleet: Fleet, _job: Job | None) -> str:
    """All nodes with an SSH connection.

    What nodes.yaml leaves to ``~/.ssh/config`` is left out here, too.

    :raises UsageError: a value cannot be written in this form.
    """
    blocks = ["\n".join(_block(node)) for node in fleet.nodes.values() if node.connection == "ssh"]
    return "\n\n".join([f"# The nodes of {fleet.name}, by fleetctl export ssh.", *blocks]) + "\n"


def _block(node: Node) -> Iterator[str]:
    yield f"Host {node.name}"
    ssh = node.ssh
    if ssh.host != node.name:
        yield f"    HostName {_word(node, ssh.host)}"
    if ssh.user:
        yield f"    User {_word(node, ssh.user)}"
    if ssh.port:
        yield f"    Port {ssh.port}"
    if ssh.identity_file:
        yield f"    IdentityFile {_word(node, ssh.identity_file)}"
        yield "    IdentitiesOnly yes"
    if ssh.known_hosts:
        yield f"    UserKnownHostsFile {_word(node, ssh.known_hosts)}"
    if ssh.proxy_jump:
        yield f"    ProxyJump {_word(node, ssh.proxy_jump)}"
    if ssh.connect_timeout_s != DEFAULT_CONNECT_TIMEOUT_S:
        yield f"    ConnectTimeout {ceil(ssh.connect_timeout_s)}"


def _word(node: Node, text: str) -> str:
    """``text`` as one argument (ssh_config(5): quotes, and a backslash before each inside)."""
    if not text.isprintable():
        raise UsageError(f"{node.name}: {text!r} cannot be written into an SSH configuration")
    if not any(c in text for c in " \"'\\#"):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
