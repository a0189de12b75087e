"""Opening an SSH link, directly or through jump hosts.

ssh's configuration supplies what nodes.yaml leaves out: alias, user, port, identities, agent,
ProxyJump, known_hosts files. Host keys are always checked; that cannot be turned off.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Coroutine, Mapping, Sequence
from functools import partial
from typing import Any

import asyncssh
from msgspec import Struct
from msgspec.structs import replace

from fleetctl.errors import (
    ConnectFailed,
    ConnectTimedOut,
    HostKeyUnknown,
    LinkError,
    LinkHung,
)
from fleetctl.link.ssh.ahead import Ahead
from fleetctl.link.ssh.dial import numeric
from fleetctl.link.ssh.gate import Gate
from fleetctl.link.ssh.host_config import HostConfig
from fleetctl.link.ssh.host_keys import HostKeys, recorded_names
from fleetctl.link.ssh.identities import Identities
from fleetctl.link.ssh.jump_host import jump_host, no_jump_host
from fleetctl.link.ssh.jumps import Jump, Jumps, Through
from fleetctl.link.ssh.known_hosts import Entry, Known, KnownHosts
from fleetctl.link.ssh.link import SSHLink
from fleetctl.link.ssh.login import TurnedAway, log_in
from fleetctl.link.ssh.revoked_keys import RevokedFiles, RevokedKeys, Unusable
from fleetctl.link.ssh.shown_keys import ShownKeys, shown_keys
from fleetctl.link.ssh.side_by_side import first
from fleetctl.link.ssh.way_in import Login, Trying, algorithms
from fleetctl.model.topology import SSH, Node

KEEPALIVE_S = 2.5  # longer than the pause between two questions to a watched node
KEEPALIVE_MISSES = 1
"""A node is found lost after about ``KEEPALIVE_S * (KEEPALIVE_MISSES + 1)`` seconds."""

_SILENT_TRIES = 4
"""For a server that closes without a word, which may be ``MaxStartups`` or a refusal."""
_LONGEST_PAUSE_S = 1.0


class Hop(Struct, frozen=True):
    """A host on the way to a node, or the node itself."""

    name: str
    ssh: SSH
    config: HostConfig
    """What ssh's configuration and nodes.yaml say."""


