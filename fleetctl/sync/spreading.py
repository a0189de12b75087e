"""Sends files to the first node of a tree, and has each node pass them on to the next."""

from __future__ import annotations

import asyncio
import hashlib
import json
import secrets
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from msgspec import Struct

from fleetctl.errors import FleetctlError, LinkError, LinkHung
from fleetctl.escaping import visible
from fleetctl.link.mistakes import of_node
from fleetctl.link.protocol import SHELL_START_S, Link, Stream
from fleetctl.model.syncing import Entry, SyncError
from fleetctl.probes.parsers import json_text
from fleetctl.probes.python3 import one_program
from fleetctl.sync.node_files import NO_STAGE, STALLED_S, Place, no_stage
from fleetctl.sync.share_links import JOIN_S
from fleetctl.sync.share_stream import Seals, header, trailer
from fleetctl.sync.spread import Edge, Spread
from fleetctl.sync.tarball import content
from fleetctl.sync.tree import Tree

PROGRAM = ("sync/share_stream.py", "sync/share_links.py", "sync/share_program.py")
"""What runs on each node, of these files."""
_SILENT_S = STALLED_S + JOIN_S
_MOST_LINE = 64 * 1024

Kind = Literal["done", "failed", "edge", "behind"]


class Outcome(Struct, frozen=True):
    """What became of a node's part."""

    kind: Kind
    """``failed``: for a reason of its own; ``edge``: it could not take part, or not talk with its
    source; ``behind``: another one's part ended early."""
    reason: str = ""
    seconds: float | None = None
    error: FleetctlError | None = None
    """Of one that failed."""


class Receiver(Struct, frozen=True):
    """A node that takes part."""

    link: Link
    place: Place
    needs: Sequence[str]
    """Paths of the files that it writes."""


class Spreading:
    """One transfer of files of ``tree`` along ``way``."""

    def __init__(self, way: Spread, receivers: Mapping[str, Receiver], tree: Tree) -> None:
        self._way = way
        self._receivers = receivers
        self._tree = tree
        self._key = secrets.token_hex(32)
        self._ports: dict[str, asyncio.Future[list[int] | None]] = {}
        self._unreadable: SyncError | None = None
        """Why the files could not be read here."""

    async def run(self) -> dict[str, Outcome]:
        """What became of each node."""
        loop = asyncio.get_running_loop()
        self._ports = {node: loop.create_future() for node in self._way.nodes}
        async with asyncio.TaskGroup() as group:
            parts = {node: group.create_task(self._part(node)) for node in self._way.nodes}
        return {node: part.result() for node, part in parts.items()}

    async def _part(self, node: str) -> Outcome:
        receiver = self._receivers[node]
        try:
            with of_node(node):
                script = receiver.place.program(one_program(PROGRAM))
                async with receiver.link.stream(script) as stream:
                    return await self._talk(node, stream)
        except FleetctlError as error:
            return Outcome("failed", error=error)
        finally:
            if not self._ports[node].done():
                self._ports[node].set_result(None)

    async def _talk(self, node: str, stream: Stream) -> Outcome:
        receiver = self._receivers[node]
        said = _Said(receiver.link, stream)
        listens = [edge for edge in self._way.edges if edge.listener == node]
        addresses = [edge.address for edge in listens]
        part = {"key": self._key, "listens": addresses, "needs": list(receiver.needs)}
        stream.write(_line(part))
        await stream.drain(STALLED_S)
        told = await said.next()
        listening = told.get("ports")
        if not isinstance(listening, list) or len(listening) != len(listens):
            return self._ended(node, stream, told)
        self._ports[node].set_result(listening)
        ports = {name: await port for name, port in self._ports.items()}
        if None in ports.values():
            return Outcome("behind")
        stream.write(_line(self._wiring(node, ports)))
        feeding = asyncio.create_task(self._feed(node, stream)) if node == self._way.head else None
        try:
            while not told.keys() & {"done", "error"}:
                told = await said.next()
        finally:
            if feeding:
                feeding.cancel()
                await asyncio.wait([feeding])
        return self._ended(node, stream, told)

    def _wiring(self, node: str, ports: Mapping[str, list[int] | None]) -> dict[str, Any]:
        def end(edge: Edge) -> dict[str, Any]:
            of_listener = [one for one in self._way.edges if one.listener == edge.listener]
            number = of_listener.index(edge)
            other = edge.source if node == edge.node else edge.node
            known = {"edge": edge.node, "name": other, "to_child": node == edge.source}
            if edge.listener == node:
                return {**known, "listens": number}
            found = ports[edge.listener]
            assert found
            return {**known, "address": edge.address, "port": found[number]}

        sources = [end(edge) for edge in self._way.edges if edge.node == node]
        children = [end(edge) for edge in self._way.edges if edge.source == node]
        return {"source": sources[0] if sources else None, "children": children}

    async def _feed(self, node: str, stream: Stream) -> None:
        wanted = {path for receiver in self._receivers.values() for path in receiver.needs}
        ordered = [path for path in self._tree.files if path in wanted]
        needs = set(self._receivers[node].needs)
        pieces = stream_to_head(bytes.fromhex(self._key), self._tree, ordered, needs)
        try:
            while piece := await asyncio.to_thread(next, pieces, b""):
                stream.write(piece)
                await stream.drain(STALLED_S)
        except SyncError as error:
            self._unreadable = error
            stream.write_eof()
        except LinkError:
            pass  # the part's own stream says it, too

    def _ended(self, node: str, stream: Stream, told: Mapping[str, Any]) -> Outcome:
        if "done" in told:
            return Outcome("done", seconds=json_text.decimal(told.get("seconds")))
        if self._unreadable:
            return Outcome("failed", error=self._unreadable)
        if stream.exit_status == NO_STAGE:
            return Outcome("failed", error=no_stage(node, stream.stderr))
        reason = visible(str(told.get("error", "it printed no result"))[:300])
        if told.get("kind") == "own":
            return Outcome("failed", error=SyncError(node, reason))
        return Outcome("behind" if told.get("kind") == "behind" else "edge", reason)


