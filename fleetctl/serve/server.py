"""What connections of clients ask for, done by the fleet that is served at the moment."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import msgspec

from fleetctl.errors import UsageError
from fleetctl.fleet import LiveFleet
from fleetctl.link.warm import frames
from fleetctl.link.warm.messages import Request, nodes_digest
from fleetctl.serve.lanes import Lanes
from fleetctl.serve.newest import Newest, Question, UnknownJob
from fleetctl.serve.quick import asked_of
from fleetctl.serve.relay import MOST_REQUEST, Relay

_FIRST_S = 5.0
"""How long a client may take to say what it wants."""


class Served:
    """A fleet as it stands in a nodes.yaml.

    :param path: the file's, without symbolic links.
    :param content: what was read from it.
    :param before: what was served over the same connections, if anything was.
    """

    def __init__(
        self,
        service: LiveFleet,
        newest: Newest,
        path: str,
        content: bytes,
        before: Served | None = None,
    ) -> None:
        self.path = path
        self.content = content
        self.newest = newest
        self.digest = nodes_digest(service.fleet)
        self.lanes: Lanes = before.lanes if before else Lanes(service.links)
        nodes = frozenset(service.fleet.nodes)
        self.relay = Relay(service.links, nodes, self.lanes, newest.touched)
        self._service = service

    def is_about(self, path: str, content: bytes) -> str:
        """Why it is not about this file; empty: it is."""
        if path != self.path or content != self.content:
            return "another file is served, or another version of it"
        if self._service.has_former_nodes():
            return "nodes that are no longer in the file have to be asked"
        return ""


class Server:
    """Serves the connections of clients."""

    def __init__(self) -> None:
        self._served: Served | None = None
        self._changed = asyncio.Event()
        """Set, and replaced, when clients of what is served have to look again."""

    def serve(self, served: Served | None) -> None:
        """Serve this from now on; what was begun goes on, or ends with its connections."""
        before, self._served = self._served, served
        if before and (served is None or served.digest != before.digest):
            self._changed.set()
            self._changed = asyncio.Event()

    def newest(self) -> Newest | None:
        """The newest status of what is served; None: nothing is at the moment."""
        return self._served.newest if self._served else None

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Do what one connection asks for; never raises but when cancelled."""
        with suppress(frames.Broken):
            try:
                async with asyncio.timeout(_FIRST_S):
                    kind, said = await frames.read(reader, MOST_REQUEST)
            except TimeoutError:
                return
            if kind == frames.STATUS:
                answer = await self._status(said)
            elif kind == frames.REQUEST:
                answer = await self._request(said, (reader, writer))
            else:
                answer = frames.framed(frames.REFUSED, b"it is not understood")
            await frames.send(writer, answer)

    async def _status(self, said: bytes) -> bytes:
        try:
            version, path, job, targets, content = asked_of(said)
        except ValueError:
            return _refused("it is not understood")
        served = self._served
        if version != frames.VERSION:
            return _refused(f"this is version {frames.VERSION}")
        if served is None:
            return _refused("nothing is served yet")
        if why := served.is_about(path, content):
            return _refused(why)
        try:
            found = await served.newest.json(Question(job, targets))
        except UnknownJob:
            return _refused("that job is not watched")
        except UsageError as error:
            return _refused(str(error))
        if found is None:
            return _refused("not every node was asked newly enough")
        healthy, text = found
        return frames.framed(frames.GRANTED, (b"1" if healthy else b"0") + text)

    async def _request(
        self, said: bytes, ends: tuple[asyncio.StreamReader, asyncio.StreamWriter]
    ) -> bytes:
        """Does it; what is returned remains to be sent."""
        try:
            asked = msgspec.msgpack.decode(said, type=Request)
        except msgspec.MsgspecError:  # of another version, as a rule
            return _refused(f"this is version {frames.VERSION}")
        served = self._served
        if asked.version != frames.VERSION:
            return _refused(f"this is version {frames.VERSION}")
        if served is None or asked.nodes != served.digest:
            return _refused("other nodes are served")
        work = asyncio.create_task(served.relay.do(asked.operation, ends))
        changed = asyncio.create_task(self._changed.wait())
        try:
            await asyncio.wait((work, changed), return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                work.result()
        finally:
            work.cancel()
            changed.cancel()
            await asyncio.gather(work, changed, return_exceptions=True)
        return b""


def _refused(why: str) -> bytes:
    return frames.framed(frames.REFUSED, why.encode())
