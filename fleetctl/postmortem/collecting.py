"""Asks all that is known of a failure: the nodes, their logs and kernels, and what was kept.

A node that cannot be asked is a reason in the result, and delays no other beyond its deadline.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from msgspec.structs import replace

from fleetctl.errors import FleetctlError, LinkError
from fleetctl.health.assess import Checked
from fleetctl.history.store import Store, key_of
from fleetctl.logs.events import PastLog, Wanted, sentence
from fleetctl.logs.lines import LogLine, log_lines
from fleetctl.model.actions import events_of
from fleetctl.model.events import Event
from fleetctl.model.execution import Broken, ExecutionEvent, Said
from fleetctl.model.jobs import Instance, Job
from fleetctl.model.layout import history_file
from fleetctl.postmortem.collected import Collected, History
from fleetctl.postmortem.ends import ends, unknown
from fleetctl.postmortem.kernel import MOST_S, Kernel, kernel_script, read_kernel
from fleetctl.postmortem.story import story
from fleetctl.quantities import count
from fleetctl.service import FleetService
from fleetctl.words.plan import plan_lines

LINES = 500
"""Lines of each log that are kept."""
TOTAL_BYTES = 48 * 1024 * 1024
"""All logs together."""
MOST_BYTES = 2 * 1024 * 1024
"""Each log."""
LOG_S = 40.0
KERNEL_S = 25.0
NOTED_S = 25.0
AROUND_S = 600.0
"""How long before and after the failure logs and history are taken."""
KERNEL_BYTES = 256 * 1024
EVENTS = 2000
SERIES = 2000

Tell = Callable[[str], object]


class Collecting:
    """One collection.

    :param service: of the job.
    :param named: instances, one of which is meant; empty: the newest failure of the job.
    :param around: the time of the failure that is meant; None: the newest.
    :param tell: called with what was done, a line each.
    """

    def __init__(
        self,
        service: FleetService,
        job: Job,
        named: Sequence[str],
        around: datetime | None,
        tell: Tell,
    ) -> None:
        self._service = service
        self._job = job
        self._named = named
        self._around = around
        self._tell = tell
        self.done: list[str] = []
        """What is there already, for somebody who interrupts."""

    async def run(self) -> Collected:
        """Ask all of it."""
        at = datetime.now(UTC)
        nodes = self._service.fleet.nodes.values()
        asked = [node.name for node in nodes if node.connection != "none"]
        self._tell(f"asking {count(len(asked), 'node')}")
        checked = await self._service.check()
        self._did(f"{len(checked.facts)} of {len(asked)} nodes told how they are")
        (logs, unread, clocks), kernels, noted = await asyncio.gather(
            self._logs(at), self._kernels(asked, checked, at), self._noted(at)
        )
        history = await self._history(self._around or at)
        found = ends(self._job, checked, logs, history.events)
        lost = unknown(self._job, checked)
        actions = [e for e in (*history.events, *noted) if e.job == self._job.name]
        told = story(found, lost, named=self._named, around=self._around, events=actions)
        moment = told.begin or self._around or at
        if told.begin and not history.why_none:
            history = await self._history(moment)
        history = with_noted(history, noted, moment)
        kernels = {node: _near(kernel, moment) for node, kernel in kernels.items()}
        plan = list(plan_lines(self._service.plan(self._job.instances)))
        return Collected(
            self._job,
            at,
            self._around,
            checked,
            told,
            logs,
            unread,
            kernels,
            history,
            plan,
            clocks,
        )

    def _did(self, what: str) -> None:
        self.done.append(what)
        self._tell(what)

    # logs

    async def _logs(
        self, at: datetime
    ) -> tuple[dict[str, list[LogLine]], dict[str, str], dict[str, float]]:
        """The lines of each instance; why others could not be read; how far clocks are ahead."""
        chosen = [i for i in self._job.instances if i.command is not None]
        most = max(64 * 1024, min(MOST_BYTES, TOTAL_BYTES // max(1, len(chosen))))
        by_node: dict[str, list[Instance]] = {}
        for instance in chosen:
            by_node.setdefault(instance.node, []).append(instance)
        read = await asyncio.gather(*(self._of_node(mine, at) for mine in by_node.values()))
        logs: dict[str, list[LogLine]] = {}
        unread: dict[str, str] = {}
        clocks: dict[str, float] = {}
        for instance in chosen:
            log = next(one[instance.name] for one in read if instance.name in one)
            if isinstance(log, str):
                unread[instance.name] = log
                continue
            logs[instance.name] = self._kept(instance.name, log, most)
            if log.ahead_s:
                clocks[instance.node] = log.ahead_s
        self._did(f"{len(logs)} of {len(chosen)} logs were read")
        return logs, unread, clocks

    async def _of_node(self, mine: Sequence[Instance], at: datetime) -> Mapping[str, PastLog | str]:
        wanted = Wanted(lines=LINES)
        if self._around:
            since_s = (at - self._around).total_seconds() + AROUND_S
            wanted = Wanted(since_s=max(since_s, AROUND_S))
        try:
            async with asyncio.timeout(LOG_S):
                found = await self._service.past_logs(mine, wanted)
        except TimeoutError:
            return {i.name: f"it did not come within {LOG_S:g} s" for i in mine}
        return {
            name: sentence(log).rstrip(".") if isinstance(log, LinkError) else log
            for name, log in found.items()
        }

    def _kept(self, name: str, log: PastLog, most: int) -> list[LogLine]:
        """The lines that matter, no more than that."""
        lines: list[LogLine] = []
        until_s = self._around.timestamp() + AROUND_S if self._around else None
        cut = max(0, len(log.data) - most) if until_s is None else 0
        cut = log.data.find(b"\n", cut) + 1 if cut else 0
        bytes_left = most
        for line in log_lines(name, log.start + cut, log.data[cut:], log.index):
            if until_s is not None and line.at is not None and line.at > until_s:
                break
            lines.append(line)
        kept: list[LogLine] = []
        for line in reversed(lines[-LINES:]):
            bytes_left -= len(line.text)
            if bytes_left < 0:
                break
            kept.append(line)
        return kept[::-1]

    # kernels

    async def _kernels(
        self, asked: Sequence[str], checked: Checked, at: datetime
    ) -> dict[str, Kernel | str]:
        """What the kernels of the job's nodes say; else why that is not known."""
        mine = [n for n in dict.fromkeys(i.node for i in self._job.instances) if n in asked]
        age_s = AROUND_S + ((at - self._around).total_seconds() if self._around else MOST_S)
        said = {node: bytearray() for node in mine if node in checked.facts}
        broken: dict[str, str] = {}

        def took(event: ExecutionEvent) -> None:
            if isinstance(event, Said) and not event.error:
                room = KERNEL_BYTES - len(said[event.node])
                said[event.node] += event.data[: max(0, room)]
            elif isinstance(event, Broken):
                broken[event.node] = event.error.reason

        if said:
            script = kernel_script(int(age_s))
            await self._service.execute(list(said), script, KERNEL_S, took, only_asks=True)
        found: dict[str, Kernel | str] = {}
        for node in mine:
            if node not in said:
                found[node] = checked.status.nodes[node].ssh.error or "it does not answer"
            elif not said[node]:
                found[node] = broken.get(node, "it said nothing")
            else:
                ahead_s = checked.facts[node].reliability.clock_offset_s or 0.0
                found[node] = read_kernel(said[node].decode("utf-8", "replace"), ahead_s)
        told = sum(isinstance(one, Kernel) for one in found.values())
        self._did(f"{told} of {len(mine)} kernels were asked for their messages")
        return found

    # history

    async def _noted(self, at: datetime) -> list[Event]:
        """Who did what, as the nodes have it noted; as far as they tell."""
        try:
            async with asyncio.timeout(NOTED_S):
                told = await self._service.actions()
        except (TimeoutError, FleetctlError):
            return []
        return events_of({node: one.notes for node, one in told.items()}, at)

    async def _history(self, moment: datetime) -> History:
        """What was kept around ``moment``."""
        try:
            return await asyncio.to_thread(kept_around, self._service.fleet.name, moment)
        except FleetctlError as error:
            return History(why_none=str(error))


