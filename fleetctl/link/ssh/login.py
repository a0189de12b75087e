"""Logging in over an open transport, and an error for each way in which that fails."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable
from typing import Any

import asyncssh
from asyncssh.packet import SSHPacket

from fleetctl.errors import (
    AuthFailed,
    ConnectFailed,
    ConnectTimedOut,
    HostKeyUnknown,
    LinkError,
    LinkHung,
)
from fleetctl.link.ssh.channel import reason_of
from fleetctl.link.ssh.host_key_errors import host_key_error
from fleetctl.link.ssh.host_keys import Judged
from fleetctl.link.ssh.identities import LOCKED
from fleetctl.link.ssh.jumps import Through
from fleetctl.link.ssh.shown_key import ShownKey
from fleetctl.link.ssh.way_in import Login, path_word
from fleetctl.patterns import pattern

_HUNG_HINT = "sshd on the node is stuck or overloaded; restart it, or the node, at its screen."
_HEARD_BYTES = 4096
_TOLD = 200

# What OpenSSH's sshd says before it closes (sshd.c, srclimit.c), and pam_nologin(8) in a banner,
# of causes that pass.
_PASSING = (
    (
        pattern(r"Exceeded MaxStartups"),
        "Too many logins at once for its sshd: other machines or logins in vain use them up, or "
        "MaxStartups in sshd_config(5) is low.",
    ),
    (
        pattern(r"Not allowed at this time"),
        "Its sshd punishes this machine's address for logins that failed (PerSourcePenalties in "
        "sshd_config(5)): wait some minutes, and stop what tries in vain.",
    ),
    (
        pattern(r"booting up|not permitted to log in yet"),
        "Wait until it has started; `systemctl list-jobs` at its screen says what it waits for.",
    ),
)


class TurnedAway(Exception):
    """The server closed the connection for a reason that may pass: the login can be tried again.

    :param error: what to raise when that does not help.
    :param told: the server said so; else it only closed.
    """

    def __init__(self, error: LinkError, *, told: bool) -> None:
        super().__init__(error.reason)
        self.error = error
        self.told = told


class _Agent(asyncssh.SSHAgentClient):
    """The SSH agent. It may ask its user before it answers; ``busy`` while it is waited for."""

    busy = False

    async def get_keys(self, *args: Any) -> Any:
        return await self._waited_for(super().get_keys(*args))

    async def sign(self, *args: Any) -> Any:
        return await self._waited_for(super().sign(*args))

    async def _waited_for(self, answer: Awaitable[Any]) -> Any:
        self.busy = True
        try:
            answered = await answer
        except ValueError:  # it refuses; cancelled at a deadline it stays busy
            self.busy = False
            raise
        self.busy = False
        return answered


class _Client(asyncssh.SSHClient):
    """Our side of a login: the keys that it offers, and what the server says and shows."""

    def __init__(self, login: Login) -> None:
        identity = login.identity
        self._login = login
        self.connected = False
        self.greeted = False
        self.heard = b""
        """What the server sent before its greeting."""
        self.banner = ""
        self.shown: asyncssh.SSHKey | None = None
        """Its host key."""
        self.shown_as = b""
        """The same as SSH sends it, which may be a certificate."""
        self.key_algorithms: tuple[str, ...] = ()
        """Those of all of its host keys."""
        self.judged = Judged("unknown")
        """What the recorded keys say of it."""
        self.agent = _Agent(identity.agent) if identity.agent else None
        self.agent_state = "keys of the SSH agent" if identity.agent else "no SSH agent"
        self._identity = identity
        self.offered: list[Any] | None = None
        self.lost: Exception | None = None
        """What ended the connection, unless this side closed it."""

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = exc

    def connection_made(self, conn: asyncssh.SSHClientConnection) -> None:
        """Listen to what comes before the greeting, which asyncssh drops (RFC 4253, 4.2)."""
        self.connected = True
        connection: Any = conn
        receive = connection.data_received

        def listen(data: bytes, *more: Any) -> None:
            self.heard += data[: _HEARD_BYTES - len(self.heard)]
            begin = re.search(rb"^SSH-", self.heard, re.MULTILINE)
            if begin or len(self.heard) == _HEARD_BYTES:
                self.greeted = begin is not None
                self.heard = self.heard[: begin.start()] if begin else self.heard
                del connection.data_received
            receive(data, *more)

        connection.data_received = listen

        def judge(*about: Any) -> asyncssh.SSHKey:
            self.key_algorithms = _key_algorithms(connection._server_kexinit)
            return self._judge_host_key(*about)

        connection._validate_host_key = judge  # asyncssh also takes the address's

    def auth_banner_received(self, msg: str, lang: str) -> None:
        self.banner = (self.banner + msg)[-_HEARD_BYTES:]

    def _judge_host_key(self, host: str, addr: str, port: int, shown: bytes) -> asyncssh.SSHKey:
        """
        :raises ValueError: it is not one that is recorded for the host.
        """
        parsed = ShownKey.of(shown)
        self.shown, self.shown_as = parsed.key, shown
        self.judged = self._login.host_keys.judge(parsed, addr or None)
        if self.judged.verdict != "ok":
            raise ValueError(f"Host key is {self.judged.verdict}")
        return self.shown

    async def public_key_auth_requested(self) -> Any:
        """All keys at first, then none; asked for when there is none left to offer."""
        if self.offered is not None:
            return None
        of_agent: Any = ()
        if self.agent:
            try:
                of_agent = await self.agent.get_keys()
            except ValueError as error:
                why = reason_of(error)
                self.agent_state = f"the SSH agent {self._identity.agent} does not answer: {why}"
        self.offered = self._identity.ordered(of_agent)
        return list(self.offered)

    @property
    def said(self) -> str:
        """What the server said in words, in one line."""
        text = self.heard.decode("utf-8", "replace") or self.banner
        return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:_TOLD]

    def close(self) -> None:
        if self.agent:
            self.agent.close()


def _key_algorithms(kexinit: bytes) -> tuple[str, ...]:
    """The server's host key algorithms in its first packet (RFC 4253, section 7.1)."""
    packet = SSHPacket(kexinit[17:])  # the kind of packet and the cookie come before
    packet.get_namelist()
    return tuple(one.decode("ascii", "replace") for one in packet.get_namelist())


