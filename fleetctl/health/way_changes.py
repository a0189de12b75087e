"""What changed of nodes, and of problems: one event for a cause, with an end. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta

from msgspec import Struct

from fleetctl.health.event_book import Book
from fleetctl.health.same_problem import (
    BAD_LINKS,
    LASTED_S,
    OF_WAYS,
    UNHEARD,
    Key,
    heard,
    instance_of,
    is_over,
    key_of,
    named,
    same_cause,
)
from fleetctl.model.events import Event
from fleetctl.model.node_status import NodeStatus
from fleetctl.model.status import FleetStatus, Problem

SETTLING = timedelta(seconds=60)
"""What is found so soon after a node was lost, or an instance changed, is a part of that."""
OLDER = timedelta(seconds=10)
"""So much older may be what others last saw of a node when it is reached again."""
REBOOT_S = 60.0
"""A node that was up for so much less than it should have been was restarted."""


class _Open(Struct):
    """A problem that is not known to be over."""

    problem: Problem
    key: str
    """Of the event that it is told by."""
    own: bool = True
    """Whether the event is about it alone."""


class WayChanges:
    """Nodes that are lost, found, or restarted, and problems.

    :param book: of all events.
    """

    def __init__(self, book: Book) -> None:
        self._book = book
        self.lost: dict[str, str] = {}
        """By node that cannot be reached: the key of its event."""
        self.restarted: dict[str, tuple[str, datetime]] = {}
        """By node that was restarted lately: the key of that event, and when it was seen."""
        self._back: dict[str, datetime] = {}
        """By node that was reached again: when."""
        self._boots: dict[str, float] = {}
        """By node: when it was started, in seconds since 1970."""
        self._open: dict[Key, _Open] = {}
        self._passing: dict[Key, datetime] = {}
        """Since when there are problems that have to last before they are told."""

    # nodes

    def look_at_nodes(self, status: FleetStatus, before: FleetStatus | None) -> None:
        at = status.generated_at
        for name, node in status.nodes.items():
            rebooted = self._restarted_at(name, node, at)
            if node.state == "unreachable":
                if name not in self.lost:
                    self._lose(name, node, at, before)
            elif node.state not in UNHEARD and name in self.lost:
                key = self.lost.pop(name)
                cause = {"cause": f"{name} was restarted"} if rebooted else {}
                self._book.end(key, at, "reached again", **cause)
                self._let_go(key)
                self._back[name] = at
                if rebooted:
                    self.restarted[name] = key, at
            elif rebooted:
                text = f"{name} was restarted"
                event = Event(rebooted, "warning", text, "node", name, node=name)
                self.restarted[name] = self._book.begin(event), at

    def _lose(self, name: str, node: NodeStatus, at: datetime, before: FleetStatus | None) -> None:
        why = (node.ssh.error or "").rstrip(".")
        silent = before is None or name not in before.nodes
        if before and name in before.nodes and before.nodes[name].ssh.unasked:
            silent = True  # it was so before
        text = f"{name} cannot be reached{f': {why}' if why else ''}"
        event = Event(at, "unreachable", text, "node", name, node=name, cause=why)
        self.lost[name] = key = self._book.begin(event, silent=silent)
        for one in self._open.values():  # what was found first, and is why
            if not (one.own and one.key in self._book and name in self._lost_by(one.problem)):
                continue
            if at - self._book[one.key].at <= SETTLING:
                self._book.amend(one.key, part_of=key)
                one.key, one.own = self._explain([name], one.problem), False

    def _restarted_at(self, name: str, node: NodeStatus, at: datetime) -> datetime | None:
        if node.system is None or node.system.uptime_s is None:
            return None
        boot_s = at.timestamp() - node.system.uptime_s
        known_s = self._boots.get(name)
        if known_s is not None and boot_s - known_s <= REBOOT_S:
            return None  # what is known first stays: uptimes are old by up to a look
        self._boots[name] = boot_s
        if known_s is None:
            return None
        return at - timedelta(seconds=node.system.uptime_s)

    def _let_go(self, key: str) -> None:
        """A node is reached again: what is still wrong is told by itself."""
        for one in self._open.values():
            if one.key == key and not one.own:
                one.key = ""

    # problems

    def look_at_problems(
        self, status: FleetStatus, before: FleetStatus | None, changed: dict[str, str]
    ) -> None:
        """New problems, then those that are over.

        :param changed: by instance: the key of the event that tells how it is.
        """
        now = {key_of(problem): problem for problem in status.problems}
        if before is not None:
            now = self._lasting(now, status.generated_at)
        gone = {key: one for key, one in self._open.items() if key not in now}
        for key, problem in now.items():
            if (one := self._open.get(key)) is not None and one.key:
                one.problem = problem
                continue
            former = {
                k: one
                for k, one in gone.items()
                if one.key
                and same_cause(one.problem, problem, status)
                and not self._was_before(one, problem)
            }
            self._open[key] = self._found(problem, former, status, before, changed)
            for k in former:
                gone.pop(k)
                self._open.pop(k, None)
        for key, one in gone.items():
            if not one.key or is_over(one.problem, status):
                del self._open[key]
                if one.own and one.key:
                    self._book.end(one.key, status.generated_at, "over")

    def _lasting(self, now: dict[Key, Problem], at: datetime) -> dict[Key, Problem]:
        """Without those that may be over at once, or already."""
        self._back = {name: since for name, since in self._back.items() if at - since < OLDER}
        self._passing = {
            key: self._passing.get(key, at) for key, p in now.items() if p.code in LASTED_S
        }
        return {key: problem for key, problem in now.items() if self._is_due(key, problem, at)}

    def _is_due(self, key: Key, problem: Problem, at: datetime) -> bool:
        one = self._open.get(key)
        if one and one.key:
            return True
        if problem.code in OF_WAYS and self._back.keys() & {problem.node, *problem.affects}:
            return False
        since = self._passing.get(key, at)
        return (at - since).total_seconds() >= LASTED_S.get(problem.code, 0.0)

    def _was_before(self, one: _Open, problem: Problem) -> bool:
        """Whether it was known long before nodes were lost, of which ``problem`` tells: it is not
        seen while they are, and the same afterwards."""
        lost = self._lost_by(problem)
        if not (lost and one.own and one.key in self._book):
            return False
        first = min(self._book[self.lost[name]].at for name in lost)
        return first - self._book[one.key].at > SETTLING

    def _found(
        self,
        problem: Problem,
        former: dict[Key, _Open],
        status: FleetStatus,
        before: FleetStatus | None,
        changed: dict[str, str],
    ) -> _Open:
        instance = instance_of(problem)
        key = changed.get(instance, "")
        if key in self._book and self._tells(key, status, before):
            self._book.amend(key, code=problem.code)
            return _Open(problem, key, own=False)
        if problem.code in BAD_LINKS and problem.node in self.lost:  # its last echoes
            return _Open(problem, self.lost[problem.node], own=False)
        if lost := self._lost_by(problem):
            return _Open(problem, self._explain(lost, problem), own=False)
        text = f"{problem.code}: {problem.summary}"
        own = next((one for one in former.values() if one.own), None)
        if own is not None:
            was = ", ".join(named(one.problem) for one in former.values())
            text = f"{text} (before: {was})"
            self._book.amend(
                own.key,
                text=text,
                code=problem.code,
                state=problem.severity,
                node=problem.node,
                subject=_bare(instance) or problem.node or "",
            )
            for other in former.values():
                if other is not own and other.own:
                    self._book.amend(other.key, part_of=own.key)
            return _Open(problem, own.key)
        event = Event(
            self._passing.get(key_of(problem), status.generated_at),
            problem.severity,
            text,
            "problem",
            _bare(instance) or problem.node or "",
            node=problem.node,
            job=problem.job or status.job,
            code=problem.code,
            affects=problem.affects,
        )
        return _Open(problem, self._book.begin(event, silent=before is None))

    def _tells(self, key: str, status: FleetStatus, before: FleetStatus | None) -> bool:
        """Whether what is found of an instance belongs to the event that tells how it is: that is
        new, or an earlier watch told both."""
        event = self._book[key]
        is_new = before is None or status.generated_at - event.at <= SETTLING
        return event.until is None and is_new

    def _lost_by(self, problem: Problem) -> list[str]:
        """The nodes that cannot be reached, of which ``problem`` tells."""
        if problem.severity != "error" or problem.code not in OF_WAYS:
            return []
        touched = {problem.node, *problem.affects}
        return [name for name in self.lost if name in touched]

    def _explain(self, lost: list[str], problem: Problem) -> str:
        """``problem`` is why these nodes are lost: one event; returns its key."""
        first = min((self.lost[name] for name in lost), key=lambda key: self._book[key].at)
        event = self._book[first]
        cause = f"{problem.code}: {problem.summary}"
        if not event.code or problem.node != event.node:  # another's word tells more than silence
            text = f"{event.subject} cannot be reached: {cause}"
            if event.subject in problem.summary and "cannot be reached" in problem.summary:
                text, cause = problem.summary, event.cause
            self._book.amend(first, code=problem.code, cause=cause, text=text)
        for name in lost:
            if self.lost[name] != first:
                self._book.amend(self.lost[name], part_of=first)
                self._book.join(first, name)
        return first

    # what an earlier watch told

    def adopt(self, event: Event, status: FleetStatus) -> bool:
        """Go on with an event that has no end yet; whether it goes on."""
        at = status.generated_at
        if event.kind == "node":
            node = status.nodes.get(event.subject)
            if node is not None and node.state == "unreachable":
                self.lost[event.subject] = self._book.begin(event, known=True)
                return True
            return node is None or node.state in UNHEARD
        for problem in status.problems:
            same_job = event.job is None or problem.job in (None, event.job)
            if problem.code == event.code and event.node == problem.node and same_job:
                key = self._book.begin(event, known=True)
                self._open[key_of(problem)] = _Open(problem, key)
                return True
        former = Problem(event.code, "error", event.text, node=event.node, affects=event.affects)
        if is_over(former, status) and heard([event.node], status):
            return False
        return at - event.at < timedelta(days=365)


def _bare(instance: str) -> str:
    """Without the job that tells it apart."""
    return instance.rpartition("/")[2]
