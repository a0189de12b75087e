"""Opening an SSH link, directly or through jump hosts.

``~/.ssh/config`` supplies what nodes.yaml leaves out: alias, user, port, identities, agent,
ProxyJump, known_hosts files. Host keys are always checked; that cannot be turned off.
"""

from __future__ import annotations

import asyncio
import os
import random
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import asyncssh
from msgspec import Struct
from msgspec.structs import replace

from fleetctl.errors import ConnectFailed, ConnectTimedOut, LinkError, LinkHung
from fleetctl.link.ssh.channel import SSHLink
from fleetctl.link.ssh.dial import dial, numeric
from fleetctl.link.ssh.gate import Gate
from fleetctl.link.ssh.identities import Identities
from fleetctl.link.ssh.jumps import Jump, Jumps
from fleetctl.link.ssh.known_hosts import KnownHosts
from fleetctl.link.ssh.login import Login, TurnedAway, log_in
from fleetctl.link.ssh.user_config import agent_socket
from fleetctl.model.topology import SSH, Node

KEEPALIVE_S = 2.5  # longer than the pause between two questions to a watched node
KEEPALIVE_MISSES = 1
"""A node is found lost after about ``KEEPALIVE_S * (KEEPALIVE_MISSES + 1)`` seconds."""

_SILENT_TRIES = 4
"""For a server that closes without a word, which may be ``MaxStartups`` or a refusal."""
_LONGEST_PAUSE_S = 1.0


class _Hop(Struct, frozen=True):
    """A host on the way to a node, or the node itself."""

    name: str
    ssh: SSH
    options: asyncssh.SSHClientConnectionOptions
    """What nodes.yaml and ``~/.ssh/config`` say, without keys and known hosts."""