async def log_in(
    name: str, login: Login, transport: dict[str, Any], deadline: float
) -> asyncssh.SSHClientConnection:
    """Log in by ``deadline`` (the loop's clock), over the socket or tunnel in ``transport``.

    :raises TurnedAway: the server closed the connection for a reason that may pass.
    :raises LinkError: it failed otherwise.
    """
    client = _Client(login)
    options = login.options
    _prepare_here(asyncssh.SSHClientConnectionOptions)
    if login.config.without_keys:
        raise _auth_error(name, login, client, too_many=False)
    try:
        async with asyncio.timeout_at(deadline):
            return await asyncssh.connect(
                options.host,
                options.port,
                config=None,  # by default it would read the user's file again
                options=options,
                client_factory=lambda: client,
                **transport,
            )
    except TimeoutError:
        raise _late(name, login, client) from None
    except asyncssh.HostKeyNotVerifiable as error:
        found = host_key_error(name, login, client.shown, client.judged, error.reason)
        if isinstance(found, HostKeyUnknown):
            found.shown, found.offered = client.shown_as, client.key_algorithms
        raise found from None
    except asyncssh.PermissionDenied:
        raise _auth_error(name, login, client, too_many=False) from None
    except asyncssh.ChannelOpenError as error:
        raise _jump_error(name, login, error) from None
    except (asyncssh.Error, OSError) as error:
        if "Too many authentication failures" in str(error):
            raise _auth_error(name, login, client, too_many=True) from None
        raise _closed(name, login, client, error) from None
    finally:
        client.close()


def _prepare_here(options: Any) -> None:
    """Let asyncssh prepare its options where it is called. It would take a thread for each login,
    since it may have files to read; for us it has none, and a thread waits for its turn while
    modules are imported."""

    async def construct(given: Any = None, **more: Any) -> Any:
        return options(given, loop=asyncio.get_running_loop(), **more)

    options.construct = construct


def _late(name: str, login: Login, client: _Client) -> LinkError:
    where = login.where
    if client.agent and client.agent.busy:
        return AuthFailed(
            name,
            f"the SSH agent {login.identity.agent} does not answer within the connect_timeout",
            hint="It may wait for you to unlock it, or to approve the use of a key.",
        )
    if client.greeted:
        reason = f"{where} began to speak SSH, but the login does not end"
        return LinkHung(name, reason, hint=_HUNG_HINT)
    if login.direct or (login.jump and client.connected):
        reason = f"{where} accepts connections, but the SSH server there says nothing"
        return LinkHung(name, reason, hint=_HUNG_HINT)
    way = f"jump host {login.jump.link.node}" if login.jump else "ProxyCommand of ~/.ssh/config"
    return ConnectTimedOut(
        name,
        f"no answer from {where} through the {way} within its connect_timeout",
        hint="Is the node switched on, awake and on a network of the jump host?"
        if login.jump
        else "Does that command reach the node?",
    )


