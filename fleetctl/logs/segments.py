"""Reading an instance's log on its node, by the offset of its bytes.

The log is a folder of segments named by the offset of their first byte (launch/logger.sh writes
them), so an offset always means the same byte, also after rotation.
"""

from __future__ import annotations

from msgspec import Struct

from fleetctl.errors import LinkError
from fleetctl.link.protocol import Link
from fleetctl.model.jobs import LogSource, PrepareLog
from fleetctl.model.layout import instance_dir, prepare_dir
from fleetctl.package_files import package_text
from fleetctl.quoting import quote_path

READ_TIMEOUT_S = 30.0
PIECE_BYTES = 4 * 1024 * 1024
_MOST_BYTES = 160 * 1024 * 1024
"""More than a whole log on its node (launch/node_files.py)."""


class LogLocation(Struct, frozen=True):
    """The instance that a log belongs to."""

    fleet: str
    job: str
    instance: str
    prepared: str | None = None
    """It is the log of what prepares this node."""

    @classmethod
    def of(cls, fleet: str, source: LogSource) -> LogLocation:
        prepared = source.node if isinstance(source, PrepareLog) else None
        return cls(fleet, source.job, source.name, prepared)

    @property
    def folder(self) -> str:
        """The folder of the segments, may begin with ``~/``."""
        if self.prepared is not None:
            return prepare_dir(self.fleet, self.job, self.prepared) + "/output"
        return instance_dir(self.fleet, self.job, self.instance) + "/log"

    def script(self, mode: str, **settings: int) -> str:
        """segments.sh with its settings, in one of its modes."""
        folder = quote_path(self.folder)
        given = " ".join(f"{key}={value}" for key, value in settings.items())
        return f"dir={folder} mode={mode} {given}\n{package_text('logs/segments.sh')}"


class Span(Struct, frozen=True):
    """A piece of a log."""

    start: int
    """Offset of its first byte; greater than asked for if bytes were rotated away."""
    data: bytes


async def read_span(link: Link, script: str) -> Span:
    """Run :meth:`LogLocation.script` in any mode but ``follow``.

    :raises LinkError: the node is lost, or its output is not that of segments.sh.
    """
    done = await link.run(script, timeout_s=READ_TIMEOUT_S, most_bytes=_MOST_BYTES)
    head, _, data = done.stdout.partition(b"\n")
    try:
        start, _end = (int(word) for word in head.split())
    except ValueError:
        said = done.error_text or done.text[:200] or f"exit status {done.exit_status}"
        raise LinkError(link.node, f"its log cannot be read: {said}") from None
    return Span(start, data)


async def read_index(link: Link, place: LogLocation, offset: int) -> str:
    """Lines "SECOND OFFSET" from ``offset`` on, for :class:`fleetctl.logs.lines.TimeIndex`."""
    span = await read_span(link, place.script("index", offset=offset))
    return span.data.decode("ascii", "replace")


class LogReader:
    """Reads a log piece by piece from an offset on."""

    def __init__(self, place: LogLocation, offset: int) -> None:
        self._place = place
        self.offset = offset

    async def more(self, link: Link) -> bytes:
        """What was written since the last call, at most :data:`PIECE_BYTES`."""
        script = self._place.script("from", offset=self.offset, limit=PIECE_BYTES)
        span = await read_span(link, script)
        self.offset = span.start + len(span.data)
        return span.data