class _Said:
    """What a part prints, line by line."""

    def __init__(self, link: Link, stream: Stream) -> None:
        self._link = link
        self._stream = stream
        self._held = b""
        self._begun = False

    async def next(self) -> dict[str, Any]:
        """The next line; at the end an error.

        :raises LinkError: nothing comes, or too much.
        """
        while b"\n" not in self._held:
            longest_s = _SILENT_S + (0 if self._begun else SHELL_START_S)
            data = await self._stream.read(longest_s)
            self._begun = True
            self._held += data
            if len(self._held) > _MOST_LINE:
                raise LinkHung(self._link.node, "what it printed was not understood")
            if not data:
                return {"error": "it ended without a word"}
        line, _, self._held = self._held.partition(b"\n")
        found = next(iter(json_text.json_values(line.decode("utf-8", "replace"))), None)
        return found if isinstance(found, dict) else {}


def _line(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value).encode() + b"\n"


def stream_to_head(
    key: bytes, tree: Tree, paths: Sequence[str], needs: set[str]
) -> Iterator[bytes]:
    """The stream to the head, which ``needs`` some of ``paths`` and has the others itself.

    :raises SyncError: a file is no longer what it was when it was looked at.
    """
    seals = Seals(key)
    for path in paths:
        entry = tree.files[path]
        own = path not in needs
        yield header(seals, {**_item(path, entry), **({"own": True} if own else {})})
        if entry.kind == "link" or own:
            continue
        digest = hashlib.sha256()
        for piece in content("this machine", str(Path(tree.folder, path)), entry.size):
            digest.update(piece)
            yield piece
        yield trailer(seals, digest.digest())
    yield header(seals, {"end": True})


def _item(path: str, entry: Entry) -> dict[str, Any]:
    if entry.kind == "link":
        return {"path": path, "link": entry.target}
    mtime_ns = entry.mtime * 10**9 + entry.fraction_ns
    return {"path": path, "size": entry.size, "mode": entry.mode, "mtime_ns": mtime_ns}
