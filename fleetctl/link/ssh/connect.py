"""Opening an SSH link: keys, host keys, proxy jumps, and an error for each way in which it fails.

``~/.ssh/config`` supplies what nodes.yaml leaves out: alias, user, port, identities, agent,
ProxyJump, known_hosts files. Host keys are always checked; that cannot be turned off.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import asyncssh
from msgspec import Struct

from fleetctl.errors import (
    AuthFailed,
    ConnectFailed,
    ConnectTimedOut,
    HostKeyChanged,
    HostKeyUnknown,
    LinkError,
    LinkHung,
)
from fleetctl.link.readiness import readable
from fleetctl.link.ssh.channel import SSHLink, reason_of
from fleetctl.link.ssh.gate import Gate
from fleetctl.link.ssh.identities import Identities, Identity
from fleetctl.link.ssh.known_hosts import Known, KnownHosts
from fleetctl.model.topology import SSH, Node

KEEPALIVE_S = 2.5  # longer than the pause between two questions to a watched node
KEEPALIVE_MISSES = 1
"""A node is found lost after about ``KEEPALIVE_S * (KEEPALIVE_MISSES + 1)`` seconds."""

_STARTUP_TRIES = 4
# sshd drops new connections at random above MaxStartups (10 by default).
_HUNG_HINT = "sshd on the node is stuck or overloaded; restart it, or the node, at its screen."


class _Host(asyncssh.SSHClient):
    """Keeps the host key of a server if it is not the recorded one."""

    shown: asyncssh.SSHKey | None = None

    def validate_host_public_key(
        self, host: str, addr: str, port: int, key: asyncssh.SSHKey
    ) -> bool:
        self.shown = key
        return False


class _Login(Struct, frozen=True):
    """How to log in to one node."""

    options: asyncssh.SSHClientConnectionOptions
    known: Known
    identities: Identity
    jump: SSHLink | None

    @property
    def where(self) -> str:
        return f"{self.options.host}:{self.options.port}"

    @property
    def direct(self) -> bool:
        return not (self.jump or self.options.tunnel or self.options.proxy_command)


class Connector:
    """Opens SSH links; keys, known_hosts files and ``~/.ssh/config`` are read once for all nodes.

    :param nodes: the fleet's nodes, because ``proxy_jump`` may name one of them.
    """

    def __init__(self, nodes: Mapping[str, Node]) -> None:
        self._nodes = nodes
        self._gate = Gate()
        self._known_hosts = KnownHosts()
        self._identities = Identities()
        user_config = Path("~/.ssh/config").expanduser()
        self._config = [str(user_config)] if os.access(user_config, os.R_OK) else []

    async def connect(self, node: Node) -> SSHLink:
        """Connect to ``node`` within its ``connect_timeout``.

        :raises LinkError: one of its subclasses, with the reason and what to do.
        """
        return await self._connect(node.name, node.ssh, through=())

    async def _connect(self, name: str, ssh: SSH, through: tuple[str, ...]) -> SSHLink:
        if name in through:
            circle = " → ".join((*through, name))
            raise ConnectFailed(name, f"proxy_jump runs in a circle ({circle})")
        jump = await self._jump(name, ssh, through)
        try:
            return await self._connect_behind(name, ssh, jump)
        except BaseException:
            if jump:
                await jump.close()
            raise

    async def _connect_behind(self, name: str, ssh: SSH, jump: SSHLink | None) -> SSHLink:
        login = self._login(name, ssh, jump)
        loop = asyncio.get_running_loop()
        deadline = None
        for attempt in range(_STARTUP_TRIES):
            if deadline is not None:
                pause_s = 0.1 * 2**attempt
                if loop.time() + pause_s > deadline:
                    break
                await asyncio.sleep(pause_s)
            async with self._gate.enter():
                started = loop.time()
                deadline = deadline or started + ssh.connect_timeout_s
                opened = await _open(name, login, deadline)
            if opened:
                return SSHLink(name, *opened, (loop.time() - started) * 1000, jump)
        raise ConnectFailed(
            name,
            f"{login.where} closes the connection before SSH begins",
            hint="sshd may refuse this address or have too many logins at once (MaxStartups); "
            "see its log on the node.",
        )

    async def _jump(self, name: str, ssh: SSH, through: tuple[str, ...]) -> SSHLink | None:
        node = self._nodes.get(ssh.proxy_jump or "")
        if node is None:
            return None
        try:
            return await self._connect(node.name, node.ssh, (*through, name))
        except LinkError as error:
            raise type(error)(
                name, f"cannot go through {node.name}: {error.reason}", hint=error.hint
            ) from None

    def _login(self, name: str, ssh: SSH, jump: SSHLink | None) -> _Login:
        """The options from nodes.yaml and ``~/.ssh/config``, with keys and known hosts."""
        given: dict[str, Any] = {
            key: value
            for key, value in (("username", ssh.user), ("port", ssh.port))
            if value is not None
        }
        if ssh.proxy_jump and jump is None:
            given["tunnel"] = ssh.proxy_jump
        try:
            base = asyncssh.SSHClientConnectionOptions(
                config=self._config,
                host=ssh.host,
                known_hosts=None,  # set below, never to None
                client_keys=None,
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
        except ValueError as error:  # asyncssh.ConfigParseError among them
            raise ConnectFailed(name, f"~/.ssh/config cannot be read: {error}") from None
        config: Any = base.config  # asyncssh types its values as object
        known = self._known_hosts.load(
            ssh.known_hosts or config.get("UserKnownHostsFile"),
            config.get("GlobalKnownHostsFile"),
        )
        identities = self._identities.load(
            [ssh.identity_file] if ssh.identity_file else config.get("IdentityFile"),
            only=bool(config.get("IdentitiesOnly")),
        )
        options = asyncssh.SSHClientConnectionOptions(
            base,
            known_hosts=known.entries,
            client_keys=identities.keys,
            agent_path=config.get("IdentityAgent", ()),
            agent_identities=identities.agent_only,
            # faster: one call into OpenSSL per packet, while asyncssh's ChaCha20 needs several
            encryption_algs=config.get("Ciphers") or "^aes128-gcm@openssh.com",
        )
        return _Login(options, known, identities, jump)


async def _open(
    name: str, login: _Login, deadline: float
) -> tuple[asyncssh.SSHClientConnection, str | None] | None:
    """Log in by ``deadline`` (the loop's clock); ``None``: the server closed before SSH began."""
    if not login.direct:
        return await _log_in(name, login, {}, deadline), None
    sock = await _dial(name, login, deadline)
    try:
        if await _greets(name, login, sock, deadline):
            address = sock.getpeername()[0]
            return await _log_in(name, login, {"sock": sock}, deadline), address
    except BaseException:
        sock.close()
        raise
    sock.close()
    return None


async def _log_in(
    name: str, login: _Login, transport: dict[str, Any], deadline: float
) -> asyncssh.SSHClientConnection:
    host = _Host()
    if login.jump:
        transport["tunnel"] = login.jump.connection
    options, where = login.options, login.where
    try:
        async with asyncio.timeout_at(deadline):
            return await asyncssh.connect(
                options.host,
                options.port,
                options=options,
                client_factory=lambda: host,
                **transport,
            )
    except TimeoutError:
        raise LinkHung(
            name, f"{where} began to speak SSH, but the login does not end", hint=_HUNG_HINT
        ) from None
    except asyncssh.PermissionDenied:
        raise AuthFailed(
            name,
            f"{options.username}@{where} accepts none of the keys tried "
            f"({login.identities.tried(options.agent_path)})",
            hint=f"Install one: ssh-copy-id {options.username}@{options.host}",
        ) from None
    except asyncssh.HostKeyNotVerifiable as error:
        raise _host_key_error(name, login, host, error) from None
    except asyncssh.ChannelOpenError as error:
        raise ConnectFailed(name, f"the jump host cannot reach {where}: {error}") from None
    except (asyncssh.Error, OSError) as error:
        raise ConnectFailed(name, f"SSH with {where} failed: {reason_of(error)}") from None


def _host_key_error(
    name: str, login: _Login, host: _Host, error: asyncssh.HostKeyNotVerifiable
) -> LinkError:
    options, known = login.options, login.known
    recorded_as = options.host_key_alias or options.host
    port_option = "" if options.port == 22 else f"-p {options.port} "
    if host.shown is None:
        return HostKeyUnknown(name, f"{login.where}: {error.reason}")
    shown = host.shown.get_fingerprint()
    if known.knows(recorded_as, options.port):
        entry = recorded_as if options.port == 22 else f"'[{recorded_as}]:{options.port}'"
        return HostKeyChanged(
            name,
            f"{login.where} shows the host key {shown}, which is not the one recorded for it in "
            f"{known.where}",
            hint=f"If the node was reinstalled, forget the old key with ssh-keygen -R {entry}; "
            "otherwise somebody may be listening in.",
        )
    return HostKeyUnknown(
        name,
        f"the host key of {login.where} ({shown}) is not in {known.where}",
        hint="Compare it with the node's own (ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub) "
        f"and accept it once with: ssh {port_option}{options.username}@{options.host}",
    )


_CONNECT_REASONS = {
    errno.ECONNREFUSED: (
        "connection refused by {where}",
        "The machine is up, but no SSH server listens there: turn on Remote Login (macOS) or "
        "`sudo systemctl enable --now ssh` (Linux).",
    ),
    errno.EHOSTUNREACH: (
        "no route to {where}",
        "Is the node on, and is this machine on the same network?",
    ),
    errno.ENETUNREACH: ("no route to {where}", "Is this machine connected to that network?"),
    errno.ETIMEDOUT: ("no answer from {where}", "Is the node switched on, awake and online?"),
}


async def _dial(name: str, login: _Login, deadline: float) -> socket.socket:
    """A TCP connection to the node, made here so that each kind of failure has its own error."""
    try:
        async with asyncio.timeout_at(deadline):
            return await _first_that_answers(name, login)
    except TimeoutError:
        raise ConnectTimedOut(
            name,
            f"no answer from {login.where} within its connect_timeout",
            hint="Is the node switched on, awake and on this network?",
        ) from None


async def _first_that_answers(name: str, login: _Login) -> socket.socket:
    loop = asyncio.get_running_loop()
    host, port = login.options.host, login.options.port
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError) as error:
        raise ConnectFailed(
            name,
            f"the name {host!r} is not known ({getattr(error, 'strerror', error)})",
            hint="Set ssh.host in nodes.yaml, or add a Host entry to ~/.ssh/config.",
        ) from None
    failure: OSError | None = None
    for family, kind, protocol, _, address in found:
        sock = socket.socket(family, kind, protocol)
        sock.setblocking(False)
        try:
            await loop.sock_connect(sock, address)
        except OSError as error:
            sock.close()
            failure = error
        except BaseException:
            sock.close()
            raise
        else:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return sock
    assert failure is not None
    if failure.errno in _CONNECT_REASONS:
        reason, hint = _CONNECT_REASONS[failure.errno]
        error_type = ConnectTimedOut if failure.errno == errno.ETIMEDOUT else ConnectFailed
        raise error_type(name, reason.format(where=login.where), hint=hint)
    raise ConnectFailed(name, f"cannot connect to {login.where}: {failure.strerror or failure}")


async def _greets(name: str, login: _Login, sock: socket.socket, deadline: float) -> bool:
    """Wait for the server's first byte, which an SSH server sends first; false: it closed instead.

    A server that accepts the connection and sends nothing hangs, which is not a dead node.
    """
    try:
        async with asyncio.timeout_at(deadline):
            await readable(sock.fileno())
        return bool(sock.recv(1, socket.MSG_PEEK))
    except TimeoutError:
        raise LinkHung(
            name,
            f"{login.where} accepts connections, but the SSH server there says nothing",
            hint=_HUNG_HINT,
        ) from None
    except OSError:
        return False
