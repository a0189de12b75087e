"""What of a status is worth an alert, and whether what was told is over. Pure.

What cannot be asked is never over: of a node that is lost nothing is known but that.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Set
from datetime import datetime
from fnmatch import fnmatchcase

from msgspec import Struct
from msgspec.structs import replace

from fleetctl.health.all_jobs import shared_names
from fleetctl.health.same_problem import explained
from fleetctl.model.alerts import AlertKind, AlertRule, Cause
from fleetctl.model.node_status import NodeStatus
from fleetctl.model.status import ALIVE_STATES, FleetStatus, Problem, ServiceStatus
from fleetctl.model.topology import Fleet
from fleetctl.quantities import count, duration, size

DISK_LOW_BYTES = 1024**3
DISK_WELL_BYTES = 5 * DISK_LOW_BYTES // 4
"""From here on a disk is no longer low; between the two it stays what it was."""
_UNHEARD = ("unreachable", "unknown")
_OF_CODES: Mapping[str, AlertKind] = {
    "service-silent": "rank-silent",
    "straggler": "straggler",
    "packet-loss": "link-worse",
    "rtt-high": "link-worse",
}
_OF_INSTANCES = frozenset({"rank-lost", "rank-silent", "straggler"})


class Past(Struct):
    """What has to be remembered of earlier looks."""

    since: datetime
    """Of the first look."""
    at: datetime
    """Of the newest."""
    ran: set[str] = set()
    """Instances, as JOB/NAME, that ran when they were last asked, or have ended since."""

    def take(self, status: FleetStatus) -> None:
        """Remember what ``status`` tells."""
        self.at = status.generated_at
        known = set()
        for job, found in status.jobs.items():
            for name, service in found.services.items():
                known.add(f"{job}/{name}")
                if service.state in ALIVE_STATES:
                    self.ran.add(f"{job}/{name}")
                elif service.state in ("stopped", "waiting") or service.done:
                    self.ran.discard(f"{job}/{name}")
        self.ran &= known


def _named(status: FleetStatus) -> Mapping[tuple[str, str], str]:
    """By job and instance: how it is called in ``status``."""
    shared = shared_names(status.jobs)
    return {
        (job, name): f"{job}/{name}" if name in shared else name
        for job, found in status.jobs.items()
        for name in found.services
    }


def causes(status: FleetStatus, fleet: Fleet, past: Past) -> Iterator[Cause]:
    """All there are in ``status``, which is of all jobs; what covers others comes before them."""
    for name, node in status.nodes.items():
        if node.state == "unreachable":
            yield _node_lost(name, node, status)
    for job, found in status.jobs.items():
        services = found.services
        yield from _job_failed(job, services, status, fleet)
        done = run_ended(services)
        if done and done >= past.since:
            yield _run_done(job, services, done, fleet)
        elif not done:
            yield from _ranks_lost(job, services, status, fleet, past.ran)
    for name, node in status.nodes.items():
        free = node.system.disk_free_bytes if node.system else None
        if free is not None and free < DISK_LOW_BYTES:
            yield _disk_low(name, free, status)
    links: dict[str, Cause] = {}
    for problem in status.problems:
        cause = _of_problem(problem, status, fleet)
        if cause and cause.kind == "link-worse":
            if cause.node and status.nodes[cause.node].state == "unreachable":
                continue  # these are its last echoes
            links[cause.subject] = _with(links.get(cause.subject), cause)
        elif cause:
            yield cause
    yield from links.values()


def _with(one: Cause | None, more: Cause) -> Cause:
    """One cause of both: what loses packets often delays them, too."""
    if one is None:
        return more
    affects = tuple(dict.fromkeys((*one.affects, *more.affects)))
    do = tuple(dict.fromkeys((*one.do, *more.do)))
    return replace(one, text=f"{one.text}; {more.text}", do=do, affects=affects)


def run_ended(services: Mapping[str, ServiceStatus]) -> datetime | None:
    """When the work of a job ended well: all that runs once is done, or, where nothing does, all
    ended with exit code 0. None: it has not, or that is not known."""
    once = [service for service in services.values() if service.once]
    if any(service.state == "failed" for service in services.values()):
        return None
    mine = once or list(services.values())
    ends = [s.ended_at for s in mine if s.state == "exited" and (s.done or s.exit_code == 0)]
    times = [end for end in ends if end is not None]
    return max(times) if mine and len(times) == len(mine) else None


def _run_done(
    job: str, services: Mapping[str, ServiceStatus], ended: datetime, fleet: Fleet
) -> Cause:
    mine = {name: s for name, s in services.items() if s.state == "exited"}
    begun = [s.started_at for s in mine.values() if s.started_at is not None]
    took = f" after {duration((ended - min(begun)).total_seconds())}" if begun else ""
    names = next(iter(mine)) if len(mine) == 1 else count(len(mine), "instance")
    text = f"job {job} is done{took}: {names} ended with exit code 0"
    return Cause(
        "run-done", job, text, ended, (_command("logs", job, fleet),), job,
        affects=tuple(mine), begun=max(begun, default=None),
    )  # fmt: skip


def _command(words: str, job: str, fleet: Fleet) -> str:
    """``fleetctl`` with the option of the job, unless it is the default one."""
    chosen = "" if job == next(iter(fleet.jobs), job) else f"--job {job} "
    return f"fleetctl {chosen}{words}"


def _node_lost(name: str, node: NodeStatus, status: FleetStatus) -> Cause:
    about = [p for p in status.problems if p.severity == "error" and name in (p.node, *p.affects)]
    why = about[0].summary if about else f"{name} cannot be reached: {node.ssh.error}"
    text = why if name in why else f"{name} is lost: {why}"
    code = about[0].code if about else ""
    do = ("fleetctl check", *([f"fleetctl explain {code}"] if code else []))
    at = status.generated_at
    return Cause("node-lost", name, text, at, do, node=name, affects=node.services)


def _job_failed(
    job: str, services: Mapping[str, ServiceStatus], status: FleetStatus, fleet: Fleet
) -> Iterator[Cause]:
    """An elastic job goes on without those that failed."""
    failed = {name: s for name, s in services.items() if s.state == "failed"}
    alive = any(s.state in ALIVE_STATES or s.state == "unknown" for s in services.values())
    elastic = job in fleet.jobs and fleet.jobs[job].elastic
    if not failed or (elastic and alive):
        return
    first = min(failed, key=lambda name: _ended(failed[name], status))
    others = f", and {count(len(failed) - 1, 'other')}" if len(failed) > 1 else ""
    named = _named(status)
    text = f"job {job} failed: {_why(named[job, first], failed[first], status)}{others}"
    node, at = failed[first].node, status.generated_at
    affects = tuple(named[job, name] for name in failed)
    yield Cause("job-failed", job, text, at, _look(first, job, fleet), job, node, affects=affects)


def _ended(service: ServiceStatus, status: FleetStatus) -> datetime:
    return service.ended_at or status.generated_at


def _look(name: str, job: str, fleet: Fleet) -> tuple[str, ...]:
    return tuple(_command(f"{what} {name}", job, fleet) for what in ("postmortem", "logs"))


def _why(name: str, service: ServiceStatus, status: FleetStatus) -> str:
    own = (p for p in status.problems if p.code.startswith(("service-", "command-", "workdir-")))
    if summary := next((p.summary for p in own if p.affects[:1] == (name,)), ""):
        return summary
    code = f" with exit code {service.exit_code}" if service.exit_code is not None else ""
    said = f"ended{code}" if service.state == "exited" else f"failed{code}"
    return f"{name} {said}{f': {service.reason}' if service.reason else ''}"


def _ranks_lost(
    job: str,
    services: Mapping[str, ServiceStatus],
    status: FleetStatus,
    fleet: Fleet,
    ran: Set[str],
) -> Iterator[Cause]:
    goes_on = any(service.state in ALIVE_STATES for service in services.values())
    named = _named(status)
    for name, service in services.items():
        before = f"{job}/{name}" in ran
        node = status.nodes.get(service.node)
        if service.state == "failed" or (service.state == "exited" and not service.done):
            if not before and not goes_on:
                continue
            text = _why(named[job, name], service, status)
        elif service.state == "unknown" and node and node.state == "unreachable" and before:
            text = f"{named[job, name]} ran, and what became of it is not known: {node.ssh.error}"
        else:
            continue
        at = status.generated_at
        do = _look(name, job, fleet)
        if service.state == "unknown":  # its node has no logs to show now
            do = ("fleetctl check", do[0])
        yield Cause("rank-lost", named[job, name], text, at, do, job, service.node)


def _disk_low(name: str, free: int, status: FleetStatus) -> Cause:
    text = f"the disk of {name}'s home folder has {size(free)} left"
    do = (f"fleetctl exec {name} -- df -h",)
    return Cause("disk-low", name, text, status.generated_at, do, node=name)


def _of_problem(problem: Problem, status: FleetStatus, fleet: Fleet) -> Cause | None:
    kind = _OF_CODES.get(problem.code)
    if kind is None:
        if problem.severity != "error":
            return None
        kind = "problem"
    instances = [name for name in problem.affects if "@" in name]
    named = _named(status)
    job = problem.job or next((job for (job, _), name in named.items() if name in instances), None)
    first = next((n for n in instances if n.endswith(f"@{problem.node}")), "")
    if kind in _OF_INSTANCES:
        subject = instances[0] if len(instances) == 1 else job or problem.node or ""
        bare = instances[0].rpartition("/")[2] if instances else ""
        do = _look(bare, job, fleet)[1:] if bare and job else ("fleetctl status",)
    else:
        of_instance = problem.code.startswith(("service-", "port-")) and first
        subject = first if of_instance else problem.node or ", ".join(problem.affects)
        do = (f"fleetctl explain {problem.code}",)
    if problem.fix and problem.fix.steps:
        do = (f"fleetctl fix {problem.fix.on}", *do)
    at = status.generated_at
    return Cause(
        kind, subject, problem.summary, at, do, job, problem.node, problem.code,
        affects=problem.affects,
    )  # fmt: skip


# whether it is over


def is_over(cause: Cause, status: FleetStatus) -> bool:
    """Whether a cause that is no longer found in ``status`` is over, and not only unknown."""
    places = _places(cause, status)
    if any(status.nodes[name].state in _UNHEARD for name in places):
        return False
    of = {name: status.jobs[job].services[own] for (job, own), name in _named(status).items()}
    instances = [of[name] for name in (cause.subject, *cause.affects) if name in of]
    if cause.kind not in ("node-lost", "problem") and any(s.state == "unknown" for s in instances):
        return False
    alive = any(s.state in ALIVE_STATES for s in instances)
    if cause.kind in ("rank-silent", "straggler") and alive:
        return not explained({*places, cause.subject, *cause.affects}, status)
    if cause.kind == "disk-low" and cause.subject in status.nodes:
        system = status.nodes[cause.subject].system
        free = system.disk_free_bytes if system else None
        return free is not None and free >= DISK_WELL_BYTES
    if cause.kind == "link-worse":
        rows = [row for name in places for row in status.nodes[name].reachability]
        return all(row.ok is True for row in rows if row.expected and row.node in places)
    return True


def _places(cause: Cause, status: FleetStatus) -> set[str]:
    """The nodes that must be heard before it is over."""
    names = {cause.node or "", cause.subject.rpartition("@")[2]}
    if cause.kind in ("link-worse", "job-failed", "rank-silent") or not cause.node:
        names |= {name.rpartition("@")[2] for name in cause.affects}
    return names & {*status.nodes}


# which rule takes it, and with which other it is told


def wanted(cause: Cause, rule: AlertRule, fleet: Fleet) -> bool:
    """Whether ``rule`` takes it."""
    if cause.kind not in rule.on:
        return False
    names = {cause.subject, *cause.affects, *([cause.node] if cause.node else [])}
    names |= {name.rpartition("/")[2] for name in names}
    names |= {part for name in names for part in name.split("@")}
    if rule.targets and not any(fnmatchcase(n, t) for n in names for t in rule.targets):
        return False
    if not rule.jobs or cause.job is not None:
        return not rule.jobs or cause.job in rule.jobs
    used = {i.node for job in rule.jobs if job in fleet.jobs for i in fleet.jobs[job].instances}
    return not names.isdisjoint(used)


class Wholes:
    """Of what others are a part, and with which these are told.

    :param causes: those that are there.
    """

    def __init__(self, causes: Iterable[Cause]) -> None:
        subjects: dict[str, set[str]] = {}
        for cause in causes:
            subjects.setdefault(cause.kind, set()).add(cause.subject)
        self._nodes = subjects.get("node-lost", set())
        self._jobs = subjects.get("job-failed", set())
        self._instances = subjects.get("rank-lost", set()) | subjects.get("rank-silent", set())
        self._disks = subjects.get("disk-low", set())

    def cover(self, part: Cause) -> bool:
        """Whether ``part`` is told with another one."""
        if part.kind in ("node-lost", "job-failed", "run-done"):
            return False
        if not self._nodes.isdisjoint((part.node, part.subject.rpartition("@")[2])):
            return True
        if part.job in self._jobs and (part.kind in _OF_INSTANCES or part.kind == "problem"):
            return True
        if part.kind in ("problem", "straggler") and part.subject in self._instances:
            return True
        return part.code == "disk-full" and part.node in self._disks
