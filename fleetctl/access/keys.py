"""Whether nodes take the cluster's key, and putting it there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from fleetctl.access import authorize
from fleetctl.access.cluster_key import ClusterKey, file_of
from fleetctl.access.password_login import Said, run_with_password
from fleetctl.errors import AuthFailed, FleetctlError, LinkError
from fleetctl.link.mistakes import of_node
from fleetctl.link.protocol import Link
from fleetctl.link.ssh.connect import Connector
from fleetctl.model.topology import Fleet, Node

State = Literal["works", "unused", "other key", "refused", "error"]
"""``unused``: the key works, but neither nodes.yaml nor ``~/.ssh/config`` names it, so that
fleetctl is not let in. ``other key``: another key works, and this one does not. ``refused``: no key
works."""


class Choice(Struct, frozen=True):
    """The key for one node."""

    path: str
    named: bool
    """nodes.yaml or ``~/.ssh/config`` names it."""


class Login(Struct, frozen=True):
    """How one node can be logged into."""

    node: str
    state: State
    error: LinkError | None = None
    """Why it cannot, or not by the cluster's key."""


class Put(Struct, frozen=True):
    """What became of the key on one node."""

    node: str
    authorized: authorize.Authorized
    login: Login
    """How it can be logged into since then."""


def default_path(fleet: Fleet) -> str:
    """The cluster's key where neither nodes.yaml nor ``~/.ssh/config`` names one."""
    return f"~/.ssh/fleetctl_{fleet.name}"


class Keys:
    """Puts keys on the nodes of ``fleet``.

    :param connector: by which nodes are reached.
    """

    def __init__(self, fleet: Fleet, connector: Connector) -> None:
        self._fleet = fleet
        self._connector = connector

    async def choice(self, name: str) -> Choice:
        """Which key is for a node.

        :raises LinkError: its SSH configuration cannot be read.
        """
        node = self._fleet.nodes[name]
        if node.ssh.identity_file:
            return Choice(node.ssh.identity_file, named=True)
        hop, *_ = await self._connector.way(name, node.ssh)
        if hop.config.identity_files:
            return Choice(hop.config.identity_files[0], named=True)
        return Choice(default_path(self._fleet), named=False)

    async def login(self, name: str, choice: Choice) -> Login:
        """Try to log in as fleetctl does, and with the chosen key alone where that tells more: a
        server may lock out for a while what fails again and again (PerSourcePenalties of
        sshd_config(5))."""
        node = self._fleet.nodes[name]
        try:
            with of_node(name):
                usual = await self._try(node)
                if usual and choice.named:  # it was offered first
                    return Login(name, "refused", usual)
                refused: AuthFailed | None = AuthFailed(name, f"there is no key {choice.path}")
                if file_of(choice.path).exists():
                    refused = await self._try(_with(node, choice.path), only_named=True)
        except LinkError as error:
            return Login(name, "error", error)
        if refused:
            return Login(name, "refused" if usual else "other key", usual or refused)
        return Login(name, "unused" if usual else "works", usual)

    async def _try(self, node: Node, *, only_named: bool = False) -> AuthFailed | None:
        """
        :raises LinkError: it fails for another reason than the keys.
        """
        try:
            link = await self._connector.connect(node, only_named=only_named)
        except AuthFailed as error:
            if error.through:
                raise
            return error
        await link.close()
        return None

    async def put(
        self, login: Login, choice: Choice, key: ClusterKey, told: Callable[[str], object]
    ) -> Put:
        """Put ``key`` on a node: over a login by another key, if one works, else ssh asks for the
        account's password on the terminal.

        :param told: gets what ssh says meanwhile.
        :raises FleetctlError: it is not there afterwards.
        """
        name = login.node
        node = self._fleet.nodes[name]
        stdin = f"{key.public.line}\n"
        with of_node(name):
            if login.state == "other key":
                link: Link = await self._connector.connect(node)
                try:
                    said = await _over(link, stdin)
                finally:
                    await link.close()
            else:
                ssh = await self._connector.answering(node)
                way = await self._connector.way(name, ssh)
                said = await run_with_password(way, authorize.script(), stdin, told)
        authorized = authorize.read(said.output)
        if authorized is None or said.exit_status != 0:
            *before, why = said.errors.splitlines() or [f"status {said.exit_status}"]
            tool = f" ({before[-1]})" if before else ""
            raise FleetctlError(f"{name}: the key cannot be put there: {why}{tool}")
        return Put(name, authorized, await self.login(name, choice))


async def _over(link: Link, stdin: str) -> Said:
    done = await link.run(authorize.script(), stdin=stdin.encode(), timeout_s=authorize.TIMEOUT_S)
    return Said(done.text, done.error_text, done.exit_status)


def _with(node: Node, path: str) -> Node:
    return replace(node, ssh=replace(node.ssh, identity_file=path))


async def logins(
    keys: Keys, choices: Mapping[str, Choice], answered: Callable[[str], object]
) -> dict[str, Login]:
    """Try all nodes at the same time.

    :param choices: by node: its key.
    :param answered: is called with the name of each that was tried.
    """

    async def one(name: str) -> Login:
        found = await keys.login(name, choices[name])
        answered(name)
        return found

    tried = await asyncio.gather(*map(one, choices))
    return {login.node: login for login in tried}


def refusal(login: Login, key: ClusterKey) -> FleetctlError:
    """The error for a node that refuses a key which is in its ``~/.ssh/authorized_keys``."""
    return FleetctlError(
        f"{login.node}: the key is in ~/.ssh/authorized_keys there, and refused all the same",
        hint="Its SSH server may read another file (AuthorizedKeysFile), take no keys "
        "(PubkeyAuthentication), or the line has options before it: its log says which. "
        f"The key is {key.public.fingerprint}.",
    )
