"""Measures one path: echo requests, then iperf3 there, then back."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from datetime import UTC, datetime

from msgspec.structs import replace

from fleetctl.bench.echoes import LONGEST_S, echoes_text, read_echoes
from fleetctl.bench.iperf import parse_iperf
from fleetctl.bench.scripts import START_S, client_text, most_s, server_text
from fleetctl.errors import FleetctlError, LinkError, LinkHung
from fleetctl.link.links import Links
from fleetctl.link.mistakes import of_node
from fleetctl.link.protocol import SHELL_START_S, Link, Stream
from fleetctl.model.bench import BenchPath, Echoes, Flow, Measured
from fleetctl.model.topology import OS, Fleet

PORTS = range(42000, 43000)
"""One of them is taken by chance: a fixed one may be in use."""
ANSWER_BYTES = 512 * 1024
MANY_STREAMS = 4
"""Over Thunderbolt: one stream is bound by one processor core there."""
_ENDED = "the client has terminated"


class Measuring:
    """Measures paths one after the other.

    :param systems: by node, what it runs; None: not known.
    :param without_iperf: nodes that have none, where only echo requests are sent.
    :param seconds: of each transfer.
    """

    def __init__(
        self,
        fleet: Fleet,
        links: Links,
        systems: Mapping[str, OS | None],
        without_iperf: Mapping[str, str],
        seconds: int,
    ) -> None:
        self._fleet = fleet
        self._links = links
        self._systems = systems
        self._without_iperf = without_iperf
        self._seconds = seconds
        self.current: Measured | None = None
        """What is known so far of the path that is being measured."""

    async def measure(self, path: BenchPath) -> Measured:
        """The figures of ``path``; what fails is a reason in them."""
        found = self.current = Measured(path, datetime.now(UTC))
        found = self.current = replace(found, echoes=await self._echoes(path))
        if why := self._no_transfer(found):
            found = replace(found, there=Flow(reason=why), back=Flow(reason=why))
        else:
            found = self.current = replace(found, there=await self._flow(path, back=False))
            found = replace(found, back=await self._flow(path, back=True))
        self.current = None
        return found

    def _no_transfer(self, found: Measured) -> str | None:
        """Why no iperf3 is started."""
        missing = [n for n in (found.path.node, found.path.peer) if n in self._without_iperf]
        if missing:
            return "; ".join(self._without_iperf[node] for node in missing)
        return None

    async def _echoes(self, path: BenchPath) -> Echoes:
        script = echoes_text(path.address, self._systems[path.node])
        try:
            with of_node(path.node):
                link = await self._links.get(path.node)
                async with link.stream(script) as stream:
                    text = await read_all(link, stream, LONGEST_S + START_S)
        except LinkError as error:
            return Echoes(reason=str(error))
        return read_echoes(text)

    async def _flow(self, path: BenchPath, *, back: bool) -> Flow:
        """A transfer; once more on another port if that of the server is in use."""
        flow = Flow()
        for port in random.sample(PORTS, 2):
            try:
                with of_node(path.peer):
                    server = await self._links.get(path.peer)
                with of_node(path.node):
                    client = await self._links.get(path.node)
                    flow, in_use = await self._transfer(path, client, server, port, back=back)
            except FleetctlError as error:
                return Flow(reason=str(error))
            if not in_use:
                break
        return flow

    async def _transfer(
        self, path: BenchPath, client: Link, server: Link, port: int, *, back: bool
    ) -> tuple[Flow, bool]:
        """The transfer, and whether the server's port was in use."""
        script = client_text(
            path.address,
            path.source,
            port,
            self._seconds,
            back=back,
            streams=self._streams(path),
        )
        most = most_s(self._seconds)
        async with (
            server.stream(server_text(path.address, port, self._seconds)) as serving,
            client.stream(script) as asking,
        ):
            served = asyncio.create_task(read_all(server, serving, most + 3 * START_S))
            asked = asyncio.create_task(read_all(client, asking, most + START_S))
            try:
                await asyncio.wait((served, asked), return_when=asyncio.FIRST_COMPLETED)
                said = await served if served.done() else ""
                if "error" in said:  # it cannot serve, so there is nothing to wait for
                    return Flow(reason=f"on {path.peer}: {parse_iperf(said).reason}"), (
                        "in use" in said
                    )
                flow = parse_iperf(await asked)
            finally:
                for task in (served, asked):
                    task.cancel()
                await asyncio.gather(served, asked, return_exceptions=True)
        if flow.reason and _ENDED in flow.reason:
            flow = Flow(reason=f"iperf3 did not end within {most} s")
        return flow, False

    def _streams(self, path: BenchPath) -> int:
        kinds = {self._fleet.networks[hop.network].kind for hop in path.hops}
        return MANY_STREAMS if kinds == {"thunderbolt"} else 1


async def read_all(link: Link, stream: Stream, most_s: float) -> str:
    """All that the script prints, up to a bound.

    :raises LinkHung: it does not end in time, or prints too much.
    """
    found = bytearray()
    try:
        async with asyncio.timeout(most_s + SHELL_START_S):
            await stream.begun()
            while data := await stream.read():
                found += data
                if len(found) > ANSWER_BYTES:
                    raise LinkHung(link.node, "a measurement printed without end")
    except TimeoutError:
        raise LinkHung(link.node, f"a measurement did not end within {most_s:g} s") from None
    return found.decode("utf-8", "replace")
