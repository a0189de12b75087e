"""Finding out nodes' host keys, and what speaks for them, so that a user can decide."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from msgspec import Struct
from msgspec.structs import replace

from fleetctl.access.known_hosts_file import append, lines
from fleetctl.access.mix_ups import Keys, mix_ups
from fleetctl.access.witnesses import Seen, Witness, ask, unexpected, witnesses
from fleetctl.errors import FleetctlError, LinkError
from fleetctl.link.mistakes import of_node
from fleetctl.link.ssh.connect import Connector
from fleetctl.link.ssh.shown_keys import ShownKeys
from fleetctl.model.topology import Fleet


class Finding(Struct, frozen=True):
    """One node's host keys."""

    node: str
    shown: ShownKeys | None = None
    """None: it could not be asked."""
    error: LinkError | None = None
    """Why it could not, or why its key must not be recorded."""
    mix_up: str = ""
    """What its key has to do with another node."""
    seen: tuple[Seen, ...] = ()
    """What nodes that are trusted already see of it."""

    @property
    def trusted(self) -> bool:
        return self.shown is not None and self.shown.judged.trusted

    @property
    def new(self) -> bool:
        """It can be recorded, if the user says so."""
        return self.shown is not None and self.error is None and not self.trusted

    @property
    def doubted(self) -> bool:
        """What else is known of its key speaks against it."""
        return bool(self.mix_up) or any(not seen.agrees for seen in self.seen)


class Trust:
    """Looks at the host keys of a fleet's nodes, and records them.

    :param connector: by which nodes are reached.
    """

    def __init__(self, fleet: Fleet, connector: Connector) -> None:
        self._fleet = fleet
        self._connector = connector

    async def look(
        self, names: Sequence[str], answered: Callable[[str], object]
    ) -> dict[str, Finding]:
        """Ask all of ``names`` at the same time, which is data of each.

        :param answered: is called with the name of each that was asked.
        """

        async def one(name: str) -> Finding:
            found = await self._ask(name)
            answered(name)
            return found

        asked = await asyncio.gather(*map(one, names))
        found = {finding.node: finding for finding in asked}
        wrong = [n for n, finding in found.items() if finding.shown and not finding.trusted]
        if wrong:
            recorded = await self._recorded()
            keys = {name: _keys(found.get(name), of) for name, of in recorded.items()}
            for name, why in mix_ups(keys, wrong).items():
                found[name] = replace(found[name], mix_up=why)
        return await self._seen(found)

    async def _ask(self, name: str) -> Finding:
        node = self._fleet.nodes[name]
        try:
            with of_node(name):
                node = replace(node, ssh=await self._connector.answering(node))
                shown = await self._connector.host_keys(node)
        except LinkError as error:
            return Finding(name, error=error)
        if shown.judged.verdict in ("ok", "unknown"):
            return Finding(name, shown)
        try:
            with of_node(name):
                await (await self._connector.connect(node)).close()
        except LinkError as error:  # it says which keys, and how the old one is forgotten
            return Finding(name, shown, error)
        return await self._ask(name)  # it was corrected in this moment

    async def _recorded(self) -> dict[str, frozenset[bytes]]:
        """By node: the host keys that are recorded for it."""
        found: dict[str, frozenset[bytes]] = {}
        for node in self._fleet.nodes.values():
            if node.connection == "ssh":
                with suppress(LinkError), of_node(node.name):
                    found[node.name] = await self._connector.recorded_keys(node)
        return found

    async def _seen(self, found: Mapping[str, Finding]) -> dict[str, Finding]:
        """``found`` with what trusted nodes see of those that are new."""
        trusted = [name for name in self._fleet.nodes if name not in found or found[name].trusted]
        about: dict[str, list[tuple[Witness, Finding]]] = {}
        for finding in found.values():
            if finding.new:
                for witness in witnesses(self._fleet, finding.node, trusted):
                    about.setdefault(witness.node, []).append((witness, finding))
        seen: dict[str, list[Seen]] = {}

        async def one(name: str) -> None:
            asked = [(w, f.shown.port) for w, f in about[name] if f.shown]
            scanned = await ask(self._connector, self._fleet, name, asked)
            for (witness, finding), keys in zip(about[name], scanned, strict=True):
                if keys and finding.shown:
                    other = unexpected(keys, finding.shown.keys)
                    seen.setdefault(finding.node, []).append(Seen(witness, other))

        await asyncio.gather(*map(one, about))
        return {n: replace(f, seen=tuple(seen.get(n, ()))) for n, f in found.items()}

    def record(self, finding: Finding) -> str:
        """Record the keys of a node that is new; the file's name.

        :raises FleetctlError: they cannot be recorded.
        """
        shown, node = finding.shown, finding.node
        assert shown
        assert finding.new
        if shown.file is None:
            raise FleetctlError(
                f"{node}: the SSH configuration keeps no host keys for it (UserKnownHostsFile)",
                hint="Set ssh.known_hosts for it in nodes.yaml: ~/.ssh/known_hosts is usual.",
            )
        try:
            append(shown.file, lines(shown.recorded_as, shown.keys, hashed=shown.hashed))
        except OSError as error:
            raise FleetctlError(
                f"{node}: its host key cannot be recorded in {shown.file}: {error.strerror}",
                hint="Nothing was changed there.",
            ) from None
        return shown.file


def _keys(finding: Finding | None, recorded: frozenset[bytes]) -> Keys:
    shown = finding.shown.keys if finding and finding.shown else ()
    return Keys(frozenset(key.data for key in shown), recorded)
