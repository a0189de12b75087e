"""Alerting beside an observer: takes what it sees, and sends what the rules want told."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
from msgspec.structs import replace

from fleetctl.alerts import deciding
from fleetctl.alerts.causes import Past, causes, is_over, wanted
from fleetctl.alerts.keeping import Delivery, Kept, Waiting, place, read_kept, write_kept
from fleetctl.alerts.other_servers import OtherServers, Verdict, digest, told_as
from fleetctl.alerts.sending import send
from fleetctl.health.all_jobs import together
from fleetctl.link.links import Links
from fleetctl.link.mistakes import told
from fleetctl.marks import mark
from fleetctl.model.alerts import AlertRule, Cause, Desktop, Message
from fleetctl.model.events import Event
from fleetctl.model.topology import Fleet
from fleetctl.noting.actor import this_actor
from fleetctl.quantities import count, duration
from fleetctl.undertakings import Snapshot

GAP_S = 60.0
"""Where no snapshot came for so long, nobody watched: what is not told yet begins anew."""
RETRIES_S = (30.0, 60.0, 120.0, 300.0)
"""Pauses before a message is tried again; the last one again and again."""
GIVEN_UP_S = 3600.0
"""A message that could not be sent for so long is dropped."""
MOST_WAITING = 200
"""Messages that wait to be sent; the oldest are dropped."""
MOST_OWN = 1000
MOST_EVENTS = 500
"""Of the newest events so many are kept, for the causes that they began."""
EVENT_S = 120.0
"""An event that is older began something else."""
END_S = 1.0
"""How long what is being sent may go on at the end; after that it is sent again next time."""
HELD_S = 5.0
"""How soon it is decided again whether another server sends something."""
_IDLE_S = 60.0
_WRITE_AGAIN_S = 30.0


class Alerting:
    """Decides by each snapshot, and sends from :meth:`run`: the observer never waits for it.

    One process at a time for each fleet. Use: ``await alerting.on_snapshot`` with each snapshot,
    :meth:`follow` when nodes.yaml has changed, :meth:`run` as a task beside.

    :param note: takes an event for what could not be sent.
    :param path: another file than the fleet's own.
    """

    def __init__(
        self, fleet: Fleet, note: Callable[[Event], object], path: Path | None = None
    ) -> None:
        self._fleet = fleet
        self._note = note
        self._path = path or place(fleet.name)
        self._kept, why = read_kept(self._path)
        if why:
            self._tell(f"What was told before is not known: {why}")
        self._written = b""
        self._write_at_s = 0.0
        self._events: list[Event] = []
        self._wake = asyncio.Event()
        self._sending: dict[str, asyncio.Task[None]] = {}
        self._kept.server = self._kept.server or os.urandom(8).hex()
        by = this_actor((), ())
        self._others = OtherServers(
            self._kept.server, f"{by.user}@{by.host}", self._able, self._raised, self._wake.set
        )
        for waiting in self._kept.outbox:
            if waiting.tried:
                why = "fleetctl serve was ended while it sent it"
                waiting.message = deciding.repeated(waiting.message, why)
                waiting.tried = False

    def follow(self, fleet: Fleet, links: Links | None = None) -> None:
        """Go by the rules of ``fleet`` from now on.

        :param links: to nodes, on which other servers of the fleet are noted; None: there are none.
        """
        self._fleet = fleet
        shared = any(not isinstance(to, Desktop) for rule in fleet.alerts for to in rule.to)
        self._others.follow(fleet.name, links if shared else None)

    def _able(self) -> frozenset[str]:
        """Digests of the rules by which nothing failed to be sent lately."""
        failing = {waiting.rule for waiting in self._kept.outbox if waiting.failures}
        return frozenset(digest(r) for r in self._fleet.alerts if r.name not in failing)

    def _raised(self) -> list[str]:
        """What is raised, for other servers."""
        return [
            told_as(digest(rule), key)
            for rule in self._fleet.alerts
            for key, entry in self._kept.rules.get(rule.name, deciding.Rule()).open.items()
            if entry.told
        ]

    async def on_snapshot(self, snapshot: Snapshot, events: Sequence[Event]) -> None:
        """:meth:`take`, for an observer that awaits."""
        self.take(snapshot, events)

    def take(self, snapshot: Snapshot, events: Sequence[Event]) -> None:
        """Take what was seen; returns at once, and never raises."""
        kept = self._kept
        if not snapshot.complete or not (self._fleet.alerts or kept.rules):
            return
        status = snapshot.status if snapshot.status.job is None else together([snapshot.status])
        self._others.reached = tuple(n for n, node in status.nodes.items() if node.ssh.reachable)
        at = status.generated_at
        past = kept.past = kept.past or Past(at, at)
        gap = not 0 <= (at - past.at).total_seconds() <= GAP_S
        past.take(status)
        self._events = [*self._events, *events][-MOST_EVENTS:]
        rules = {rule.name: rule for rule in self._fleet.alerts}
        kept.rules = {name: kept.rules.get(name) or deciding.Rule() for name in rules}
        found = [self._with_event(cause) for cause in causes(status, self._fleet, past)]
        for name, rule in rules.items():
            state = kept.rules[name]
            if gap:
                for entry in state.open.values():
                    entry.since = entry.since if entry.told else at
            for said in deciding.fold(
                rule,
                state,
                [cause for cause in found if wanted(cause, rule, self._fleet)],
                lambda cause: is_over(cause, status),
                (at, at.astimezone().time()),
            ):
                zone = at.astimezone().tzinfo
                message = deciding.message(self._fleet.name, rule, said, at, zone)
                now = datetime.now(UTC)
                kept.outbox += (Waiting(name, n, message, now, now) for n in range(len(rule.to)))
        self._bound()
        self._wake.set()

    def _with_event(self, cause: Cause) -> Cause:
        """With the newest event of the same thing."""
        for event in reversed(self._events):
            if event.until or abs((cause.since - event.at).total_seconds()) > EVENT_S:
                continue
            if mark(event.state).tone not in ("good", "busy") and _began(event, cause):
                return replace(cause, event=event)
        return cause

    def _bound(self) -> None:
        dropped = len(self._kept.outbox) - MOST_WAITING
        if dropped > 0:
            del self._kept.outbox[:dropped]
            self._tell(f"{count(dropped, 'alert')} could not be sent, and more came: dropped")

    def _tell(self, text: str) -> None:
        now = datetime.now(UTC)
        key = f"alerts {now.timestamp():.6f} {text}"
        self._note(Event(now, "warning", text, "note", "alerts", key=key))

    # sending

    async def run(self) -> None:
        """Send until cancelled."""
        others = asyncio.create_task(self._others.run())
        try:
            while not others.done():
                self._wake.clear()
                due, soonest_s = self._due()
                await self._keep()  # what is going to be sent, before it is
                for line, rule, waiting in due:
                    self._sending[line] = asyncio.create_task(self._deliver(line, rule, waiting))
                try:
                    async with asyncio.timeout(soonest_s):
                        await self._wake.wait()
                except TimeoutError:
                    pass
            await others  # raises what ended it
        finally:
            others.cancel()
            await asyncio.gather(others, return_exceptions=True)
            sending = list(self._sending.values())
            if sending:
                await asyncio.wait(sending, timeout=END_S)
            for task in sending:
                task.cancel()
            await asyncio.gather(*sending, return_exceptions=True)
            await asyncio.shield(self._keep(last=True))

    def _due(self) -> tuple[list[tuple[str, AlertRule, Waiting]], float]:
        """The oldest message of each destination, if it is due; and in how many seconds the next
        one is."""
        due: list[tuple[str, AlertRule, Waiting]] = []
        now = datetime.now(UTC)
        rules = {rule.name: rule for rule in self._fleet.alerts}
        soonest_s = _IDLE_S
        heads: set[str] = set()
        for waiting in list(self._kept.outbox):
            rule = rules.get(waiting.rule)
            if rule is None or waiting.to >= len(rule.to):
                self._kept.outbox.remove(waiting)  # nodes.yaml no longer has it
                continue
            line = f"{waiting.rule} {waiting.to}"
            held = "send" if waiting.tried else self._held(line, rule, waiting, now)
            if held == "drop" or line in heads or line in self._sending:
                continue
            heads.add(line)
            if held == "wait":
                soonest_s = min(soonest_s, HELD_S)
                continue
            wait_s = (waiting.next - now).total_seconds()
            if 0 < wait_s <= RETRIES_S[-1]:  # more: the clock was set back
                soonest_s = min(soonest_s, wait_s)
                continue
            waiting.tried = True
            due.append((line, rule, waiting))
        return due, soonest_s

    def _held(self, line: str, rule: AlertRule, waiting: Waiting, now: datetime) -> Verdict:
        """Whether ``waiting`` is left to another server, and dropped if that has sent it."""
        if isinstance(rule.to[waiting.to], Desktop):  # a screen of this machine
            return "send"
        raised, over = _told(rule, waiting.message)
        if over & {*self._kept.own}:  # as it was raised
            return "send"
        verdict, by = self._others.verdict(digest(rule), waiting.since.timestamp(), raised)
        if verdict == "drop":
            self._kept.outbox.remove(waiting)
            self._kept.deliveries[line] = Delivery(now, "", by)
        elif verdict == "wait":
            waiting.left_to = by
        elif waiting.left_to and not by:
            why = f"{waiting.left_to} was to send it, and is not heard any more"
            waiting.message = deciding.repeated(waiting.message, why)
        if verdict == "send":
            waiting.left_to = ""
        return verdict

    async def _deliver(self, line: str, rule: AlertRule, waiting: Waiting) -> None:
        try:
            why = await send(rule, rule.to[waiting.to], waiting.message)
        except Exception as error:  # noqa: BLE001 -- the other alerts must go on
            why = f"this is {told(error)}"
        try:
            self._delivered(line, rule, waiting, why)
        finally:
            self._sending.pop(line, None)
            self._wake.set()

    def _delivered(self, line: str, rule: AlertRule, waiting: Waiting, why: str) -> None:
        now = datetime.now(UTC)
        self._kept.deliveries[line] = Delivery(now, why)
        waiting.tried = False
        if waiting not in self._kept.outbox:
            return
        if not why:
            self._kept.outbox.remove(waiting)
            raised, over = _told(rule, waiting.message)
            own = [one for one in self._kept.own if one not in raised | over]
            self._kept.own = [*own, *raised][-MOST_OWN:]
            return
        what = f"alert {rule.name!r} could not be sent to {rule.to[waiting.to].shown}: {why}"
        pause_s = RETRIES_S[min(waiting.failures, len(RETRIES_S) - 1)]
        waiting.failures += 1
        waiting.next = now + timedelta(seconds=pause_s)
        if (now - waiting.since).total_seconds() > GIVEN_UP_S:
            self._kept.outbox.remove(waiting)
            self._tell(f"{what}; given up after {duration(GIVEN_UP_S)}")
        elif waiting.failures == 1:
            self._tell(f"{what}; tried again in {pause_s:g} s, and for an hour")

    async def _keep(self, *, last: bool = False) -> None:
        """Write what is remembered, if it is new and can be written."""
        if self._kept.past is None or (time.monotonic() < self._write_at_s and not last):
            return
        content = msgspec.json.encode(_lasting(self._kept))
        if content == self._written:
            return
        try:
            await asyncio.to_thread(write_kept, self._path, msgspec.json.encode(self._kept))
            self._written = content
        except OSError as error:
            self._write_at_s = time.monotonic() + _WRITE_AGAIN_S
            why = error.strerror or error
            self._tell(f"which alerts were sent is not kept: {self._path} cannot be written: {why}")


def _told(rule: AlertRule, message: Message) -> tuple[set[str], set[str]]:
    """What is raised, and what is over, by ``message``."""
    of = digest(rule)
    raised = {told_as(of, cause.key) for cause in message.causes if cause.until is None}
    return raised, {told_as(of, cause.key) for cause in message.causes} - raised


def _began(event: Event, cause: Cause) -> bool:
    """Whether ``event`` tells of the same thing as ``cause``."""
    if event.kind == "problem":
        return event.code == cause.code and event.about in (cause.subject, cause.node)
    if cause.kind in ("node-lost", "rank-lost", "job-failed"):
        return event.about in (cause.subject, *cause.affects[:1])
    return False


def _lasting(kept: Kept) -> Kept:
    """Without what changes with each look: the moment of the newest counts to half a gap."""
    if kept.past is None:
        return kept
    past = kept.past
    rough = datetime.fromtimestamp(past.at.timestamp() // (GAP_S / 2) * (GAP_S / 2), UTC)
    return replace(kept, past=replace(past, at=rough))
