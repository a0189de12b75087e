"""The state of one instance, from the facts of its node."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import assert_never

from fleetctl.health.liveness import liveness_status
from fleetctl.model.facts import CUT_OFF, UNANSWERED, Listener, NodeFacts, Pane, Record
from fleetctl.model.jobs import Instance
from fleetctl.model.ready import ALIVE_S
from fleetctl.model.status import LivenessStatus, ServiceState, ServiceStatus

_RUNS = frozenset({"running", "ready", "unhealthy"})
ANY_ADDRESSES = frozenset({"0.0.0.0", "*", "::"})


def service_status(fleet: str, instance: Instance, facts: NodeFacts) -> ServiceStatus:
    """The status of ``instance`` by ``facts``, those of its node."""
    key = (instance.job, instance.name)
    record = facts.records.get(key)
    pane = pane_of(fleet, instance, facts)
    works = _liveness(instance, facts, pane, record)
    state, reason = _state(instance, facts, pane, record, works)
    current = record if record and pane and record.run == pane.run else None
    if pane is None:
        current = record
    own = _own_pids(facts, pane, current)
    return ServiceStatus(
        service=instance.service,
        node=instance.node,
        rank=instance.rank,
        state=state,
        reason=reason,
        pid=current.pid if current and state in _RUNS else None,
        started_at=_started_at(pane, current) if state not in ("stopped", "unknown") else None,
        exit_code=_exit_code(pane, current, state),
        restarts=current.restarts if current else 0,
        listening=_listening(facts, own),
        tmux=f"{fleet}:{instance.service}" if pane else None,
        log_bytes=facts.log_bytes.get(key, 0),
        changed=pane.definition_hash != instance.definition_hash if pane else None,
        liveness=works if state in _RUNS else None,
    )


def unknown_status(instance: Instance, reason: str) -> ServiceStatus:
    """The status of an instance on a node that cannot be asked."""
    return ServiceStatus(
        service=instance.service,
        node=instance.node,
        rank=instance.rank,
        state="unknown",
        reason=reason,
    )


def not_asked_yet(instance: Instance) -> ServiceStatus:
    """The status of an instance before its node has answered."""
    return unknown_status(instance, f"{instance.node} has not answered yet")


def strangers(
    instance: Instance, listeners: tuple[Listener, ...] | None, own: Collection[int] = ()
) -> tuple[Listener, ...]:
    """Sockets of other processes on the address and port on which ``instance`` must listen.

    :param own: the processes of the instance itself.
    """
    if instance.listen is None:
        return ()
    wanted = str(instance.listen.address)
    return tuple(
        listener
        for listener in listeners or ()
        if listener.port == instance.listen.port
        and (listener.address in (wanted, *ANY_ADDRESSES) or wanted in ANY_ADDRESSES)
        and not set(own).intersection(listener.pids)
    )


def own_pids(instance: Instance, facts: NodeFacts) -> frozenset[int]:
    """All processes on the node that carry the id of one of the instance's runs."""
    key = (instance.job, instance.name)
    runs = {pane.run for pane in facts.panes or () if (pane.job, pane.instance) == key}
    if record := facts.records.get(key):
        runs.add(record.run)
    return frozenset(pid for run in runs for pid in (facts.runs or {}).get(run, ()))


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


def _listening(facts: NodeFacts, own: frozenset[int]) -> tuple[str, ...] | None:
    if facts.listeners is None or facts.runs is None:
        return None
    return tuple(str(one) for one in facts.listeners if own.intersection(one.pids))


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
    if pane is None:
        return _without_pane(facts, record)
    own = record if record and record.run == pane.run else None
    if pane.dead:
        return _ended(instance, pane, own)
    if own is None:
        return "starting", None
    if own.phase == "backoff":
        why = f"{own.unwell}; " if own.unwell else ""
        return "restarting", f"{why}ended with exit code {own.exit_code}"
    if own.phase == "ended":  # the supervisor is about to exit
        return _ended(instance, pane, own)
    restarted = f"restarted: {own.unwell}" if own.unwell else None
    if not _is_ready(instance, facts, pane, own):
        why = _not_ready_reason(instance, facts, pane, own)
        return "running", "; ".join(said for said in (why, restarted) if said) or None
    if works and works.state == "failing":
        return "unhealthy", own.health.why if own.health else None
    if works and works.state == "unknown":
        return "running", f"whether it works is not known: {works.reason}"
    return "ready", restarted


