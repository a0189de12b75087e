"""One script on many nodes at once, with their output as it comes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from typing import Any

from fleetctl.errors import LinkError, LinkHung
from fleetctl.link.links import Links
from fleetctl.link.mistakes import of_node
from fleetctl.link.protocol import Stream
from fleetctl.link.shared_input import STALL_S, Read, SharedInput, Stalled
from fleetctl.model.execution import Broken, Ended, ExecutionEvent, Failure, Said


async def _nothing() -> bytes:
    return b""


async def execute(
    links: Links,
    nodes: Sequence[str],
    script: str,
    timeout_s: float,
    took: Callable[[ExecutionEvent], object],
    read: Read | None,
) -> None:
    """See :meth:`fleetctl.service.FleetService.execute`."""
    async with SharedInput(read or _nothing, nodes) as given:
        one = _One(links, script, timeout_s, took, given)
        running = [asyncio.create_task(one.run(node)) for node in nodes]
        everywhere = asyncio.gather(*running)
        try:
            both: set[asyncio.Future[Any]] = {given.reading, everywhere}
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            if given.reading.done():
                given.reading.result()
            await everywhere
        finally:  # an error of ``took`` or ``read`` ends all
            for task in running:
                task.cancel()
            await asyncio.gather(everywhere, *running, return_exceptions=True)


class _One:
    """The script on one node after the other, or at once."""

    def __init__(
        self,
        links: Links,
        script: str,
        timeout_s: float,
        took: Callable[[ExecutionEvent], object],
        given: SharedInput,
    ) -> None:
        self._links = links
        self._script = script
        self._timeout_s = timeout_s
        self._took = took
        self._given = given

    async def run(self, node: str) -> None:
        """Run it there, and tell how it ended."""
        try:
            async with aclosing(self._events(node)) as events:
                async for event in events:
                    self._took(event)
        finally:
            self._given.leave(node)

    async def _events(self, node: str) -> AsyncGenerator[ExecutionEvent, None]:
        how: Failure = "not reached"
        why = [f"a command did not end within {self._timeout_s:g} s"]
        try:
            with of_node(node):
                link = await self._links.get(node)
                try:
                    async with (
                        asyncio.timeout(self._timeout_s) as limit,
                        link.stream(self._script, both=True) as stream,
                    ):
                        how = "cut off"
                        feeding = asyncio.create_task(self._feed(node, stream, limit, why))
                        try:
                            while any(said := await stream.read_both()):
                                for data, error in zip(said, (False, True), strict=True):
                                    if data:
                                        yield Said(node, data, error)
                        finally:
                            feeding.cancel()
                            await asyncio.gather(feeding, return_exceptions=True)
                except TimeoutError:
                    how = "timed out"
                    raise LinkHung(node, why[-1]) from None
        except LinkError as error:
            yield Broken(node, how, error)
        else:
            yield Ended(node, stream.exit_status or 0)

    async def _feed(
        self, node: str, stream: Stream, limit: asyncio.Timeout, why: list[str]
    ) -> None:
        """Give the script what it reads; ends ``limit`` if others wait for it too long."""
        try:
            async with aclosing(self._given.pieces(node)) as pieces:
                async for data in pieces:
                    stream.write(data)
                    await stream.drain(self._timeout_s)
        except LinkHung:  # ``limit`` is over, too
            return
        except Stalled:
            why.append(f"it took nothing of its input for {STALL_S:g} s while other nodes waited")
            limit.reschedule(asyncio.get_running_loop().time())
        else:
            stream.write_eof()
