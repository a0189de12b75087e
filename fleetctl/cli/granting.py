"""The key on its way to the nodes, told on the terminal."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import click

from fleetctl.access import cluster_key
from fleetctl.access.cluster_key import ClusterKey, file_of
from fleetctl.access.keys import Choice, Keys, Login, Put, logins, refusal
from fleetctl.access.password_login import has_terminal
from fleetctl.access.trust import Trust
from fleetctl.cli.asking import asked, can_ask
from fleetctl.cli.key_options import Options
from fleetctl.cli.progress import ProgressLines
from fleetctl.cli.render import marked, plain
from fleetctl.cli.trusting import establish
from fleetctl.errors import FleetctlError, HostKeyChanged, HostKeyUnknown, LinkError, UsageError
from fleetctl.escaping import visible
from fleetctl.link.ssh.connect import Connector
from fleetctl.marks import verdict
from fleetctl.model.topology import Fleet
from fleetctl.model.ways_in import waves


class Granting:
    """One run of ``fleetctl keys``."""

    def __init__(
        self,
        fleet: Fleet,
        connector: Connector,
        chosen: Sequence[str],
        options: Options,
    ) -> None:
        self._fleet = fleet
        self._chosen = chosen
        self._options = options
        self._keys = Keys(fleet, connector)
        self._trust = Trust(fleet, connector)
        self._width = max(map(len, chosen))
        self._choices: dict[str, Choice] = {}
        self._found: dict[Path, ClusterKey | None] = {}
        self._well: set[str] = set()

    async def run(self) -> bool:
        """Whether every node can be logged into at the end."""
        await self._find()
        for wave in waves(self._fleet, [name for name in self._chosen if name in self._choices]):
            await self._wave(wave)
        if self._well == set(self._chosen):
            click.echo("every node takes the key" if len(self._chosen) > 1 else "it takes the key")
            return True
        return False

    # the key

    async def _find(self) -> None:
        """Find each node's key."""
        for name in self._chosen:
            try:
                choice = await self._keys.choice(name)
                if file_of(choice.path) not in self._found:
                    self._found[file_of(choice.path)] = self._key_at(choice.path)
            except FleetctlError as error:
                self._fail(name, error)
                continue
            self._choices[name] = choice

    def _key_at(self, path: str) -> ClusterKey | None:
        """
        :raises FleetctlError: it cannot be used.
        """
        key = cluster_key.find(path)
        if key is None:
            return None
        if key.mode:
            if self._options.check:
                raise FleetctlError(
                    f"others can read {path} (mode {key.mode:04o}), so ssh does not use it",
                    hint="fleetctl keys takes it away from them.",
                )
            cluster_key.close(key)
            click.echo(f"{path}: others could read it (mode {key.mode:04o}), and cannot any more")
        if not cluster_key.usable(key):
            raise FleetctlError(
                f"{path} needs its passphrase, and the SSH agent does not have it",
                hint=f"Unlock it first: ssh-add {path}",
            )
        return key

    async def _key(self, path: str) -> ClusterKey:
        """The key at ``path``, made if it is missing.

        :raises FleetctlError: it cannot be.
        """
        if key := self._found[file_of(path)]:
            return key
        comment = self._options.name or self._fleet.name
        if self._options.name is None and not self._options.yes:
            if not can_ask():
                raise UsageError(
                    f"there is no key {path}, and no terminal to ask for its name on",
                    hint=f"Add --name {self._fleet.name}, or --yes.",
                )
            question = f"There is no key {path} yet. The name of the new one? [{comment}]"
            comment = await asked(question) or comment
        made = await asyncio.to_thread(cluster_key.make, path, comment)
        click.echo(f"{path}: made, {made.public.fingerprint}; it has no passphrase")
        click.echo(f"to give it one: ssh-keygen -p -f {path}", err=True)
        self._found[file_of(path)] = made
        return made

    # nodes

    async def _wave(self, names: Sequence[str]) -> None:
        """Nodes that are reached at the same time."""
        tried = await self._logins(names)
        new = [
            name
            for name, login in tried.items()
            if isinstance(login.error, HostKeyUnknown) and not login.error.through
        ]
        if new and not self._options.check:
            trusted = await establish(
                self._trust, new, yes=self._options.yes, told=self._chosen, quiet=True
            )
            tried |= await self._logins([name for name in new if name in trusted])
        for name in names:
            try:
                await self._settle(tried[name])
            except FleetctlError as error:
                self._fail(name, error)

    async def _logins(self, names: Sequence[str]) -> dict[str, Login]:
        progress = ProgressLines(names, "logging in")
        async with progress.live():
            choices = {name: self._choices[name] for name in names}
            return await logins(self._keys, choices, progress.settle)

    async def _settle(self, login: Login) -> None:
        """
        :raises FleetctlError: the node does not take the key, and why.
        """
        name, choice = login.node, self._choices[login.node]
        key = self._found[file_of(choice.path)]
        if login.state == "error":
            assert login.error
            raise login.error
        if login.state in ("works", "unused"):
            self._told(login, "takes the key already")
        elif login.state == "other key" and not choice.named and key is None:
            self._told(login, "takes another key already; nodes.yaml names none")
        elif self._options.check:
            missing = "is not authorized there" if key else "does not exist"
            raise FleetctlError(
                f"{name}: {choice.path} {missing}", hint="fleetctl keys puts it there."
            )
        else:
            await self._put(login, await self._key(choice.path))

    async def _put(self, login: Login, key: ClusterKey) -> None:
        """
        :raises FleetctlError: the node does not take the key.
        """
        name = login.node
        if login.state == "refused":
            if not has_terminal():
                raise FleetctlError(
                    f"{name}: its account's password must be typed, and there is no terminal",
                    hint=f"On a terminal: fleetctl keys {name}",
                )
            click.echo(f"{name}: ssh asks for its account's password", err=True)
        put = await self._keys.put(
            login, self._choices[name], key, lambda line: click.echo(f"  {visible(line)}", err=True)
        )
        for what in put.authorized.closed:
            click.echo(f"{name}: others could write {what} there, and cannot any more")
        self._judge(put, key)

    def _judge(self, put: Put, key: ClusterKey) -> None:
        login = put.login
        if login.state not in ("works", "unused"):
            raise login.error if login.state == "error" and login.error else refusal(login, key)
        self._told(login, "takes the key now" if put.authorized.added else "takes the key")

    def _told(self, login: Login, text: str) -> None:
        """A node that is well, unless nothing uses its key."""
        name = login.node
        click.echo(f"{name.ljust(self._width)}  {marked(verdict(True))} {plain(text)}")
        if login.state != "unused":
            self._well.add(name)
            return
        path = self._choices[name].path
        click.echo(
            f"fleetctl: {name}: nothing names {path} for it. Put `identity_file: {path}` below "
            "defaults.ssh in nodes.yaml.",
            err=True,
        )

    def _fail(self, name: str, error: FleetctlError) -> None:
        text = str(error)
        if isinstance(error, HostKeyChanged):  # what is to be done then, trust says
            text = f"{error.reason}. What it can mean: fleetctl trust {name}"
        elif isinstance(error, LinkError):
            text = f"{error.reason}. {error.hint}" if error.hint else error.reason
        text = text.removeprefix(f"{name}: ")
        click.echo(f"{name.ljust(self._width)}  {marked(verdict(False))} {plain(text)}")