def _closed(
    name: str, login: Login, client: _Client, error: BaseException
) -> LinkError | TurnedAway:
    """The server closed the connection before the login's end."""
    where, said = login.where, client.said
    for passing, hint in _PASSING:
        if passing.search(said):
            reason = f"{where} takes no logins now: it says {said!r}"
            return TurnedAway(ConnectFailed(name, reason, hint=hint, silent=False), told=True)
    if client.connected and not client.greeted and not said:
        closed = ConnectFailed(
            name,
            f"{where} closes the connection before SSH begins",
            hint="sshd may refuse this address or have too many logins at once (MaxStartups); "
            "see its log on the node.",
            silent=False,
        )
        return TurnedAway(closed, told=False)
    why = f"SSH with {where} failed: {reason_of(error)}"
    if said and not client.greeted:
        why = f"SSH with {where} failed: what answers there is no SSH server, it says {said!r}"
    elif said:
        why = f"SSH with {where} failed: it says {said!r} and closes the connection"
    return ConnectFailed(name, why, silent=not (client.greeted or said))


def _jump_error(name: str, login: Login, error: asyncssh.ChannelOpenError) -> LinkError:
    gate = login.jump.link.node if login.jump else "the jump host"
    reaching = gate if isinstance(login.jump, Through) else "the jump host"
    if error.code == asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED:
        return ConnectFailed(
            name,
            f"the SSH server of {gate} forbids the TCP forwarding that a jump to {login.where} is",
            hint=f"Set AllowTcpForwarding yes in {gate}'s sshd_config(5); PermitOpen there and a "
            "restricted key can forbid it, too.",
            silent=False,
        )
    return ConnectFailed(name, f"{reaching} cannot reach {login.where}: {error}")


def _auth_error(name: str, login: Login, client: _Client, *, too_many: bool) -> LinkError:
    account = f"{login.options.username}@{login.where}"
    identity = login.identity
    if exclusive := login.config.without_keys:
        host = login.original
        return AuthFailed(
            name,
            f"~/.ssh/config says {' and '.join(exclusive)} for {host}, but fleetctl logs in by "
            "key alone",
            hint=f"Allow publickey for {host} in ~/.ssh/config, and install a key there.",
        )
    tried = identity.tried(client.agent_state)
    unused = [one for one in login.config.ignored if one.startswith(("PKCS11", "SecurityKey"))]
    if unused:
        tried += f"; {' and '.join(unused)} is not used"
    known = [file for file in identity.files if not file.lacks or _held(file.public, client)]
    if too_many and not (identity.named and known):
        return AuthFailed(
            name,
            f"{account} ends the login before all {len(client.offered or ())} keys are offered: "
            f"too many that it does not accept ({tried})",
            hint="Set ssh.identity_file of the node in nodes.yaml, whose key is offered first; or "
            "IdentityFile and IdentitiesOnly yes for it in ~/.ssh/config.",
        )
    reason = f"{account} accepts none of the keys tried ({tried})"
    return AuthFailed(name, reason, hint=_install_hint(login, client))


def _held(public: frozenset[bytes], client: _Client) -> bool:
    return any(key.public_data in public for key in client.offered or ())


def _install_hint(login: Login, client: _Client) -> str:
    """How a key gets to be accepted: of those that are really used."""
    ours = f"fleetctl keys {login.node}, or " if login.node else ""
    for file in login.identity.files:
        if not file.lacks or _held(file.public, client):
            return f"Install one: {ours}ssh-copy-id -i {path_word(file.path)} {login.target}"
        if file.lacks == LOCKED:
            return f"Unlock it: ssh-add {path_word(file.path)}"
    copying = f"ssh-copy-id {login.target}"
    if client.offered:
        return f"Install one: {ours}{copying}"
    new = login.identity.files[0].path if login.identity.files else "~/.ssh/id_ed25519"
    make = f"ssh-keygen -t ed25519 -f {path_word(new)}"
    correct = "Correct the file's name, or make" if login.identity.files else "Make"
    by_hand = f"{make} && ssh-copy-id -i {path_word(new)} {login.target}"
    return f"{correct} a key and install it: {ours}{by_hand}"
