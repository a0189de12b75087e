"""Fake links without processes or sockets: the test answers the scripts that are run.

A :class:`ScriptedNode` recognises each script's :data:`Kind`, and answers with what ``answers`` has
for it: at once or late, when the test allows it, or not at all, because the connection breaks.
``scripts`` keeps all that was run, with its stdin. ``tests/simulated.py`` has a node that answers
as a real one with instances does.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Literal

from fleetctl.errors import LinkError, LinkHung, LinkLost
from fleetctl.link.links import Links
from fleetctl.link.protocol import ANSWER_BYTES, Completed, Link
from fleetctl.model.topology import Fleet, Node

Kind = Literal[
    "prepare",  # start of an instance
    "unlock",
    "stop",
    "forget",  # how an instance ended
    "log",  # a piece of a log, or a followed log
    "note",  # a controller's note on an attempt
    "conversation",
    "look",  # any number of probes
    "tmux",
    "path",
    "port user",
    "command",  # of a ready condition
    "other",
]
_SIGNS: Mapping[Kind, str] = {
    "prepare": r"^put supervisor <<",
    "stop": r"^# Ends one instance",
    "forget": r"^# Takes the instance whose folder",
    "log": r"^# Reads an instance's log",
    "note": r">(ready|searched)\.new && mv",
    "conversation": r"^changes\(\) \{$",
    "look": r"\ALC_ALL=C; export LC_ALL; os=\$\(uname",
    "unlock": r"^rmdir lock 2>/dev/null$",
    "tmux": r"\Aexec tmux ",
    "port user": r"\A# Whose process has a port$",
    "path": r"\Acommand -v ping ",
    "command": r"^become .*</dev/null\Z",
}


def kind_of(text: str) -> Kind:
    """The kind of a script, by a text that no other kind contains."""
    return next((k for k, sign in _SIGNS.items() if re.search(sign, text, re.M | re.S)), "other")


class Script:
    """A script on its node. The code that runs it sees a ``Stream`` or a ``Terminal``; an answer
    reads its stdin and prints."""

    def __init__(self, node: str, text: str) -> None:
        self.node = node
        self.text = text
        self.kind = kind_of(text)
        self.stdin = b""
        """All of its stdin."""
        self.stdout = b""
        """All of its stdout."""
        self.stderr = b""
        self.exit_status: int | None = None
        self.size: tuple[int, int] | None = None
        """Of its terminal: columns and rows."""
        self._read_errors = 0
        self._given = asyncio.StreamReader()
        self._printed = asyncio.StreamReader()

    # for the answer

    async def line(self) -> str | None:
        """The next line of its stdin; None at the end."""
        line = await self._given.readline()
        return line.decode().removesuffix("\n") if line else None

    def prints(self, data: bytes | str) -> None:
        data = data.encode() if isinstance(data, str) else data
        self.stdout += data
        self._printed.feed_data(data)

    def complains(self, text: str) -> None:
        """Print on stderr."""
        self.stderr += text.encode()

    def end(self, exit_status: int) -> None:
        self.exit_status = exit_status
        self._printed.feed_eof()

    def break_off(self, error: Exception) -> None:
        """Let reading raise ``error``."""
        self._printed.set_exception(error)

    # for the code that runs it

    async def whole(self) -> bytes:
        """All of its stdout, once it has ended."""
        return await self._printed.read()

    async def begun(self) -> None:
        pass

    async def read(self, timeout_s: float | None = None) -> bytes:
        try:
            async with asyncio.timeout(timeout_s):
                return await self._printed.read(1 << 16)
        except TimeoutError:
            raise LinkHung(self.node, f"nothing came within {timeout_s:g} s") from None

    async def read_both(self) -> tuple[bytes, bytes]:
        """Stderr comes together with what is printed after it, or at the end."""
        data = await self.read()
        errors, self._read_errors = self.stderr[self._read_errors :], len(self.stderr)
        return data, errors

    def write(self, data: bytes) -> None:
        self.stdin += data
        self._given.feed_data(data)

    async def drain(self, timeout_s: float) -> None:
        """All is taken at once."""

    def write_eof(self) -> None:
        self._given.feed_eof()

    def resize(self, columns: int, rows: int) -> None:
        self.size = (columns, rows)


Answer = Callable[[Script], Awaitable[int]]
"""Answers a script; what it returns is the exit status."""
Server = Callable[[bytes], bytes | None]
"""The answer of a port to what was sent, before the connection ends; None: nothing yet."""


def says(*parts: str | float, status: int = 0) -> Answer:
    """An answer that prints texts, with numbers of seconds to wait between them."""

    async def answer(script: Script) -> int:
        for part in parts:
            if isinstance(part, str):
                script.prints(part)
            else:
                await asyncio.sleep(part)
        return status

    return answer


class ScriptedNode:
    """A node, the far end of its links."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.answers: dict[Kind, Answer] = {}
        self.servers: dict[tuple[str, int], Server] = {}
        """By the address and port to which the node connects."""
        self.scripts: list[Script] = []
        """All scripts that were run, in order."""
        self.late_s: dict[Kind, float] = {}
        """Delay before scripts of a kind are answered."""
        self.unreachable: LinkError | None = None
        """Why no new link can be opened; open ones stay."""
        self._links: set[ScriptedLink] = set()
        self._holds: dict[Kind, asyncio.Event] = {}
        self._breaks: dict[Kind, int] = {}
        self._came = asyncio.Event()

    # what the test does

    def of(self, kind: Kind) -> list[Script]:
        """The scripts of a kind that were run."""
        return [script for script in self.scripts if script.kind == kind]

    async def asked(self, kind: Kind, times: int = 1) -> Script:
        """Wait for this many scripts of a kind; returns the last of them."""
        while len(self.of(kind)) < times:
            self._came.clear()
            await self._came.wait()
        return self.of(kind)[times - 1]

    def hold(self, kind: Kind) -> asyncio.Event:
        """Scripts of a kind hang until the event is set."""
        event = self._holds[kind] = asyncio.Event()
        return event

    def cut(self) -> None:
        """Break all open links."""
        for link in tuple(self._links):
            link.break_off(LinkLost(self.name, "the connection broke"))

    def cut_at(self, kind: Kind, after: int = 0) -> None:
        """Break all links at the next script of a kind, or after ``after`` more."""
        self._breaks[kind] = after

    # what the links do

    def link(self) -> ScriptedLink:
        """A new link.

        :raises LinkError: it is not reachable.
        """
        if self.unreachable:
            raise self.unreachable
        link = ScriptedLink(self)
        self._links.add(link)
        return link

    def forget(self, link: ScriptedLink) -> None:
        self._links.discard(link)

    async def turn(self, kind: Kind) -> None:
        """Return when a script of a kind may be answered."""
        await asyncio.sleep(self.late_s.get(kind, 0))
        if hold := self._holds.get(kind):
            await hold.wait()

    async def answer(self, script: Script) -> None:
        """Answer a script that came over a link."""
        self.scripts.append(script)
        self._came.set()
        if script.kind in self._breaks:
            self._breaks[script.kind] -= 1
            if self._breaks[script.kind] < 0:
                del self._breaks[script.kind]
                self.cut()
                return
        await self.turn(script.kind)
        assert script.kind in self.answers, f"{self.name} has no answer to {script.text[:500]!r}"
        script.end(await self.answers[script.kind](script))


