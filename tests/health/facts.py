"""Facts for tests: a node with an instance that can be in any state."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from fleetctl.health.progress import compared, with_own_progress
from fleetctl.model.facts import Listener, NodeFacts, Pane
from fleetctl.model.jobs import Instance, Job
from fleetctl.model.records import Health, Record
from fleetctl.model.status import ServiceStatus

NOW = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
RUN = "abc123"
PID = 101
HAS_TMUX = {"tmux_version": "3.3a", "panes": ()}


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def pane(of: Instance, **more: Any) -> Pane:
    fields: dict[str, Any] = {
        "session": "fleet",
        "window_id": "@1",
        "dead": False,
        "dead_status": None,
        "job": of.job,
        "instance": of.name,
        "run": RUN,
        "definition_hash": of.definition_hash,
        "started_at": ago(30),
    }
    return Pane(**{**fields, **more})


def record(of: Instance, **more: Any) -> Record:
    fields: dict[str, Any] = {
        "job": of.job,
        "instance": of.name,
        "run": RUN,
        "phase": "running",
        "pid": PID,
        "started_at": ago(30),
        "ended_at": None,
        "exit_code": None,
        "restarts": 0,
        "ready": False,
    }
    return Record(**{**fields, **more})


def facts(*found: Pane | Record | Listener, **more: Any) -> NodeFacts:
    """Facts of a node with tmux, on which RUN has the single process PID, or none if its window is
    dead."""
    dead = any(isinstance(x, Pane) and x.dead for x in found)
    fields: dict[str, Any] = {
        "measured_at": NOW,
        "system": None,
        "tmux_version": "3.3a",
        "panes": tuple(x for x in found if isinstance(x, Pane)),
        "records": {(x.job, x.instance): x for x in found if isinstance(x, Record)},
        "log_bytes": {},
        "listeners": tuple(x for x in found if isinstance(x, Listener)),
        "runs": {} if dead else {RUN: (PID,)},
        "unknown": {},
    }
    return NodeFacts(**{**fields, **more})


def running(of: Instance, *found: Listener, **of_record: Any) -> NodeFacts:
    """Facts of a node on which the instance runs."""
    return facts(pane(of), record(of, **of_record), *found)


def listener(address: str, port: int, *pids: int, process: str | None = "python3") -> Listener:
    return Listener(address, port, pids, process)


def health(state: Any = "failing", failures: int = 3, **more: Any) -> Health:
    """What a prober that runs wrote down: the same failure, again and again for 25 s."""
    fields: dict[str, Any] = {
        "state": state,
        "failures": failures,
        "alike": failures,
        "for_s": 25.0,
        "why": "x:1 refused the connection" if state == "failing" else "x:1 accepted a connection",
        "asks": True,
    }
    return Health(**{**fields, **more})


def with_progress(
    job: Job, statuses: Mapping[str, ServiceStatus], facts: Mapping[str, NodeFacts]
) -> dict[str, ServiceStatus]:
    """``statuses`` with how far each running instance is."""
    own = {i.name: with_own_progress(i, statuses[i.name], facts.get(i.node)) for i in job.instances}
    return compared(job, {**statuses, **own})
