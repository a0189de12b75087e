"""How far the instances of a job are, and how fast, by the steps that they printed. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from msgspec.structs import replace

from fleetctl.medians import median
from fleetctl.model.facts import NodeFacts
from fleetctl.model.jobs import Instance, Job
from fleetctl.model.progress_status import JobProgress, ProgressStatus
from fleetctl.model.status import ServiceStatus
from fleetctl.model.steps import StepReading, Steps

SPAN_S = 5.0
"""A rate is not measured over less: times of log lines are whole seconds."""
WINDOW_S = 120.0
"""Nor over more, where there are readings within this time."""
REQUESTS_S = 30.0
"""Over so long requests are counted, or over a little more."""
LATE_TIMES = 2.0
"""A step that is late by more than this many of the longest pauses, and :data:`LATE_S`, counts:
the rate is then that up to now."""
LATE_S = 5.0
_RUNS = ("running", "ready", "unhealthy")
NO_STEPS = "its last lines name no step"


def with_own_progress(
    instance: Instance, status: ServiceStatus, told: NodeFacts | None
) -> ServiceStatus:
    """``status`` with how far the instance is, if it runs; others of its job do not count.

    :param told: the facts of its node.
    """
    if status.state not in _RUNS or instance.command is None:
        return status
    key = (instance.job, instance.name)
    progress = replace(_progress(told, key), cpus_busy=_rounded(_busy(told, key)))
    return replace(status, progress=progress)


def compared(job: Job, statuses: Mapping[str, ServiceStatus]) -> dict[str, ServiceStatus]:
    """``statuses`` with how far each instance is behind the median of its service."""
    found = dict(statuses)
    for service in job.services.values():
        _compare([i.name for i in service.instances], found)
    return found


def _busy(facts: NodeFacts | None, key: tuple[str, str]) -> float | None:
    record = facts.records.get(key) if facts else None
    return facts.busy.get(record.run) if facts and record else None


def _progress(facts: NodeFacts | None, key: tuple[str, str]) -> ProgressStatus:
    if facts is None or (steps := facts.steps.get(key)) is None:
        why = (facts.unknown.get("tails") if facts else None) or "its log was not read yet"
        return ProgressStatus(reason=why)
    return of_steps(steps)


def of_steps(steps: Steps) -> ProgressStatus:
    """How far an instance is that printed ``steps``."""
    rate, why = steps_per_s(steps)
    newest = steps.readings[-1] if steps.readings else None
    quiet_s = steps.quiet_s
    loss = steps.loss if steps.loss is not None and math.isfinite(steps.loss) else None
    if newest is None:
        why = NO_STEPS
    elif loss is None and steps.loss is not None:
        why = f"its loss is {steps.loss}"
    return ProgressStatus(
        step=newest.step if newest else None,
        steps_per_s=_rounded(rate),
        since_step_s=None if quiet_s is None else int(quiet_s),
        loss=_rounded(loss),
        epoch=_rounded(steps.epoch),
        tokens_per_s=_rounded(steps.tokens_per_s),
        requests_per_s=_rounded(requests_per_s(steps)),
        reason=steps.why or why or None,
    )


def _rounded(value: float | None) -> float | None:
    """Four digits that count."""
    return float(f"{value:.4g}") if value is not None and math.isfinite(value) else None


def steps_per_s(steps: Steps) -> tuple[float | None, str]:
    """The rate of the last minutes; None: not known, with the reason."""
    readings = _recent(steps)
    late = _late_s(replace(steps, readings=readings))
    if len(readings) > 1:
        first, last = readings[0], readings[-1]
        end_s = steps.now_s if late else last.at_s
        if end_s - first.at_s >= SPAN_S:
            return (last.step - first.step) / (end_s - first.at_s), ""
    if late:
        return None, f"no new step for {late:.0f} s"
    if steps.steps_per_s is not None:
        return steps.steps_per_s, ""
    return None, f"its rate needs two steps at least {SPAN_S:g} s apart"


def requests_per_s(steps: Steps) -> float | None:
    """Requests answered per second in the last half minute; None: not known."""
    if not steps.requests:
        return steps.requests_per_s
    former = [r for r in steps.requests if steps.now_s - r.at_s >= REQUESTS_S]
    since = former[-1] if former else steps.requests[0]
    took_s = steps.now_s - since.at_s
    return (steps.requests[-1].step - since.step) / took_s if took_s >= SPAN_S else None


def _recent(steps: Steps) -> tuple[StepReading, ...]:
    """The readings of the last minutes, or the last two."""
    fresh = tuple(r for r in steps.readings if steps.now_s - r.at_s <= WINDOW_S)
    return fresh if len(fresh) > 1 else steps.readings[-2:]


def _late_s(steps: Steps) -> float | None:
    """For how long no step was printed, if that is longer than usual; else None."""
    usual_s = max(steps.pauses_s, default=WINDOW_S / LATE_TIMES)
    quiet_s = steps.quiet_s
    return quiet_s if quiet_s is not None and quiet_s > LATE_S + LATE_TIMES * usual_s else None


def _compare(names: Sequence[str], found: dict[str, ServiceStatus]) -> None:
    """Fill in how far each of a service's instances is behind the median."""
    known = {n: p for n in names if (p := found[n].progress) and p.step is not None}
    if len(known) < 2:
        return
    middle = median(p.step for p in known.values() if p.step is not None)
    for name, progress in known.items():
        behind = round(middle - (progress.step or 0))
        found[name] = replace(found[name], progress=replace(progress, behind_steps=behind))


def job_progress(job: Job, statuses: Mapping[str, ServiceStatus]) -> JobProgress | None:
    """How far the job is; None: no instance of it runs."""
    running = {n: p for n, s in statuses.items() if (p := s.progress)}
    if not running:
        return None
    tokens_per_s = _only(p.tokens_per_s for p in running.values())
    requests = _only(p.requests_per_s for p in running.values())
    stepping = {
        name: [
            progress
            for instance in service.instances
            if (progress := running.get(instance.name)) and progress.step is not None
        ]
        for name, service in job.services.items()
    }
    best = max(stepping, key=lambda name: len(stepping[name]), default=None)
    if best is None or not stepping[best]:
        return JobProgress(
            tokens_per_s=tokens_per_s,
            requests_per_s=requests,
            reason="no instance prints its steps",
        )
    ranks = stepping[best]
    return JobProgress(
        service=best,
        step=max(p.step for p in ranks if p.step is not None),
        steps_per_s=_middle(p.steps_per_s for p in ranks),
        loss=_middle(p.loss for p in ranks),
        epoch=max((p.epoch for p in ranks if p.epoch is not None), default=None),
        tokens_per_s=tokens_per_s,
        requests_per_s=requests,
    )


def _only(values: Iterable[float | None]) -> float | None:
    """The value, if only one is known."""
    known = [value for value in values if value is not None]
    return known[0] if len(known) == 1 else None


def _middle(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return _rounded(median(known)) if known else None
