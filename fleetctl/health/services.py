"""The state of one instance, from the facts of its node."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import assert_never

from fleetctl.health.liveness import liveness_status
from fleetctl.health.sockets import lacking, own_sockets
from fleetctl.hiding import hidden
from fleetctl.model.facts import CUT_OFF, UNANSWERED, NodeFacts, Pane
from fleetctl.model.jobs import Instance
from fleetctl.model.pages import web_pages
from fleetctl.model.ready import ALIVE_S
from fleetctl.model.records import Record
from fleetctl.model.status import LivenessStatus, ServiceState, ServiceStatus
from fleetctl.quoting import join

_RUNS = frozenset({"running", "ready", "unhealthy"})
_ENDED = frozenset({"exited", "failed", "restarting"})
_LAST_SIGNAL = 64
"""signal(7), SIGRTMAX; macOS ends with 31."""
UNATTACHABLE = (
    "it runs, and cannot be attached to: the socket of its tmux server is gone; "
    "`fleetctl start` gives it back"
)


def service_status(fleet: str, instance: Instance, facts: NodeFacts) -> ServiceStatus:
    """The status of ``instance`` by ``facts``, those of its node."""
    key = (instance.job, instance.name)
    record = facts.records.get(key)
    pane = pane_of(fleet, instance, facts)
    works = _liveness(instance, facts, pane, record)
    state, reason = _not_told(facts, key, pane) or _state(instance, facts, pane, record, works)
    current = record if record and pane and record.run == pane.run else None
    if pane is None:
        current = record
    own = _own_pids(facts, pane, current)
    listening = _listening(instance, facts, own)
    return ServiceStatus(
        service=instance.service,
        node=instance.node,
        rank=instance.rank,
        state=state,
        reason=reason,
        pid=current.pid if current and state in _RUNS else None,
        started_at=_started_at(pane, current) if state not in ("stopped", "unknown") else None,
        ended_at=current.ended_at if current and state in _ENDED else None,
        exit_code=_exit_code(pane, current, state),
        restarts=current.restarts if current else 0,
        listening=listening,
        tmux=f"{fleet}:{instance.service}" if pane else None,
        log_bytes=facts.log_bytes.get(key, 0),
        last_lines=(current.last_line,) if current and current.last_line else None,
        changed=pane.definition_hash != instance.definition_hash if pane else None,
        arguments=shown_words(current.words) if current else None,
        liveness=works if state in _RUNS else None,
        once=instance.once,
        web=web_pages(instance, listening),
    )


def shown_words(words: Sequence[str] | None) -> str | None:
    """What was added to a command, for a person."""
    return hidden(join(words)) if words else None


def unknown_status(instance: Instance, reason: str) -> ServiceStatus:
    """The status of an instance on a node that cannot be asked."""
    return ServiceStatus(
        service=instance.service,
        node=instance.node,
        rank=instance.rank,
        state="unknown",
        reason=reason,
        once=instance.once,
        web=web_pages(instance, None),
    )


def not_asked_yet(instance: Instance) -> ServiceStatus:
    """The status of an instance before its node has answered."""
    return unknown_status(instance, f"{instance.node} has not answered yet")


def pane_of(fleet: str, instance: Instance, facts: NodeFacts) -> Pane | None:
    """The instance's window; of several (a dead one is about to be replaced) the live one."""
    mine = [
        pane
        for pane in facts.panes or ()
        if (pane.session, pane.job, pane.instance) == (fleet, instance.job, instance.name)
    ]
    return next((pane for pane in mine if not pane.dead), mine[-1] if mine else None)


def _own_pids(facts: NodeFacts, pane: Pane | None, record: Record | None) -> frozenset[int]:
    runs = {item.run for item in (pane, record) if item}
    return frozenset(pid for run in runs for pid in (facts.runs or {}).get(run, ()))


def own_processes(fleet: str, instance: Instance, facts: NodeFacts) -> frozenset[int]:
    """The processes of its newest run, as far as they are known."""
    record = facts.records.get((instance.job, instance.name))
    return _own_pids(facts, pane_of(fleet, instance, facts), record)


def _listening(instance: Instance, facts: NodeFacts, own: frozenset[int]) -> tuple[str, ...] | None:
    sockets = own_sockets(instance, facts, own)
    return None if sockets is None else tuple(map(str, sockets))


