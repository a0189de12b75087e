"""How the job is, in a few words: its state, how far it is, which rank is the trouble. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from datetime import datetime

from msgspec import Struct

from fleetctl.health.kinds.instances import (
    CONNECTION_LOST,
    SERVICE_ENDED_EARLY,
    SERVICE_FAILED,
    SERVICE_SILENT,
    SERVICE_UNHEALTHY,
    STRAGGLER,
)
from fleetctl.marks import Mark, mark
from fleetctl.model.progress_status import JobProgress, ProgressStatus
from fleetctl.model.status import ALIVE_STATES, FleetStatus, Problem, ServiceStatus
from fleetctl.quantities import duration
from fleetctl.words.progress import number, rate, server_words

SILENT_S = 15.0
"""A rank is not called silent before, nor before :data:`SILENT_STEPS` steps of the others."""
SILENT_STEPS = 10
STALLED_S = 30.0
"""The same of a whole job."""
UNSURE_S = 300.0
"""Where no rate is known."""
_TREND = 30
_LEAST = 4
"""So many losses, of different steps, have a trend."""
_CHANGE = 0.01

_OF_RANKS = frozenset(
    kind.code for kind in (CONNECTION_LOST, SERVICE_ENDED_EARLY, SERVICE_SILENT, STRAGGLER)
)
"""Warnings that say that a rank takes no part."""
_SAID_BY_STATE = frozenset(kind.code for kind in (SERVICE_FAILED, SERVICE_UNHEALTHY))

MARKS: Mapping[str, Mark] = {
    "asking": Mark("?", "busy"),
    "moving": mark("ok"),
    "stalled": mark("error"),
}
"""Of the states of a job that instances do not have."""


class Trouble(Struct, frozen=True):
    """What is wrong with the job, by its worst cause."""

    name: str
    """Of an instance, its node, or what else it is about."""
    said: str
    """Such as ``silent 45 s``."""


def job_state(status: FleetStatus | None, troubles: tuple[Trouble, ...]) -> str:
    """One word; "asking" until every node was asked, empty without a job."""
    if status is None or status.unasked:
        return "asking"
    services = status.services.values()
    states = {service.state for service in services}
    if not states:
        return ""
    if all(service.done for service in services):
        return "done"
    if not states & ALIVE_STATES:
        return next((s for s in ("failed", "unknown", "waiting") if s in states), "stopped")
    if stalled_s(status) is not None:
        return "stalled"
    if troubles:
        return "degraded"
    if any(s.state != "ready" and not s.done for s in services):
        return "starting"
    return "moving" if status.progress and status.progress.step is not None else "ready"


def state_mark(word: str) -> Mark:
    """The mark of :func:`job_state`."""
    return MARKS.get(word) or mark(word)


def since_step_s(status: FleetStatus) -> float | None:
    """How old the newest step of any rank is, in seconds."""
    known = [p.since_step_s for _, p in _ranks(status) if p.since_step_s is not None]
    return min(known, default=None)


def stalled_s(status: FleetStatus) -> float | None:
    """For how long no rank made a step, if that is longer than it should be; else None."""
    since_s = since_step_s(status)
    late = since_s is not None and since_s > _patience_s(status.progress, STALLED_S)
    return since_s if late else None


def _ranks(status: FleetStatus) -> Iterator[tuple[str, ProgressStatus]]:
    progress = status.progress
    for name, service in status.services.items():
        if progress and service.service == progress.service and service.progress:
            yield name, service.progress


def _patience_s(progress: JobProgress | None, least_s: float) -> float:
    if progress is None or not progress.steps_per_s:
        return UNSURE_S
    return max(least_s, SILENT_STEPS / progress.steps_per_s)


def silent_ranks(status: FleetStatus) -> dict[str, float]:
    """By name: ranks that make no step while others do, and since when, in seconds."""
    since_s = since_step_s(status)
    patience_s = _patience_s(status.progress, SILENT_S)
    if since_s is None or since_s > patience_s:
        return {}
    known = ((name, progress.since_step_s) for name, progress in _ranks(status))
    return {name: since for name, since in known if since is not None and since > patience_s}


def rank_trouble(
    status: FleetStatus, name: str, silent: Mapping[str, float], heard: Mapping[str, datetime]
) -> str:
    """What is wrong with an instance, beside its node's name; empty: nothing that is known.

    :param silent: of :func:`silent_ranks`.
    :param heard: by node, when it last answered.
    """
    service = status.services[name]
    match service.state:
        case "unknown" if _is_unasked(status, service.node):
            return ""
        case "unknown" if _is_lost(status, service.node) and (at := heard.get(service.node)):
            return f"lost {ago((status.generated_at - at).total_seconds())}"
        case "failed" | "unhealthy" | "restarting" | "unknown" as word:
            return word
        case "stopped" | "exited" as word if not service.done and _runs_without(status, name):
            return word
    if name in silent:
        return f"silent {ago(silent[name])}"
    problem = next((p for p in status.problems if _takes_no_part(p, name)), None)
    if problem is None:
        return ""
    since_s = service.progress.since_step_s if service.progress else None
    if problem.code == SERVICE_SILENT.code and since_s is not None:
        return f"silent {ago(since_s)}"
    if problem.code == STRAGGLER.code:
        behind = service.progress.behind_steps if service.progress else None
        return f"{behind} steps behind" if behind and behind > 0 else "lags"
    return problem.code.removeprefix("service-")


def _is_lost(status: FleetStatus, node: str) -> bool:
    """Whether a node does not answer; one that answers, but not to everything, is not lost."""
    known = status.nodes.get(node)
    return known is not None and known.ssh.reachable is False


def _is_unasked(status: FleetStatus, node: str) -> bool:
    known = status.nodes.get(node)
    return known is not None and known.ssh.unasked


def _runs_without(status: FleetStatus, name: str) -> bool:
    return any(s.state in ALIVE_STATES for n, s in status.services.items() if n != name)


def _takes_no_part(problem: Problem, name: str) -> bool:
    return problem.code in _OF_RANKS and name in problem.affects


def troubles(status: FleetStatus, heard: Mapping[str, datetime]) -> tuple[Trouble, ...]:
    """What is wrong with the job: what stops it first. Nothing where no instance of it runs, but
    where that is not known of one although its node was asked."""
    states = {service.state for service in status.services.values()}
    if not states & ALIVE_STATES and (status.unasked or "unknown" not in states):
        return ()
    return tuple(_troubles(status, heard))


def _troubles(status: FleetStatus, heard: Mapping[str, datetime]) -> Iterator[Trouble]:
    silent = silent_ranks(status)
    words = {name: rank_trouble(status, name, silent, heard) for name in status.services}
    told: set[str] = set()
    for problem in status.problems:
        hit = _hit(problem, status.services)
        if hit and problem.severity == "error" and problem.code not in _SAID_BY_STATE:
            told |= set(hit)
            own = next((n for n in hit if status.services[n].node == problem.node), "")
            lost = own and words[own].startswith("lost")
            yield Trouble(problem.node or "the job", words[own] if lost else problem.code)
    order = ("failed", "lost", "unhealthy", "silent")
    for name in sorted(
        (n for n, said in words.items() if said and n not in told),
        key=lambda n: next((i for i, w in enumerate(order) if words[n].startswith(w)), len(order)),
    ):
        node = status.services[name].node
        alone = sum(s.node == node for s in status.services.values()) == 1
        yield Trouble(node if alone else name, words[name])


def _hit(problem: Problem, services: Mapping[str, ServiceStatus]) -> list[str]:
    """The instances that a problem affects, or whose node it affects."""
    where = {*problem.affects, problem.node}
    return [name for name, service in services.items() if where & {name, service.node}]


def waiting_ranks(status: FleetStatus) -> dict[str, str]:
    """By name: what is said of ranks that are ready in a job that is stalled, as ``idle 45 s``."""
    if stalled_s(status) is None:
        return {}
    return {
        name: f"idle {ago(progress.since_step_s)}"
        for name, progress in _ranks(status)
        if status.services[name].state == "ready" and progress.since_step_s is not None
    }


def ranks_at_work(status: FleetStatus) -> int:
    """How many instances are ready, and not silent while others make steps."""
    silent = silent_ranks(status)
    return sum(s.state == "ready" and name not in silent for name, s in status.services.items())


def idle_ranks(status: FleetStatus) -> frozenset[str]:
    """Instances that are ready, and take no part all the same."""
    silent, waiting = silent_ranks(status), waiting_ranks(status)
    ready = (name for name, service in status.services.items() if service.state == "ready")
    return frozenset(
        name for name in ready if name in waiting or rank_trouble(status, name, silent, {})
    )


def ago(seconds: float) -> str:
    """``45 s``, ``2m10s``."""
    return f"{int(max(0, seconds))} s" if seconds < 60 else duration(seconds)


def grouped(step: int) -> str:
    """A step with its thousands apart: ``7 739``."""
    return f"{step:,}".replace(",", " ")


class Trend:
    """Where the loss goes, by the steps that were seen."""

    def __init__(self) -> None:
        self._seen: deque[tuple[int, float]] = deque(maxlen=_TREND)

    def take(self, progress: JobProgress | None) -> None:
        """Add the newest loss; a step that is lower than the last begins anew."""
        if progress is None or progress.step is None or progress.loss is None:
            return
        if self._seen and progress.step < self._seen[-1][0]:
            self._seen.clear()
        if not self._seen or progress.step > self._seen[-1][0]:
            self._seen.append((progress.step, progress.loss))

    @property
    def arrow(self) -> str:
        """``↓``, ``↑`` or ``→``; empty while too little was seen."""
        losses = [loss for _, loss in self._seen]
        if len(losses) < _LEAST:
            return ""
        part = max(1, len(losses) // 3)
        before, now = sum(losses[:part]) / part, sum(losses[-part:]) / part
        if abs(now - before) <= _CHANGE * max(abs(before), abs(now)):
            return "→"
        return "↓" if now < before else "↑"


def progress_words(status: FleetStatus, trend: str) -> tuple[str, ...]:
    """How far the job is, the most important first: steps, or what a server does."""
    progress = status.progress
    if progress is None:
        return ()
    words = []
    if progress.step is not None:
        words.append(f"step {grouped(progress.step)}")
    if (quiet_s := stalled_s(status)) is not None:
        words.append(f"no step for {ago(quiet_s)}")
    elif progress.steps_per_s is not None:
        words.append(rate(progress.steps_per_s))
    if progress.loss is not None:
        words.append(f"loss {number(progress.loss)} {trend}".rstrip())
    words += server_words(progress)
    if progress.epoch is not None:
        words.append(f"epoch {number(progress.epoch)}")
    return tuple(words)
