"""Ready conditions that the node's facts do not answer: a log line, a URL, a port, a command."""

from __future__ import annotations

import asyncio
import time
import zlib
from collections.abc import Iterable
from contextlib import suppress
from typing import assert_never

from msgspec.structs import replace

from fleetctl.errors import LinkError, ShellHung, UsageError
from fleetctl.health.services import service_status
from fleetctl.link.protocol import Link
from fleetctl.logs.matching import PATIENCE_S, Pattern
from fleetctl.logs.segments import PIECE_BYTES, LogLocation, LogReader
from fleetctl.logs.tidying import read
from fleetctl.model.facts import NodeFacts, Record
from fleetctl.model.jobs import Instance
from fleetctl.model.layout import instance_dir
from fleetctl.observe.asking import ASK_TIMEOUT_S, Unasked, accepts_connection, answers_http
from fleetctl.probes.late_words import looked_up
from fleetctl.quoting import environment_text, quote, quote_path

SEARCH_S = 1.0
"""Longest search of a log at once, of one piece at least; the next call continues it."""
LAST_LINE_BYTES = 64 * 1024
"""How much of an unfinished line is kept, to be searched together with what follows."""
_LINES_AT_ONCE = 1000
"""After so many lines the search lets other tasks run."""


async def command_succeeds(fleet: str, instance: Instance, link: Link) -> bool:
    """Whether the ready command exits with 0, in the instance's folder and environment.

    The secrets of its ``env_file`` are not passed, since the command runs again and again.

    :raises Unasked: the login shell does not run it.
    """
    script = command_text(fleet, instance)
    try:
        done = await link.run(script, timeout_s=ASK_TIMEOUT_S)
    except ShellHung as hung:
        raise Unasked(f"its ready command was not run: {hung.reason}") from None
    except LinkError:
        return False
    return done.exit_status == 0


def command_text(fleet: str, instance: Instance) -> str:
    """The POSIX sh text that runs the ready command of ``instance``, as :func:`command_succeeds`
    says."""
    script = (
        f"cd {quote_path(instance.workdir or '~')} || exit 1\n"
        f"{environment_text(instance.environment(fleet, {}))}"
        f'set -- "$(command -v env)" "$(command -v sh)"\nenvironment\n'
        f'become "$1" "$2" {quote(instance.ready.value)} </dev/null'
    )
    return looked_up(script, fleet, instance)


async def external_answers(link: Link, instance: Instance) -> bool:
    """Whether an instance that is started by hand answers, asked from the controller.

    :raises Unasked: its answer cannot be judged.
    """
    if instance.ready.kind == "http":
        return await answers_http(link, instance.ready.value, instance.ready.body)
    return await accepts_connection(link, instance.ready.value)


class Condition:
    """The ready condition of one instance.

    ``unasked`` is why it could not be asked the last time, as a clause; empty: it could.
    """

    def __init__(self, fleet: str, instance: Instance) -> None:
        self._fleet = fleet
        self._instance = instance
        self._attempt: tuple[str, int] | None = None
        self._log: _LogSearch | None = None
        self.unasked = ""

    async def holds(self, link: Link, record: Record) -> bool:
        """Whether the attempt that ``record`` describes meets it now.

        False for the kinds that the node's facts answer.

        :raises LinkError: the node is lost, or its log cannot be read.
        """
        self.unasked = ""
        try:
            return await self._ask(link, record)
        except Unasked as error:
            self.unasked = str(error)
            return False

    async def _ask(self, link: Link, record: Record) -> bool:
        ready = self._instance.ready
        match ready.asked:
            case None:
                return False
            case "http":
                return await answers_http(link, ready.value, ready.body)
            case "connect":
                return await accepts_connection(link, ready.value)
            case "command":
                return await command_succeeds(self._fleet, self._instance, link)
            case "log":
                return await self._search_of(record).found(link)
            case other:
                assert_never(other)

    async def mark(self, link: Link, record: Record) -> None:
        """Note on the node that it was met, so that all controllers see it in the facts."""
        await self._note(link, record, "ready", "")

    async def mark_searched(self, link: Link, record: Record) -> None:
        """Note on the node how far its log was searched, for the next command that asks."""
        if self._log and not self.unasked and self._log.progress != record.searched:
            await self._note(link, record, "searched", f" {self._log.progress}")

    async def _note(self, link: Link, record: Record, name: str, more: str) -> None:
        folder = quote_path(instance_dir(self._fleet, self._instance.job, self._instance.name))
        words = quote(f"{record.run} {record.restarts}{more}")
        script = f"cd {folder} && printf '%s\\n' {words} >{name}.new && mv {name}.new {name}\n"
        await link.run(script, timeout_s=ASK_TIMEOUT_S)

    def _search_of(self, record: Record) -> _LogSearch:
        attempt = (record.run, record.restarts)
        if self._log is None or self._attempt != attempt:
            place = LogLocation(self._fleet, record.job, record.instance)
            self._attempt = attempt
            self._log = _LogSearch(place, self._instance.ready.value, record)
        return self._log