def _not_told(
    facts: NodeFacts, key: tuple[str, str], pane: Pane | None
) -> tuple[ServiceState, str] | None:
    """Without its record, or the list of processes, nothing is known of an instance."""
    if key in facts.damaged:
        return "unknown", "its record on the node is damaged: `fleetctl stop` ends whatever runs"
    if key in facts.unrecorded and pane is None:
        why = "its record on the node was removed, and it has no tmux window"
        return "unknown", f"{why}: `fleetctl stop` ends whatever runs"
    for what, why in (("records", "its record"), ("runs", "which processes run")):
        if said := facts.unknown.get(what):
            return "unknown", said if said.startswith(UNANSWERED) else f"{why} is not known: {said}"
    return None


def _liveness(
    instance: Instance, facts: NodeFacts, pane: Pane | None, record: Record | None
) -> LivenessStatus | None:
    """What is known of a running attempt, if its service has a ``liveness``."""
    if instance.liveness is None or pane is None or record is None or record.run != pane.run:
        return None
    return liveness_status(
        instance.liveness,
        record.health,
        age_s=_age_s(facts, pane, record),
        changed=pane.definition_hash != instance.definition_hash,
        now=facts.measured_at,
    )


def _state(
    instance: Instance,
    facts: NodeFacts,
    pane: Pane | None,
    record: Record | None,
    works: LivenessStatus | None,
) -> tuple[ServiceState, str | None]:
    if facts.panes is None:
        why = facts.unknown.get("tmux")
        alive = bool(record and (facts.runs or {}).get(record.run))
        if alive:  # its processes survived tmux; without the window the state is not known
            return "unknown", f"{why}, but processes of it run"
        no_tmux = facts.tmux_version is None and not (why or CUT_OFF).startswith(UNANSWERED)
        return ("stopped" if no_tmux else "unknown"), why
    if unread := _unread(facts, pane, record):
        return "unknown", unread
    if pane is None:
        return _without_pane(facts, record)
    own = record if record and record.run == pane.run else None
    if pane.dead:
        return _ended(instance, facts, pane, own)
    if own is None:
        return "starting", None
    word = own.group_word
    if own.phase == "backoff":
        if word and word.wanted == "again":
            return "restarting", f"by on_member_failure: {word.why}"
        why = f"{own.unwell}; " if own.unwell else ""
        return "restarting", f"{why}ended with exit code {own.exit_code}"
    if own.phase == "ended":  # the supervisor is about to exit
        return _ended(instance, facts, pane, own)
    remarks = [
        _in_the_background(facts, own),
        f"restarted: {own.unwell}" if own.unwell else None,
        f"on_member_failure does not hold: {own.apart}" if own.apart else None,
        f"restarted by on_member_failure: {word.why}" if word and word.wanted == "began" else None,
    ]
    if not _is_ready(instance, facts, pane, own):
        return "running", _joined(_not_ready_reason(instance, facts, pane, own), *remarks)
    if works and works.state == "failing":
        return "unhealthy", own.health.why if own.health else None
    if works and works.state == "unknown":
        return "running", f"whether it works is not known: {works.reason}"
    return "ready", _joined(*remarks)


def _unread(facts: NodeFacts, pane: Pane | None, record: Record | None) -> str | None:
    """Why what is needed to judge an instance by is not known; None: it is.

    Without a record nothing of it can run outside its window; and while that lives, which processes
    are its own only tells where it listens.
    """
    if why := facts.unknown.get("records"):
        return why
    lives = pane is not None and not pane.dead
    return facts.unknown.get("runs") if record and not lives else None


def _joined(*clauses: str | None) -> str | None:
    return "; ".join(filter(None, clauses)) or None


def _in_the_background(facts: NodeFacts, record: Record) -> str | None:
    """The supervisor goes on as long as anything runs that the command left behind."""
    if record.exit_code is None:
        return None
    left = (facts.runs or {}).get(record.run, ())
    many = f"{len(left)} of its processes run" if len(left) > 1 else "a process of it runs"
    return f"its command ended with exit code {record.exit_code}, {many} on in the background"


_GONE = {
    True: "its node was restarted",
    False: "its tmux window is gone: tmux was ended",
    None: "its tmux window is gone: the node restarted, or tmux was ended",
}
"""Why there is no window, by whether the node was booted since it was made."""


def _without_pane(facts: NodeFacts, record: Record | None) -> tuple[ServiceState, str | None]:
    if record is None or record.phase == "stopped":
        return "stopped", None
    left = still_run((facts.runs or {}).get(record.run, ()))
    if record.run in facts.supervised:
        return "running", UNATTACHABLE
    if record.at_boot and not left:
        node_says = "its node started again, and does not start it:"
        if record.at_boot.state == "waiting":
            node_says = "its node started again, and starts it once that is well:"
        return record.at_boot.state, f"{node_says} {record.at_boot.why}"
    if record.phase == "ended" and not left:
        return _ended_for_good(record, facts, None)
    return "failed", _joined(_GONE[record.booted_since], left)


