"""``fleetctl logs``: the lines of one or several instances, past and to come."""

from __future__ import annotations

import asyncio
import math
import re
import sys
import time
from collections.abc import Iterable, Sequence

import click
import msgspec

from fleetctl.cli.context import Context, instances
from fleetctl.cli.render import moment, prefixes
from fleetctl.errors import LinkError, UsageError
from fleetctl.fleet import FleetService
from fleetctl.logs.follow import LOGS_PER_LANE, Cut, Gap, Lines, Resumed, follow
from fleetctl.logs.lines import LogLine, TimeIndex, log_lines, tidy_lines
from fleetctl.logs.segments import LogPlace, Span, read_index, read_span
from fleetctl.model.jobs import Instance

DEFAULT_LINES = 100
RETRY_S = 1.0
"""A node that cannot be reached when following begins is asked again this often."""
_WHOLE = 1 << 40
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class _Age(click.ParamType[float]):
    """``90``, ``90s``, ``10m``, ``2h`` or ``1d``, as seconds."""

    name = "age"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        found = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd]?)", str(value).strip())
        if not found:
            self.fail(f"{value!r} is not an age such as 90s, 10m, 2h or 1d", param, ctx)
        return float(found[1]) * _UNITS[found[2] or "s"]


class _Pattern(click.ParamType[re.Pattern[str]]):
    """A Python regular expression."""

    name = "re"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> re.Pattern[str]:
        try:
            return re.compile(str(value))
        except re.error as error:
            self.fail(f"{value!r} is not a regular expression: {error}", param, ctx)


@click.command(short_help="lines of one or several instances")
@click.argument("targets", nargs=-1, metavar="[TARGET]...")
@click.option("-f", "--follow", "following", is_flag=True, help="Go on with what comes, for ever.")
@click.option("-n", "--lines", type=click.IntRange(min=0), help=f"Last lines [{DEFAULT_LINES}].")
@click.option("--since", type=_Age(), metavar="AGE", help="Not older than 90s, 10m, 2h, 1d.")
@click.option("--grep", type=_Pattern(), metavar="RE", help="Only lines that match.")
@click.option("--timestamps", is_flag=True, help="When each line was written, to a second.")
@click.option(
    "--json", "as_json", is_flag=True, help="An object a line: instance, offset, at, text."
)
@click.pass_obj
def command(
    context: Context,
    targets: tuple[str, ...],
    following: bool,
    lines: int | None,
    since: float | None,
    grep: re.Pattern[str] | None,
    timestamps: bool,
    as_json: bool,
) -> int:
    """Print the log lines of the job's instances, or of the TARGETs', interleaved.

    With -f they are followed across restarts, rotation and lost connections; no line is lost or
    comes twice.
    """
    asked = _Asked(following, lines, since, grep, timestamps, as_json)
    return asyncio.run(_logs(context, targets, asked))


class _Asked(msgspec.Struct, frozen=True):
    following: bool
    lines: int | None
    since_s: float | None
    grep: re.Pattern[str] | None
    timestamps: bool
    as_json: bool

    @property
    def plain(self) -> bool:
        """Whole chunks can be passed on; no line needs a look of its own."""
        return not (self.grep or self.timestamps or self.as_json)


class _Printer:
    """Writes lines to stdout, each with its instance's prefix where there are several."""

    def __init__(self, names: Sequence[str], asked: _Asked) -> None:
        self._asked = asked
        self._prefix = prefixes(names) if len(names) > 1 else dict.fromkeys(names, "")
        self._out = sys.stdout.buffer

    def lines(self, lines: Iterable[LogLine]) -> None:
        asked = self._asked
        for line in lines:
            if asked.grep and not asked.grep.search(line.text):
                continue
            if asked.as_json:
                self._out.write(msgspec.json.encode(line) + b"\n")
                continue
            when = f"{moment(line.at)}  " if asked.timestamps else ""
            self._out.write(f"{self._prefix[line.instance]}{when}{line.text}\n".encode())
        self._out.flush()

    def chunk(self, name: str, data: bytes) -> None:
        """Complete lines, the fast way."""
        if not data:
            return
        text = tidy_lines(data)
        if prefix := self._prefix[name].encode():
            text = prefix + text.removesuffix(b"\n").replace(b"\n", b"\n" + prefix) + b"\n"
        self._out.write(text)
        self._out.flush()

    def mark(self, name: str, text: str) -> None:
        """Something that is no line of the log."""
        click.echo(f"fleetctl: {name}: {text}", err=True)