class _LogSearch:
    """Looks for a line that matches a regular expression, in the log of one attempt.

    Each byte is read once; a last line without an end is searched again when it has grown.
    """

    def __init__(self, place: LogLocation, pattern: str, record: Record) -> None:
        try:
            self._pattern = Pattern(pattern)
        except UsageError as error:
            raise Unasked(f"its ready.log is {error}") from None
        self._digest = f"{zlib.crc32(pattern.encode('utf-8', 'surrogateescape')):08x}"
        self._reader = LogReader(place, self._start(record))
        self._last_line = b""
        self._met = False
        """A line matched; kept, since the link may be lost before that is noted on the node."""

    def _start(self, record: Record) -> int:
        """Where the last search for the same expression ended; else where the attempt begins."""
        offset, _, digest = record.searched.partition(" ")
        if digest == self._digest and offset.isascii() and offset.isdigit():
            return int(offset)
        return record.log_start or 0

    @property
    def progress(self) -> str:
        """The offset before which no line matches, and a digest of the expression."""
        return f"{self._reader.offset - len(self._last_line)} {self._digest}"

    async def found(self, link: Link) -> bool:
        """Search what is new; whether a line matches, now or at an earlier call.

        :raises LinkError: the node is lost, or the log cannot be read.
        :raises Unasked: the expression takes too long.
        """
        deadline = time.monotonic() + SEARCH_S
        while not self._met:
            begin = self._reader.offset
            data = await self._reader.more(link)
            if self._reader.offset - len(data) != begin:
                self._last_line = b""  # what followed it was rotated away
            self._met = bool(data) and await self._matches(data)
            if len(data) < PIECE_BYTES or time.monotonic() > deadline:
                break
        return self._met

    async def _matches(self, data: bytes) -> bool:
        *lines, last_line = (self._last_line + data).split(b"\n")
        for place in range(0, len(lines), _LINES_AT_ONCE):
            if any(map(self._matches_line, lines[place : place + _LINES_AT_ONCE])):
                return True
            await asyncio.sleep(0)
        self._last_line = last_line[-LAST_LINE_BYTES:]
        return self._matches_line(last_line)

    def _matches_line(self, line: bytes) -> bool:
        """Whether it matches as a person reads it; of a line that redraws itself, each state.

        :raises Unasked: the expression takes too long.
        """
        found = any(self._pattern.search(read(one)) for one in line.rstrip(b"\r").split(b"\r"))
        if self._pattern.gave_up:
            raise Unasked(
                f"its ready.log takes more than {PATIENCE_S:g} s on one line, and may take for "
                "ever: repeat nothing that is a repetition itself, as in (a|aa)+"
            )
        return found


class OpenConditions:
    """The ready conditions on one node, kept as long as the node is watched.

    :param instances: those on the node; conditions that the facts answer are left out.
    :param passing: the node is asked only once: how far logs were searched is noted on the node.
    """

    def __init__(self, fleet: str, instances: Iterable[Instance], *, passing: bool) -> None:
        self._fleet = fleet
        self._passing = passing
        self._conditions = {
            (i.job, i.name): (i, Condition(fleet, i)) for i in instances if i.ready.asked
        }

    async def ask(self, link: Link, facts: NodeFacts) -> NodeFacts:
        """``facts`` with the conditions that the running attempts meet by now.

        A condition that was met is noted on the node, so usually nothing is asked; it is after a
        restart that no ``start`` watched.
        """
        running = [
            key
            for key, (instance, _) in self._conditions.items()
            if service_status(self._fleet, instance, facts).state == "running"
            and not facts.records[key].ready
        ]
        if not running:
            return facts
        met = await asyncio.gather(*(self._met(link, key, facts.records[key]) for key in running))
        records = {
            key: replace(facts.records[key], ready=yes, unasked=self._conditions[key][1].unasked)
            for key, yes in zip(running, met, strict=True)
        }
        return replace(facts, records={**facts.records, **records})

    async def _met(self, link: Link, key: tuple[str, str], record: Record) -> bool:
        _, condition = self._conditions[key]
        with suppress(LinkError):  # the next look reports that the node is lost
            if await condition.holds(link, record):
                await condition.mark(link, record)
                return True
            if self._passing:
                await condition.mark_searched(link, record)
        return False