class Connector:
    """Opens SSH links; keys, known_hosts files and ``~/.ssh/config`` are read once for all nodes.

    :param nodes: the fleet's nodes, because ``proxy_jump`` may name one of them.
    """

    def __init__(self, nodes: Mapping[str, Node]) -> None:
        self._nodes = nodes
        self._gate = Gate()
        self._jumps = Jumps()
        self._known_hosts = KnownHosts()
        self._identities = Identities()
        user_config = Path("~/.ssh/config").expanduser()
        self._config = [str(user_config)] if os.access(user_config, os.R_OK) else []

    async def connect(self, node: Node) -> SSHLink:
        """Connect to ``node`` within its ``connect_timeout``, which is for the whole of it: all
        addresses of its name, the login, and trying again where the server is too busy.

        :raises LinkError: one of its subclasses, with the reason and what to do.
        """
        return await self._connect(self._way(node.name, node.ssh))

    def _way(self, name: str, ssh: SSH) -> Sequence[_Hop]:
        """The node, and the jump hosts to it, the nearest to the node first.

        :raises ConnectFailed: there is none that ends.
        """
        way: list[_Hop] = []
        while True:
            if any(hop.ssh == ssh for hop in way):
                circle = " → ".join((*(hop.name for hop in way), name))
                reason = f"proxy_jump runs in a circle ({circle})"
                raise ConnectFailed(way[0].name, reason, silent=False)
            way.append(_Hop(name, ssh, self._options(name, ssh)))
            node = self._nodes.get(ssh.proxy_jump or "")
            jumps = way[-1].options.tunnel
            if node:
                name, ssh = node.name, node.ssh
            elif isinstance(jumps, str):
                name, ssh = _last(way[0].name, jumps, ssh.connect_timeout_s)
            else:
                return way

    async def _connect(self, way: Sequence[_Hop]) -> SSHLink:
        hop, *gates = way
        jump = await self._jump(hop.name, gates) if gates else None
        try:
            return await self._connect_through(hop, self._login(hop, jump))
        except BaseException:
            if jump:
                await jump.close()
            raise

    async def _connect_through(self, hop: _Hop, login: Login) -> SSHLink:
        """Try until ``connect_timeout`` is over where the server says that it is too busy, and a
        few times where it only closes."""
        loop = asyncio.get_running_loop()
        server = (login.where, login.jump.link.node if login.jump else "")
        deadline = None
        away: TurnedAway | None = None
        tries = 0
        while True:
            async with self._gate.enter(server):
                started = loop.time()
                deadline = deadline or started + hop.ssh.connect_timeout_s
                try:
                    connection, address = await _open(hop.name, login, deadline)
                except TurnedAway as turned:
                    away = turned
                except (ConnectTimedOut, LinkHung):
                    if away and away.told:  # the time was over in the midst of another try
                        raise away.error from None
                    raise
                else:
                    connect_ms = (loop.time() - started) * 1000
                    return SSHLink(
                        hop.name,
                        connection,
                        address,
                        connect_ms,
                        login.jump,
                        target=login.as_jump,
                        ignored=login.ignored,
                    )
            tries += 1
            # at random: those that were turned away together should not come back together
            pause_s = min(0.1 * 2**tries, _LONGEST_PAUSE_S) * random.uniform(0.5, 1.0)
            if loop.time() + pause_s > deadline or (tries == _SILENT_TRIES and not away.told):
                raise away.error
            await asyncio.sleep(pause_s)

    async def _jump(self, name: str, gates: Sequence[_Hop]) -> Jump:
        """The jump host for ``name``, which all nodes behind it share."""
        gate = gates[0]
        key = replace(gate.ssh, connect_timeout_s=0)
        try:
            return await self._jumps.get(key, lambda: self._connect(gates))
        except LinkError as error:
            reason = f"cannot go through {gate.name}: {error.reason}"
            raise type(error)(name, reason, hint=error.hint, silent=error.silent) from None

    def _options(self, name: str, ssh: SSH) -> asyncssh.SSHClientConnectionOptions:
        """What nodes.yaml and ``~/.ssh/config`` say, without keys and known hosts."""
        given: dict[str, Any] = {
            key: value
            for key, value in (
                ("username", ssh.user),
                ("port", ssh.port),
                ("tunnel", ssh.proxy_jump),
            )
            if value is not None
        }
        try:
            return asyncssh.SSHClientConnectionOptions(
                config=self._config,
                host=ssh.host,
                known_hosts=None,  # set later, never to None
                client_keys=None,
                client_certs=None,
                agent_path=None,
                gss_auth=False,
                gss_kex=False,
                password_auth=False,
                kbdint_auth=False,
                host_based_auth=False,
                x509_trusted_certs=None,
                connect_timeout=0,  # deadlines are set here, not by asyncssh
                login_timeout=0,
                keepalive_interval=KEEPALIVE_S,
                keepalive_count_max=KEEPALIVE_MISSES,
                **given,
            )
        except (ValueError, OSError, asyncssh.Error) as error:  # ConfigParseError is a ValueError
            raise ConnectFailed(
                name, f"~/.ssh/config cannot be read: {error}", silent=False
            ) from None

    def _login(self, hop: _Hop, jump: Jump | None) -> Login:
        """The options of ``hop`` with keys, known hosts and the way there."""
        ssh, base = hop.ssh, hop.options
        config: Any = base.config  # asyncssh types its values as object
        known = self._known_hosts.load(
            ssh.known_hosts or config.get("UserKnownHostsFile"),
            config.get("GlobalKnownHostsFile"),
        )
        identity = self._identities.load(
            [ssh.identity_file] if ssh.identity_file else config.get("IdentityFile"),
            config.get("CertificateFile") or (),
            only=bool(config.get("IdentitiesOnly")),
            agent=agent_socket(config),
        )
        way: dict[str, Any] = {"tunnel": None, "proxy_command": None} if jump else {}
        options = asyncssh.SSHClientConnectionOptions(
            base,
            known_hosts=([], [], []),  # the client judges the key, by ``known``
            server_host_key_algs=config.get("HostKeyAlgorithms")
            or known.algorithms(base.host, base.port, base.host_key_alias),
            # faster: one call into OpenSSL per packet, while asyncssh's ChaCha20 needs several
            encryption_algs=config.get("Ciphers") or "^aes128-gcm@openssh.com",
            **way,
        )
        route = jump.link.target if jump and ssh.proxy_jump else ""
        return Login(options, known, identity, jump, route)


def _last(name: str, jumps: str, timeout_s: float) -> tuple[str, SSH]:
    """The last host of ``jumps``, as ``ProxyJump`` of ssh_config(5) has them, behind the others.

    :raises ConnectFailed: it is none.
    """
    *others, last = jumps.split(",")
    found = re.fullmatch(
        r"(?:ssh://)?(?:(?P<user>.*)@)?(?:\[(?P<v6>.+)\]|(?P<host>[^@\[\]/]+?))"
        r"(?::(?P<port>[0-9]+))?/?",
        last.strip(),
    )
    if not found:
        raise ConnectFailed(name, f"{last!r} is no host to jump through", silent=False)
    port = found["port"]
    return last, SSH(
        found["v6"] or found["host"],
        port=int(port) if port else None,
        user=found["user"] or None,
        proxy_jump=",".join(others) or None,
        connect_timeout_s=timeout_s,
    )


async def _open(
    name: str, login: Login, deadline: float
) -> tuple[asyncssh.SSHClientConnection, str | None]:
    """Log in by ``deadline`` (the loop's clock); also the address that answered, if known.

    :raises TurnedAway: see :func:`~fleetctl.link.ssh.login.log_in`.
    :raises LinkError: it failed otherwise.
    """
    if login.jump:
        return await log_in(name, login, {"tunnel": login.jump.link.connection}, deadline), None
    if not login.direct:
        return await log_in(name, login, {}, deadline), None
    options = login.options
    sock = await dial(name, options.host, options.port, options.family, deadline)
    try:
        address = numeric(sock.getpeername())
        return await log_in(name, login, {"sock": sock}, deadline), address
    except BaseException:
        sock.close()
        raise
