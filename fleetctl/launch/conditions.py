"""Ready conditions that have to be asked for: a log line, a URL, a port, a command."""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress
from urllib.parse import urlsplit

from fleetctl.errors import LinkError
from fleetctl.launch.node_files import environment_of, mark_ready_script
from fleetctl.link.protocol import Link
from fleetctl.logs.segments import LogPlace, LogReader
from fleetctl.model.facts import Record
from fleetctl.model.jobs import Instance
from fleetctl.quoting import quote, quote_path

ASK_TIMEOUT_S = 5.0


async def answers_http(link: Link, url: str, timeout_s: float = ASK_TIMEOUT_S) -> bool:
    """Whether a GET of ``url``, made from the node, is answered with 2xx."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or 80
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    request = f"GET {path} HTTP/1.0\r\nHost: {parts.netloc}\r\nConnection: close\r\n\r\n"
    with suppress(OSError, TimeoutError, UnicodeError):
        async with asyncio.timeout(timeout_s):
            reader, writer = await link.open_connection(host, port, timeout_s=timeout_s)
            try:
                writer.write(request.encode("ascii"))
                status = await reader.readline()
            finally:
                writer.close()
        return re.match(rb"HTTP/\d\.\d 2\d\d\b", status) is not None
    return False


async def accepts_connection(link: Link, target: str, timeout_s: float = ASK_TIMEOUT_S) -> bool:
    """Whether ``host:port`` accepts a TCP connection made from the node."""
    host, _, port = target.rpartition(":")
    with suppress(OSError, TimeoutError):
        _, writer = await link.open_connection(host.strip("[]"), int(port), timeout_s=timeout_s)
        writer.close()
        return True
    return False


async def command_succeeds(fleet: str, instance: Instance, link: Link) -> bool:
    """Whether the ready command exits with 0, in the instance's folder and environment.

    The secrets of its ``env_file`` are not passed: the command is asked again and again.
    """
    exports = "".join(
        f"export {key}={quote(value)}\n"
        for key, value in environment_of(fleet, instance, {}).items()
    )
    script = (
        f"cd {quote_path(instance.workdir or '~')} || exit 1\n{exports}"
        f"exec sh -c {quote(instance.ready.value)} </dev/null"
    )
    with suppress(LinkError):
        done = await link.run(script, timeout_s=ASK_TIMEOUT_S)
        return done.exit_status == 0
    return False


class Condition:
    """An instance's ready condition, asked again and again."""

    def __init__(self, fleet: str, instance: Instance) -> None:
        self._fleet = fleet
        self._instance = instance
        self._attempt: tuple[str, int] | None = None
        self._log: _LogSearch | None = None

    async def holds(self, link: Link, record: Record) -> bool:
        """Whether it is met now, by the attempt that ``record`` tells of.

        False for the kinds that the node's facts answer by themselves.
        """
        kind, value = self._instance.ready.kind, self._instance.ready.value
        if kind == "http":
            return await answers_http(link, value)
        if kind == "connect":
            return await accepts_connection(link, value)
        if kind == "command":
            return await command_succeeds(self._fleet, self._instance, link)
        if kind == "log":
            return await self._log_of(record).found(link)
        return False

    async def mark(self, link: Link, record: Record) -> None:
        """Note on the node that it was met: nobody else can tell that from the facts."""
        script = mark_ready_script(self._fleet, self._instance, record.run, record.restarts)
        await link.run(script, timeout_s=ASK_TIMEOUT_S)

    def _log_of(self, record: Record) -> _LogSearch:
        attempt = (record.run, record.restarts)
        if self._log is None or self._attempt != attempt:
            place = LogPlace(self._fleet, record.job, record.instance)
            reader = LogReader(place, record.log_start or 0)
            self._attempt = attempt
            self._log = _LogSearch(reader, self._instance.ready.value)
        return self._log


class _LogSearch:
    """Looks for a line that matches a regular expression, from an offset on."""

    def __init__(self, reader: LogReader, pattern: str) -> None:
        self._reader = reader
        self._pattern = re.compile(pattern)
        self._torn = b""

    async def found(self, link: Link) -> bool:
        data = self._torn + await self._reader.more(link)
        *lines, self._torn = data.split(b"\n")
        return any(
            self._pattern.search(line.decode("utf-8", "replace").rstrip("\r"))
            for line in (*lines, self._torn)
        )
