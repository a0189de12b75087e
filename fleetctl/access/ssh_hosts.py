"""The entries of a fleet's block in ``~/.ssh/config``: what nodes.yaml says of each node."""

from __future__ import annotations

import getpass
from collections.abc import Sequence

from fleetctl.access.keys import Keys, default_path
from fleetctl.access.ssh_block import Host
from fleetctl.errors import LinkError
from fleetctl.link.ssh.connect import Connector
from fleetctl.model.topology import SSH_PORT, Fleet


async def hosts(fleet: Fleet, connector: Connector) -> tuple[Sequence[Host], Sequence[LinkError]]:
    """The entry of each node that is reached over SSH, and why there is none for some."""
    keys, ours = Keys(fleet, connector), default_path(fleet)
    found, errors = [], []
    for node in fleet.nodes.values():
        if node.connection != "ssh":
            continue
        ssh = node.ssh
        host_name, user, port = "", ssh.user or "", ssh.port
        try:
            hop, *_ = await connector.way(node.name, ssh)
            path = (await keys.choice(node.name)).path
        except LinkError as error:
            errors.append(error)
            continue
        if ssh.host != node.name:  # it may be an alias, and one entry does not lead to another
            host_name = hop.config.host
            port = hop.config.port if hop.config.port != SSH_PORT else None
            if hop.config.user != getpass.getuser():
                user = hop.config.user
        found.append(
            Host(
                name=node.name,
                host_name=host_name,
                user=user,
                port=port,
                identity_file=path if path in (ssh.identity_file, ours) else "",
                known_hosts=ssh.known_hosts or "",
                proxy_jump=ssh.proxy_jump or "",
            )
        )
    return found, errors