class ScriptedLink:
    """Implements :class:`fleetctl.link.protocol.Link`."""

    address: str | None = None
    connect_ms: float | None = None
    shell_s: float | None = None
    ignored: tuple[str, ...] = ()
    via = bypassed = ""
    outdated = False

    def __init__(self, far: ScriptedNode) -> None:
        self.node = far.name
        self._far = far
        self._open: set[Script] = set()
        self._error: LinkError | None = None

    @property
    def closed(self) -> bool:
        return self._error is not None

    def break_off(self, error: LinkError) -> None:
        """Break the link; scripts on the node run on."""
        self._error = self._error or error
        self._far.forget(self)
        for script in self._open:
            script.break_off(error)

    @asynccontextmanager
    async def stream(
        self, script: str, *, both: bool = False, unmarked: bool = False
    ) -> AsyncIterator[Script]:
        if self._error:
            raise self._error
        running = Script(self.node, script)
        self._open.add(running)
        task = asyncio.create_task(self._far.answer(running))
        task.add_done_callback(lambda done: _pass_on(done, running))
        try:
            yield running
        finally:
            self._open.discard(running)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def run(
        self, script: str, *, stdin: bytes = b"", timeout_s: float, most_bytes: int = ANSWER_BYTES
    ) -> Completed:
        async with self.stream(script) as running:
            running.write(stdin)
            running.write_eof()
            try:
                async with asyncio.timeout(timeout_s):
                    stdout = await running.whole()
            except TimeoutError:
                raise LinkHung(
                    self.node,
                    f"a command did not end within {timeout_s:g} s",
                    output=running.stdout,
                    errors=running.stderr,
                ) from None
            assert running.exit_status is not None
            return Completed(stdout, running.stderr, running.exit_status)

    @asynccontextmanager
    async def terminal(
        self, script: str, *, term: str, columns: int, rows: int
    ) -> AsyncIterator[Script]:
        async with self.stream(script) as running:
            running.resize(columns, rows)
            yield running

    async def open_connection(
        self, host: str, port: int, *, timeout_s: float
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        await asyncio.sleep(0)
        if self._error:
            raise self._error
        server = self._far.servers.get((host, port))
        if server is None:
            raise ConnectionRefusedError(f"{host}:{port} refused")
        reader = asyncio.StreamReader()
        protocol = asyncio.StreamReaderProtocol(reader)
        wire = _Wire(reader, server)
        return reader, asyncio.StreamWriter(wire, protocol, reader, asyncio.get_running_loop())

    async def close(self) -> None:
        self.break_off(LinkLost(self.node, "the connection was closed"))


def _pass_on(done: asyncio.Task[None], script: Script) -> None:
    """Pass on an exception of an answer, a mistake in the test, to the code that waits for it."""
    if not done.cancelled() and isinstance(error := done.exception(), Exception):
        script.break_off(error)


class _Wire(asyncio.Transport):
    """A connection to a :data:`Server`."""

    def __init__(self, reader: asyncio.StreamReader, server: Server) -> None:
        super().__init__()
        self._reader = reader
        self._server = server
        self._closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if (answer := self._server(bytes(data))) is not None:
            self._reader.feed_data(answer)
            self._reader.feed_eof()

    def close(self) -> None:
        self._closed = True

    def is_closing(self) -> bool:
        return self._closed


class ScriptedLinks(Links):
    """The links to scripted nodes: opened, shared and opened again like real ones.

    :param nodes: every node of the fleet.
    """

    def __init__(self, fleet: Fleet, nodes: Mapping[str, ScriptedNode]) -> None:
        super().__init__(fleet)
        self.here = ScriptedNode("controller")
        """The controller's machine."""
        self._nodes = nodes

    async def _open(self, node: Node, lane: int = 0) -> Link:
        await asyncio.sleep(0)
        return self._nodes[node.name].link()

    def controller(self) -> Link:
        return self.here.link()
