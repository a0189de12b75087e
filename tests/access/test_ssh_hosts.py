"""What nodes.yaml and ssh's configuration make of the entries in ~/.ssh/config."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fleetctl.access.ssh_block import Host
from fleetctl.access.ssh_hosts import hosts
from fleetctl.link.ssh.connect import Connector
from fleetctl.model.topology import SSH, Fleet, Node
from tests.openssh import bounded


def entries(*nodes: Node) -> Sequence[Host]:
    fleet = Fleet("smol", {}, {node.name: node for node in nodes})
    found, errors = bounded(hosts(fleet, Connector(fleet.nodes)))
    assert not errors
    return found


def test_each_node_s_entry(client_home: Path) -> None:
    """An alias is resolved, since one entry does not lead to another; what is ssh's default, or the
    user's own for that name, is left out."""
    (client_home / ".ssh" / "config").write_text(
        "Host the-pi\n HostName pi.lan\n User pi\n Port 2222\n IdentityFile ~/own\n"
        "Host mini2\n HostName 192.168.1.12\n User somebody\n"
    )
    assert entries(
        Node("mini1", SSH("192.168.1.11", user="me", identity_file="~/k", known_hosts="~/h")),
        Node("mini2", SSH("mini2")),
        Node("pi4", SSH("the-pi", proxy_jump="mini1")),
        Node("plain", SSH("10.0.0.1")),
        Node("laptop", SSH("laptop"), connection="local"),
        Node("ipad", SSH("ipad"), connection="none"),
    ) == [
        Host("mini1", "192.168.1.11", "me", None, "~/k", "~/h"),
        Host("mini2", identity_file="~/.ssh/fleetctl_smol"),
        Host("pi4", "pi.lan", "pi", 2222, proxy_jump="mini1"),
        Host("plain", "10.0.0.1", identity_file="~/.ssh/fleetctl_smol"),
    ]


def test_what_the_block_says_is_said_again(client_home: Path) -> None:
    (client_home / ".ssh" / "config").write_text(
        "Host mini2\n IdentityFile ~/.ssh/fleetctl_smol\nHost *\n"
    )
    assert entries(Node("mini2", SSH("mini2"))) == [
        Host("mini2", identity_file="~/.ssh/fleetctl_smol")
    ]