def _ended(
    instance: Instance, facts: NodeFacts, pane: Pane, record: Record | None
) -> tuple[ServiceState, str | None]:
    if record and record.phase == "stopped":
        return "stopped", None
    left = still_run((facts.runs or {}).get(pane.run, ()))
    if record and record.phase == "ended":
        state, reason = _ended_for_good(record, facts, instance)
        return state, _joined(reason, left)
    if pane.dead_status is None:
        return "failed", _joined("its supervisor was ended from outside", left)
    # It ended by itself, after its record was read, or without room on the disk for its last one.
    state, reason = _ended_with(pane.dead_status)
    return state, _joined(reason, left)


def still_run(pids: Sequence[int]) -> str:
    """What is left of an instance without a supervisor, as a clause; empty: nothing."""
    if len(pids) > 1:
        return f"{len(pids)} of its processes still run"
    return f"its process {pids[0]} still runs" if pids else ""


def _ended_for_good(
    record: Record, facts: NodeFacts, instance: Instance | None
) -> tuple[ServiceState, str | None]:
    left = None if facts.runs is None else facts.runs.get(record.run, ())
    if record.asked_to_end and left == ():  # another controller is about to say that it is stopped
        return "stopped", None
    return _ended_by_itself(record, instance)


def _ended_by_itself(record: Record, instance: Instance | None) -> tuple[ServiceState, str | None]:
    reason = _exit_reason(record, instance)
    if record.group_word and record.group_word.wanted == "end":
        return "stopped", f"by on_member_failure: {record.group_word.why}"
    if record.unwell:
        return "failed", f"{reason}; it was ended, for {record.unwell}"
    return ("exited", None) if record.exit_code == 0 else ("failed", reason)


def _ended_with(code: int) -> tuple[ServiceState, str | None]:
    return ("failed", code_and_meaning(code)) if code else ("exited", None)


def code_and_meaning(code: int | None) -> str:
    """``exit code 137 (signal 9)``."""
    meaning = {126: "it could not be run", 127: "command not found"}.get(code or 0, "")
    if code is not None and 128 < code <= 128 + _LAST_SIGNAL and not meaning:
        meaning = f"signal {code - 128}"
    return f"exit code {code}" + (f" ({meaning})" if meaning else "")


def _exit_reason(record: Record, instance: Instance | None = None) -> str:
    text = code_and_meaning(record.exit_code)
    if record.restarts and instance and record.restarts >= instance.restart.max:
        text += f", after {record.restarts} restarts"
    return text


def _started_at(pane: Pane | None, record: Record | None) -> datetime | None:
    """Start of the present attempt: the window's time is finer, but is that of the first one."""
    if pane and (record is None or record.restarts == 0):
        return pane.started_at
    return record.started_at if record else None


def _age_s(facts: NodeFacts, pane: Pane, record: Record) -> float:
    if record.age_s is not None:
        return record.age_s
    started = _started_at(pane, record)
    return (facts.measured_at - started).total_seconds() if started else 0.0


def _is_ready(instance: Instance, facts: NodeFacts, pane: Pane, record: Record) -> bool:
    ready = instance.ready
    match ready.judged:
        case None:
            return record.ready
        case "listening":
            return _listens(instance, facts, pane, record)
        case "alive":
            return _age_s(facts, pane, record) >= ALIVE_S
        case "delay":
            return _age_s(facts, pane, record) >= float(ready.value)
        case other:
            assert_never(other)


def _listens(instance: Instance, facts: NodeFacts, pane: Pane, record: Record) -> bool:
    sockets = own_sockets(instance, facts, _own_pids(facts, pane, record))
    return bool(instance.listens) and not lacking(instance, sockets or ())


def _not_ready_reason(
    instance: Instance, facts: NodeFacts, pane: Pane, record: Record
) -> str | None:
    if instance.ready.kind != "listening":
        return record.unasked or instance.ready.not_yet
    if facts.listeners is None:
        return f"what listens is not known: {facts.unknown.get('listeners')}"
    if facts.runs is None:
        return f"which processes are its own is not known: {facts.unknown.get('runs')}"
    sockets = own_sockets(instance, facts, _own_pids(facts, pane, record)) or ()
    others = f"; it listens on {', '.join(map(str, sockets))}" if sockets else ""
    lacks = lacking(instance, sockets) or instance.listens
    return f"does not listen on {' and '.join(map(str, lacks))} yet{others}"


def _exit_code(pane: Pane | None, record: Record | None, state: ServiceState) -> int | None:
    if record and record.exit_code is not None:
        return record.exit_code
    return pane.dead_status if pane and pane.dead and state in ("failed", "exited") else None
