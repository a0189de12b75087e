"""Ready conditions that the node's facts do not answer: a log line, a URL, a port, a command."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, assert_never

from msgspec.structs import replace

from fleetctl.errors import LinkError, ShellHung
from fleetctl.health.services import service_status
from fleetctl.link.protocol import Link
from fleetctl.model.facts import NodeFacts
from fleetctl.model.jobs import Instance
from fleetctl.model.layout import instance_dir
from fleetctl.model.records import Record
from fleetctl.observe.asking import ASK_TIMEOUT_S, Unasked, accepts_connection, answers_http
from fleetctl.probes.late_words import looked_up
from fleetctl.quoting import environment_text, quote, quote_path

if TYPE_CHECKING:
    from fleetctl.observe.log_search import LogSearch


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
        self._log: LogSearch | None = None
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

    def _search_of(self, record: Record) -> LogSearch:
        attempt = (record.run, record.restarts)
        if self._log is None or self._attempt != attempt:
            from fleetctl.observe.log_search import LogSearch  # reads logs: mostly not needed

            self._attempt = attempt
            self._log = LogSearch(self._fleet, self._instance.ready.value, record)
        return self._log


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