def with_noted(history: History, noted: Sequence[Event], moment: datetime) -> History:
    """With what nodes have noted of actions around ``moment``, each once."""
    span = timedelta(seconds=AROUND_S)
    found = {key_of(event): event for event in noted if abs(event.at - moment) <= span}
    found |= {key_of(event): event for event in history.events}
    return replace(history, events=sorted(found.values(), key=lambda event: event.at))


def _near(kernel: Kernel | str, moment: datetime) -> Kernel | str:
    """Without messages of another time: those since the boot may be many."""
    if isinstance(kernel, str):
        return kernel
    span = timedelta(seconds=AROUND_S)
    lines = (line for line in kernel.lines if not line.at or abs(line.at - moment) <= span)
    return replace(kernel, lines=tuple(lines))


def kept_around(fleet: str, moment: datetime) -> History:
    """:raises HistoryError: it cannot be read."""
    if not Path(history_file(fleet)).expanduser().exists():
        return History(why_none="nothing watched the fleet from this machine")
    span = timedelta(seconds=AROUND_S)
    store = Store(fleet, reading=True)
    try:
        begin_s, end_s = (moment - span).timestamp(), (moment + span).timestamp()
        if not store.watched(begin_s, end_s):
            return History(why_none="nothing watched the fleet from this machine at that time")
        points = store.points(begin_s, end_s)
        events = store.events(moment - span, moment + span, most=EVENTS)
    finally:
        store.close()
    return History(events, {series: points[series] for series in list(points)[:SERIES]})