async def _logs(context: Context, targets: Sequence[str], asked: _Asked) -> int:
    async with context.service() as service:
        chosen = [i for i in instances(service, targets) if i.command is not None]
        if not chosen:
            raise UsageError("nothing that is started by fleetctl is chosen")
        printer = _Printer([i.name for i in chosen], asked)
        if not asked.following:
            return await _past(service, chosen, printer, asked)
        nodes = [instance.node for instance in chosen]
        followers = [
            asyncio.create_task(
                _follow(
                    service,
                    instance,
                    nodes[:place].count(instance.node) // LOGS_PER_LANE,
                    printer,
                    asked,
                )
            )
            for place, instance in enumerate(chosen)
        ]
        try:
            await asyncio.gather(*followers)
        finally:  # a reader that left ends one of them; the links must not close under the others
            for follower in followers:
                follower.cancel()
            await asyncio.gather(*followers, return_exceptions=True)
    return 0


async def _past(
    service: FleetService, chosen: Sequence[Instance], printer: _Printer, asked: _Asked
) -> int:
    """Print what there is, all instances in the order of time."""
    looks = await asyncio.gather(*(_history(service, i, asked) for i in chosen))
    failed = 0
    past: list[LogLine] = []
    for instance, (look, index) in zip(chosen, looks, strict=True):
        if isinstance(look, LinkError):
            failed += 1
            printer.mark(instance.name, _sentence(look))
        elif asked.plain and len(chosen) == 1 and look.data:
            printer.chunk(instance.name, _closed(look.data))
        else:
            past += log_lines(instance.name, look.start, look.data, index)
    # What is not stamped yet is the newest. Stable: each log stays in its own order.
    past.sort(key=lambda line: math.inf if line.at is None else line.at)
    printer.lines(past)
    return 1 if failed else 0


def _sentence(error: LinkError) -> str:
    return f"{error.reason}. {error.hint}".rstrip(". ") + "."


def _closed(data: bytes) -> bytes:
    return data if data.endswith(b"\n") else data + b"\n"


async def _history(
    service: FleetService, instance: Instance, asked: _Asked
) -> tuple[Span | LinkError, TimeIndex | None]:
    """The lines that are there already; when following, only complete ones."""
    place = LogPlace(service.fleet.name, instance.job, instance.name)
    index = None
    try:
        link = await service.links.get(instance.node)
        if asked.since_s is not None:
            second = int(time.time() - asked.since_s)
            head = await read_span(link, place.script("since", seconds=second))
            span = await read_span(link, place.script("from", offset=head.start, limit=_WHOLE))
            if asked.lines is not None:
                span = _last(span, asked.lines)
        else:
            lines = DEFAULT_LINES if asked.lines is None else asked.lines
            span = await read_span(link, place.script("last", lines=lines))
        if not asked.plain or not asked.following:
            index = TimeIndex(await read_index(link, place, span.start))
    except LinkError as error:
        return error, None
    if asked.following:
        whole = span.data[: span.data.rfind(b"\n") + 1]
        span = msgspec.structs.replace(span, data=whole)
    return span, index


def _last(span: Span, lines: int) -> Span:
    kept = b"".join(span.data.splitlines(keepends=True)[-lines:]) if lines else b""
    return msgspec.structs.replace(span, start=span.start + len(span.data) - len(kept), data=kept)


async def _follow(
    service: FleetService,
    instance: Instance,
    lane: int,
    printer: _Printer,
    asked: _Asked,
) -> None:
    """Print the last lines of one log and go on with what comes; a dead node delays no other."""
    name = instance.name
    place = LogPlace(service.fleet.name, instance.job, name)
    look, index = await _history(service, instance, asked)
    if isinstance(look, LinkError):
        printer.mark(name, _sentence(look))
    lost = isinstance(look, LinkError)
    while isinstance(look, LinkError):
        await asyncio.sleep(RETRY_S)
        look, index = await _history(service, instance, asked)
    if lost:
        printer.mark(name, "reached again")
    if asked.plain:
        printer.chunk(name, look.data)
    else:
        printer.lines(log_lines(name, look.start, look.data, index))
    start = look.start + len(look.data)
    async for event in follow(place, instance.node, service.links, start, lane=lane):
        match event:
            case Lines(offset, data) if asked.plain:
                printer.chunk(name, data)
            case Lines(offset, data):
                printer.lines(log_lines(name, offset, data, time.time()))
            case Gap(_, missing):
                printer.mark(name, f"{missing} bytes were rotated away before they were read")
            case Cut(reason):
                printer.mark(name, f"{reason}; going on where it stopped once it is back")
            case Resumed():
                printer.mark(name, "reached again")