class Connector:
    """Opens SSH links; keys, known_hosts files and ``~/.ssh/config`` are read once for all nodes.

    :param nodes: the fleet's nodes, because ``proxy_jump`` may name one of them.
    :param ahead: has the connections that were made already.
    """

    def __init__(self, nodes: Mapping[str, Node], ahead: Ahead | None = None) -> None:
        self._nodes = nodes
        self._gate = Gate()
        self._jumps = Jumps()
        self._known_hosts = KnownHosts()
        self._revoked = RevokedFiles()
        self._identities = Identities()
        self._ahead = ahead or Ahead()
        self._configs = self._ahead.configs

    async def connect(
        self, node: Node, *, only_named: bool = False, trying: Trying | None = None
    ) -> SSHLink:
        """Connect to ``node`` within its ``connect_timeout``, which is for the whole of it: all
        addresses of its name, the login, and trying again where the server is too busy. Each of
        several hosts has that time.

        :param only_named: with the key of its ``identity_file`` alone, as with ``IdentitiesOnly``.
        :param trying: is told how far it is.
        :raises LinkError: one of its subclasses, with the reason and what to do.
        """

        async def one(ssh: SSH) -> SSHLink:
            hop, *gates = await self.way(node.name, ssh)
            if only_named:
                hop = replace(hop, config=replace(hop.config, identities_only=True))
            return await self._connect([hop, *gates], trying)

        tries = [partial(one, ssh) for ssh in node.ssh.each]
        return await first(node.name, tries, SSHLink.close)

    async def connect_by(
        self, node: Node, through: SSHLink | None, address: str, *, answer_s: float
    ) -> SSHLink:
        """Connect to ``node`` at another ``address`` of it; its host key is judged under its usual
        name: of several hosts, the first that is recorded.

        :param through: the connection to go through; None: from here.
        :param address: empty: its usual one.
        :param answer_s: so long it has to accept the connection of ``through``.
        :raises LinkError: as :meth:`connect`.
        """
        hops = [(await self.way(node.name, ssh))[0] for ssh in node.ssh.each]
        hop = next((hop for hop in hops if self._recorded(hop)), hops[0])
        jump = Through(through, answer_s) if through else None
        login = self._login(hop, jump, address=address or hop.config.host)
        link = await self._connect_through(hop, login)
        link.address = address or None
        return link

    async def answering(self, node: Node) -> SSH:
        """How to reach ``node`` at the one of its hosts whose SSH server answers first.

        :raises LinkError: none does.
        """

        async def one(ssh: SSH) -> SSH:
            await self.host_keys(replace(node, ssh=ssh))
            return ssh

        async def nothing(_: SSH) -> None:
            pass

        if not node.ssh.other_hosts:
            return node.ssh
        return await first(node.name, [partial(one, ssh) for ssh in node.ssh.each], nothing)

    async def host_keys(self, node: Node) -> ShownKeys:
        """The keys by which the SSH server of ``node`` proves itself, found without a login there;
        jump hosts are logged into. Of several hosts, those of the first: see :meth:`answering`.

        :raises LinkError: it cannot be asked.
        """
        hop, *gates = await self.way(node.name, node.ssh)
        known = self._known(hop)
        jump = await self._jump(hop.name, gates) if gates else None

        async def ask(algorithms: Sequence[str]) -> HostKeyUnknown:
            login = self._login(hop, jump, algorithms)
            nothing = replace(login.host_keys, known=replace(known, files=()), revoked=None)
            login = replace(login, host_keys=nothing)
            try:
                link = await self._connect_through(hop, login)
            except HostKeyUnknown as error:
                if not error.shown:
                    raise
                return error
            await link.close()
            raise AssertionError("a login without a known host key")

        try:
            recorded = self._host_keys(hop, checks_address=False)
            return await shown_keys(hop.config, recorded, ask)
        finally:
            if jump:
                await jump.close()

    async def recorded_keys(self, node: Node) -> frozenset[bytes]:
        """The host keys that are recorded for ``node``, as SSH sends them.

        :raises LinkError: its SSH configuration cannot be read.
        """
        found: set[bytes] = set()
        for ssh in node.ssh.each:
            hop, *_ = await self.way(node.name, ssh)
            found.update(entry.key for entry in self._recorded(hop) if not entry.marker)
        return frozenset(found)

    def _recorded(self, hop: Hop) -> Sequence[Entry]:
        config = hop.config
        return self._known(hop).of(recorded_names(config.host, config.port, config.alias)[0])

    async def way(self, name: str, ssh: SSH) -> Sequence[Hop]:
        """The node, and the jump hosts to it, the nearest to the node first.

        :raises ConnectFailed: there is none that ends.
        """
        way: list[Hop] = []
        while True:
            if any(hop.ssh == ssh for hop in way):
                circle = " → ".join((*(hop.name for hop in way), name))
                reason = f"proxy_jump runs in a circle ({circle})"
                raise ConnectFailed(way[0].name, reason, silent=False)
            config = await self._configs.of(name, ssh)
            way.append(Hop(name, ssh, config))
            jumps = ssh.proxy_jump or config.proxy_jump
            if not jumps or jumps.lower() == "none":
                return way
            *others, last = (jump.strip() for jump in jumps.split(","))
            if not all(others):
                raise no_jump_host(way[0].name, jumps)
            if node := self._nodes.get(last):
                name, ssh = node.name, node.ssh
            else:
                name, ssh = last, jump_host(way[0].name, last, ssh.connect_timeout_s)
            if others:
                ssh = replace(ssh, proxy_jump=",".join(others))

    async def _connect(self, way: Sequence[Hop], trying: Trying | None = None) -> SSHLink:
        hop, *gates = way
        jump = await self._jump(hop.name, gates) if gates else None
        try:
            return await self._connect_through(hop, self._login(hop, jump), trying)
        except BaseException:
            if jump:
                await jump.close()
            raise

    async def _connect_through(
        self, hop: Hop, login: Login, trying: Trying | None = None
    ) -> SSHLink:
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
                    connection, address = await self._open(hop.name, login, deadline, trying)
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
                        ignored=login.config.ignored,
                    )
            tries += 1
            # at random: those that were turned away together should not come back together
            pause_s = min(0.1 * 2**tries, _LONGEST_PAUSE_S) * random.uniform(0.5, 1.0)
            if loop.time() + pause_s > deadline or (tries == _SILENT_TRIES and not away.told):
                raise away.error
            await asyncio.sleep(pause_s)

    async def _open(
        self, name: str, login: Login, deadline: float, trying: Trying | None
    ) -> tuple[asyncssh.SSHClientConnection, str | None]:
        """Log in by ``deadline`` (the loop's clock); also the address that answered, if known.

        :raises TurnedAway: see :func:`~fleetctl.link.ssh.login.log_in`.
        :raises LinkError: it failed otherwise.
        """
        if trying:
            trying.begun.set()
        if login.jump:
            tunnel = login.jump if isinstance(login.jump, Through) else login.jump.link.connection
            return await log_in(name, login, {"tunnel": tunnel}, deadline), None
        if not login.direct:
            return await log_in(name, login, {}, deadline), None
        options = login.options
        sock = await self._ahead.take(name, options.host, options.port, options.family, deadline)
        if trying:
            trying.heard = True
        try:
            address = numeric(sock.getpeername())
            return await log_in(name, login, {"sock": sock}, deadline), address
        except BaseException:
            sock.close()
            raise

    async def _jump(self, name: str, gates: Sequence[Hop]) -> Jump:
        """The jump host for ``name``, which all nodes behind it share."""
        gate = gates[0]
        key = replace(gate.ssh, connect_timeout_s=0)

        def connect() -> Coroutine[Any, Any, SSHLink]:
            if gate.ssh.other_hosts:
                return self.connect(Node(gate.name, gate.ssh))
            return self._connect(gates)

        try:
            return await self._jumps.get(key, connect)
        except LinkError as error:
            reason = f"cannot go through {gate.name}: {error.reason}"
            failed = type(error)(name, reason, hint=error.hint, silent=error.silent)
            failed.through = gate.name
            raise failed from None

    def _known(self, hop: Hop) -> Known:
        """The host keys that are recorded in the files that count for ``hop``."""
        files = hop.ssh.known_hosts or hop.config.known_hosts
        return self._known_hosts.load(files, hop.config.global_known_hosts)

    def _host_keys(self, hop: Hop, *, checks_address: bool) -> HostKeys:
        """
        :raises ConnectFailed: its revoked keys are not known.
        """
        config = hop.config
        return HostKeys(
            self._known(hop),
            config.host,
            config.port,
            config.alias,
            revoked=self._revoked_keys(hop),
            checks_address=checks_address,
        )

    def _login(
        self,
        hop: Hop,
        jump: Jump | Through | None,
        proofs: Sequence[str] = (),
        address: str = "",
    ) -> Login:
        """How to log in to ``hop``: its options, with keys, known hosts and the way there.

        :param proofs: the host key algorithms to ask for; none: those that ssh would.
        :param address: where it is, in place of its host; what is recorded for that counts.
        :raises ConnectFailed: its revoked keys are not known.
        """
        ssh, config = hop.ssh, hop.config
        command = None if jump or address or ssh.proxy_jump else config.proxy_command
        direct = not (jump or command or address)
        host_keys = self._host_keys(hop, checks_address=config.check_address and direct)
        identity = self._identities.load(
            [ssh.identity_file] if ssh.identity_file else config.identity_files,
            config.certificates,
            only=config.identities_only,
            agent=config.agent,
        )
        alias = config.alias
        if address:
            alias = recorded_names(config.host, config.port, alias)[0]
        options = asyncssh.SSHClientConnectionOptions(
            config=None,  # ssh was asked
            host=address or config.host,
            port=config.port,
            username=config.user,
            family=config.family,
            host_key_alias=alias,
            proxy_command=command,
            known_hosts=([], [], []),  # the client judges the key, by ``host_keys``
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
            send_env=config.send_env,
            env=config.set_env,
            **algorithms(config, host_keys, proofs),
        )
        route = jump.link.target if jump and (address or ssh.proxy_jump) else ""
        node = hop.name if hop.name in self._nodes else ""
        return Login(options, config, address or ssh.host, host_keys, identity, jump, node, route)

    def _revoked_keys(self, hop: Hop) -> RevokedKeys | None:
        """
        :raises ConnectFailed: they cannot be read, and ssh would trust no host then.
        """
        file = hop.config.revoked_host_keys
        if file is None:
            return None
        try:
            return self._revoked.load(file)
        except Unusable as error:
            raise ConnectFailed(
                hop.name,
                f"no host key can be trusted: the RevokedHostKeys {file} of the SSH configuration "
                f"cannot be used: {error}",
                hint="Write the revoked public keys into a text file, one a line, and name that as "
                "RevokedHostKeys in ~/.ssh/config.",
                silent=False,
            ) from None