def _without_pane(facts: NodeFacts, record: Record | None) -> tuple[ServiceState, str | None]:
    if record is None or record.phase == "stopped":
        return "stopped", None
    left = (facts.runs or {}).get(record.run, ())
    if record.phase == "ended" and not left:
        return _ended_by_itself(record, None)
    reason = "its tmux window is gone: the node restarted, or tmux was ended"
    if left:
        reason += f"; {len(left)} of its processes still run"
    return "failed", reason


def _ended(
    instance: Instance, pane: Pane, record: Record | None
) -> tuple[ServiceState, str | None]:
    if record and record.phase == "ended":
        return _ended_by_itself(record, instance)
    if record and record.phase == "stopped":
        return "stopped", None
    status = "unknown" if pane.dead_status is None else str(pane.dead_status)
    return "failed", f"its supervisor was ended from outside (status {status})"


def _ended_by_itself(record: Record, instance: Instance | None) -> tuple[ServiceState, str | None]:
    reason = _exit_reason(record, instance)
    if record.unwell:
        return "failed", f"{reason}; it was ended, for {record.unwell}"
    return ("exited", None) if record.exit_code == 0 else ("failed", reason)


def _exit_reason(record: Record, instance: Instance | None = None) -> str:
    code = record.exit_code
    meaning = {126: "it could not be run", 127: "command not found"}.get(code or 0, "")
    if code is not None and code > 128 and not meaning:
        meaning = f"signal {code - 128}"
    text = f"exit code {code}" + (f" ({meaning})" if meaning else "")
    if record.restarts and instance and record.restarts >= instance.restart.max:
        text += f", after {record.restarts} restarts"
    return text


def _started_at(pane: Pane | None, record: Record | None) -> datetime | None:
    """Start of the present attempt: the window's time is finer, but is that of the first one."""
    if pane and (record is None or record.restarts == 0):
        return pane.started_at
    return record.started_at if record else None


def _age_s(facts: NodeFacts, pane: Pane, record: Record) -> float:
    started = _started_at(pane, record)
    return (facts.measured_at - started).total_seconds() if started else 0.0


def _is_ready(instance: Instance, facts: NodeFacts, pane: Pane, record: Record) -> bool:
    ready = instance.ready
    match ready.judged:
        case None:
            return record.ready
        case "listening":
            return _listens(instance, facts, pane)
        case "alive":
            return _age_s(facts, pane, record) >= ALIVE_S
        case "delay":
            return _age_s(facts, pane, record) >= float(ready.value)
        case other:
            assert_never(other)


def _listens(instance: Instance, facts: NodeFacts, pane: Pane) -> bool:
    if instance.listen is None or facts.listeners is None or facts.runs is None:
        return False
    own = set(facts.runs.get(pane.run, ()))
    return any(
        listener.port == instance.listen.port
        and listener.address == str(instance.listen.address)
        and own.intersection(listener.pids)
        for listener in facts.listeners
    )


def _not_ready_reason(
    instance: Instance, facts: NodeFacts, pane: Pane, record: Record
) -> str | None:
    if instance.ready.kind != "listening":
        return instance.ready.not_yet
    if facts.listeners is None:
        return f"what listens is not known: {facts.unknown.get('listeners')}"
    own = _own_pids(facts, pane, record)
    bound = [str(one) for one in facts.listeners if own.intersection(one.pids)]
    others = f"; it listens on {', '.join(bound)}" if bound else ""
    return f"does not listen on {instance.listen} yet{others}"


def _exit_code(pane: Pane | None, record: Record | None, state: ServiceState) -> int | None:
    if record and record.exit_code is not None:
        return record.exit_code
    return pane.dead_status if pane and pane.dead and state == "failed" else None
