"""A jump host as ``proxy_jump`` of nodes.yaml and ``ProxyJump`` of ssh_config(5) name it."""

from __future__ import annotations

import re

from fleetctl.errors import ConnectFailed
from fleetctl.model.topology import SSH


def jump_host(name: str, jump: str, timeout_s: float) -> SSH:
    """A jump host as ``ProxyJump`` of ssh_config(5) has it: ``[user@]host[:port]``, or a URI.

    :raises ConnectFailed: it is none.
    """
    found = re.fullmatch(
        r"(?:ssh://)?(?:(?P<user>.*)@)?(?:\[(?P<v6>.+)\]|(?P<host>[^@:\[\]/\s-][^@:\[\]/\s]*))"
        r"(?::(?P<port>[0-9]{1,5}))?/?",
        jump,
    )
    port = int(found["port"]) if found and found["port"] else None
    if not found or (port is not None and not 0 < port < 65536):
        raise no_jump_host(name, jump)
    return SSH(
        found["v6"] or found["host"],
        port=port,
        user=found["user"] or None,
        connect_timeout_s=timeout_s,
    )


def no_jump_host(name: str, jump: str) -> ConnectFailed:
    return ConnectFailed(
        name,
        f"{jump!r} is no host to jump through",
        hint="proxy_jump is a node of the fleet or [user@]host[:port], several with commas.",
        silent=False,
    )
