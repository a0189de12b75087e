"""``fleetctl logs``: past and new log lines of one or several instances."""

from __future__ import annotations

import asyncio
import math
import re
import sys
from collections.abc import Iterable, Sequence

import click
import msgspec
from msgspec.structs import replace

from fleetctl.cli.context import Context, instances
from fleetctl.cli.moments import Age
from fleetctl.cli.reader import while_read
from fleetctl.cli.render import moment, prefixes
from fleetctl.errors import LinkError, UsageError
from fleetctl.logs.clocks import clock_sentence
from fleetctl.logs.events import (
    DEFAULT_LINES,
    LogBatch,
    LogEvent,
    LogNotice,
    PastLog,
    Wanted,
    sentence,
)
from fleetctl.logs.lines import LogLine, log_lines, tidy_lines
from fleetctl.logs.tidying import plain
from fleetctl.model.jobs import PREPARE, LogSource
from fleetctl.service import FleetService


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
@click.option("--since", type=Age(), metavar="AGE", help="Not older than 90s, 10m, 2h, 1d.")
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

    `prepare@NODE` is what the job's prepare printed there. With -f logs are followed across
    restarts, rotation and lost connections; no line is lost or comes twice. With --job all, those
    of every job.
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
        """Whether whole chunks can be printed, without a look at each line."""
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
            if asked.grep and not asked.grep.search(plain(line.text)):
                continue
            if asked.as_json:
                self._out.write(msgspec.json.encode(line) + b"\n")
                continue
            when = f"{moment(line.at)}  " if asked.timestamps else ""
            self._out.write(f"{self._prefix[line.instance]}{when}{line.text}\n".encode())
        self._out.flush()

    def chunk(self, name: str, data: bytes) -> None:
        """Print complete lines unparsed, which is faster."""
        if not data:
            return
        text = tidy_lines(data)
        if prefix := self._prefix[name].encode():
            text = prefix + text.removesuffix(b"\n").replace(b"\n", b"\n" + prefix) + b"\n"
        self._out.write(text)
        self._out.flush()

    def event(self, event: LogEvent) -> None:
        """Print an event of a followed log."""
        match event:
            case LogBatch(name, _, data) if self._asked.plain:
                self.chunk(name, data)
            case LogBatch(name, offset, data, _, at):
                self.lines(log_lines(name, offset, data, at))
            case LogNotice(name, text):
                self.mark(name, text)

    def mark(self, name: str, text: str) -> None:
        """Print a notice, which is not a line of the log."""
        click.echo(f"fleetctl: {name}: {text}", err=True)


async def _logs(context: Context, targets: Sequence[str], asked: _Asked) -> int:
    async with context.service(several=True) as service:
        of_all = context.means_all(service.fleet)
        sources = _sources(context.each_job(service), targets, asked, of_all=of_all)
        if not any(source.chosen for source in sources):
            raise UsageError("nothing that is started by fleetctl is chosen")
        printer = _Printer([source.label(i) for source in sources for i in source.chosen], asked)
        if asked.following:
            await while_read(_follow(sources, printer, asked))
            return 0
        return await _past(sources, printer, asked)


class _Source(msgspec.Struct, frozen=True):
    """The chosen logs of one job."""

    service: FleetService
    chosen: Sequence[LogSource]
    prefix: str = ""
    """Of the names, where there are several jobs."""

    def label(self, log: LogSource) -> str:
        return self.prefix + log.name


def _sources(
    services: Sequence[FleetService], targets: Sequence[str], asked: _Asked, *, of_all: bool
) -> list[_Source]:
    """
    :raises UsageError: a target matches nothing, in any of the jobs.
    """
    if not of_all:
        return [_Source(one, _chosen(one, targets, following=asked.following)) for one in services]
    found: list[_Source] = []
    wrong: UsageError | None = None
    known: set[str] = set()
    for one in services:
        mine = []
        for target in targets:
            try:
                _chosen(one, [target], following=asked.following)
            except UsageError as error:
                wrong = error
            else:
                mine.append(target)
        known.update(mine)
        if mine or not targets:
            chosen = _chosen(one, mine, following=asked.following)
            found.append(_Source(one, chosen, f"{one.job.name}/" if one.job else ""))
    if wrong and not known.issuperset(targets):
        raise wrong
    return found


async def _follow(sources: Sequence[_Source], printer: _Printer, asked: _Asked) -> None:
    wanted = Wanted(asked.lines, asked.since_s, times=not asked.plain)

    async def follow(source: _Source) -> None:
        def took(event: LogEvent) -> None:
            printer.event(replace(event, instance=source.prefix + event.instance))

        await source.service.follow_logs(source.chosen, wanted, took)

    following = [asyncio.create_task(follow(source)) for source in sources]
    try:
        await asyncio.gather(*following)
    finally:
        for task in following:
            task.cancel()
        await asyncio.gather(*following, return_exceptions=True)


def _chosen(service: FleetService, targets: Sequence[str], *, following: bool) -> list[LogSource]:
    """The logs that ``targets`` name; without targets those of the job, and what prepares its nodes
    meanwhile.

    :raises UsageError: a target matches nothing.
    """
    prepares = service.job.prepare_logs if service.job else ()
    named = {t for t in targets if prepares and t.partition("@")[0] == PREPARE}
    own = [t for t in targets if t not in named]
    chosen: list[LogSource] = []
    if own or not named:
        chosen += [i for i in instances(service, own) if i.command is not None]
    if not targets and following:
        return [*chosen, *(replace(log, only_new=True) for log in prepares)]
    for target in named:
        found = [log for log in prepares if target in (PREPARE, log.name)]
        if not found:
            nodes = ", ".join(log.node for log in prepares)
            raise UsageError(f"{target!r}: what is prepared is {nodes}")
        chosen += [log for log in found if log not in chosen]
    return chosen


async def _past(sources: Sequence[_Source], printer: _Printer, asked: _Asked) -> int:
    """Print the lines so far, of all instances by time."""
    by_line = sum(len(source.chosen) for source in sources) > 1 or not asked.plain
    wanted = Wanted(asked.lines, asked.since_s, times=by_line)
    read = await asyncio.gather(*(s.service.past_logs(s.chosen, wanted) for s in sources))
    logs: dict[str, PastLog | LinkError] = {}
    clocks: dict[str, float] = {}
    for source, found in zip(sources, read, strict=True):
        for one in source.chosen:
            logs[source.label(one)] = log = found[one.name]
            if isinstance(log, PastLog):
                clocks[one.node] = log.ahead_s
    for node, ahead_s in clocks.items():
        if ahead_s:
            click.echo(f"fleetctl: {clock_sentence(node, ahead_s)}", err=True)
    failed = 0
    lines: list[LogLine] = []
    for name, log in logs.items():
        if isinstance(log, LinkError):
            failed += 1
            printer.mark(name, sentence(log))
        elif not by_line and log.data:
            printer.chunk(name, _closed(log.data))
        else:
            lines += log_lines(name, log.start, log.data, log.index)
    # Lines without a time are the newest. The sort is stable: each log stays in order.
    lines.sort(key=lambda line: math.inf if line.at is None else line.at)
    printer.lines(lines)
    return 1 if failed else 0


def _closed(data: bytes) -> bytes:
    return data if data.endswith(b"\n") else data + b"\n"
