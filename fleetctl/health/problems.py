"""Problems of connections, machines and instances: one per root cause, with what it affects."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from msgspec.structs import replace

from fleetctl.errors import LinkError
from fleetctl.health.failures import in_order_of_failure
from fleetctl.health.kinds.connection import (
    ANSWER_INCOMPLETE,
    LOGIN_SHELL_SLOW,
    SSH_CONFIG_IGNORED,
)
from fleetctl.health.kinds.instances import (
    COMMAND_MISSING,
    DEPENDENCY_NOT_READY,
    PORT_NOT_LISTENING,
    SERVICE_CHANGED,
    SERVICE_CRASH_LOOP,
    SERVICE_FAILED,
    SERVICE_UNHEALTHY,
    WORKDIR_MISSING,
)
from fleetctl.health.kinds.kind import listed, some
from fleetctl.health.kinds.machine import (
    DISK_FULL,
    LOCAL_NETWORK_DENIED,
    OS_MISMATCH,
    STATE_UNWRITABLE,
    TMUX_MISSING,
    TMUX_UNUSABLE,
    UNDERVOLTAGE,
)
from fleetctl.health.kinds.registry import KINDS
from fleetctl.health.member_failure import ended_for
from fleetctl.health.port_problems import exposed, port_problem
from fleetctl.health.requirements import missing
from fleetctl.health.wording import wording
from fleetctl.model.facts import (
    CUT_OFF,
    NO_ANSWER,
    NOT_SUPPORTED,
    OF_BUSYBOX,
    UNANSWERED,
    NodeFacts,
)
from fleetctl.model.jobs import Instance, Job
from fleetctl.model.look import Look
from fleetctl.model.plan import carried, met, plan, waiting_for
from fleetctl.model.status import ALIVE_STATES, Fix, Problem, ServiceStatus
from fleetctl.model.tmux_refusals import refusal
from fleetctl.model.topology import Fleet, Node
from fleetctl.model.write_refusals import write_refusal
from fleetctl.quantities import duration

DISK_FULL_BYTES = 16 * 1024 * 1024
"""With less free space than this a disk counts as full: the next log segment does not fit."""
SLOW_SHELL_S = 4.0
"""A login shell that takes longer is told; it is usually there within a few tenths of a second."""
CRASH_LOOP_RESTARTS = 3
COMMAND_NOT_FOUND = 127
"""The exit code of a shell that does not find a command (POSIX, Shell Command Language, 2.8.2)."""
OLDEST_TMUX = (3, 0)
"""The first with remain-on-exit, respawn-pane -k with arguments, and user options of windows."""
OLDEST_TMUX_TEXT = ".".join(map(str, OLDEST_TMUX))


def link_problem(node: Node, error: LinkError, job: Job | None) -> Problem:
    """The node cannot be talked to."""
    hint = f". {error.hint}" if error.hint else ""
    return KINDS[error.code].problem(
        node.name,
        reason=f"{error.reason}{hint}",
        what=f"{node.name} cannot be reached: {error.reason}",
        affects=_carried(node, job),
        evidence=error.reason,
    )


def login_problems(looks: Mapping[str, Look]) -> Iterator[Problem]:
    """What logging in shows of ``~/.ssh/config`` here, and of the accounts there."""
    directives: dict[str, list[str]] = {}
    for name, look in looks.items():
        for directive in look.ignored:
            directives.setdefault(directive, []).append(name)
        if look.shell_s is not None and look.shell_s > SLOW_SHELL_S:
            yield LOGIN_SHELL_SLOW.problem(
                name,
                seconds=look.shell_s,
                evidence=f"{look.shell_s:.1f} s from the request to the script's first byte",
            )
    if directives:
        nodes = tuple(dict.fromkeys(n for names in directives.values() for n in names))
        yield SSH_CONFIG_IGNORED.problem(
            None,
            nodes=some(nodes, "nodes"),
            directives=", ".join(directives),
            affects=nodes,
            evidence="; ".join(f"{d}: {', '.join(names)}" for d, names in directives.items()),
        )


def _carried(node: Node, job: Job | None) -> tuple[str, ...]:
    """The instances on ``node`` and those that wait for them."""
    return carried(job, node.name) if job else ()


def node_problems(node: Node, facts: NodeFacts, job: Job | None) -> Iterator[Problem]:
    """What is wrong with the machine itself."""
    names = _carried(node, job)
    system = facts.system
    if facts.unsupported:
        yield OS_MISMATCH.problem(
            node.name,
            severity="error",
            os=facts.unsupported,
            but="which is not supported",
            evidence=f"uname -s: {facts.unsupported}",
            affects=names,
        )
    elif system and node.os and system.os and system.os != node.os:
        yield OS_MISMATCH.problem(
            node.name,
            os=system.os,
            but=f"but nodes.yaml says {node.os}",
            evidence=f"uname: {system.os} {system.os_version or ''}".strip(),
            affects=names,
        )
    yield from _incomplete(node, facts, names)
    yield from _tmux(node, facts, names)
    free = system.disk_free_bytes if system else None
    if free is not None and free < DISK_FULL_BYTES:
        evidence = f"df: {free} bytes free"
        yield DISK_FULL.problem(node.name, free_kib=free // 1024, evidence=evidence, affects=names)
    if bad := facts.unwritable:
        owner = f" (it belongs to {bad.owner})" if bad.owner else ""
        yield STATE_UNWRITABLE.problem(
            node.name,
            folder=bad.folder,
            reason=f"{bad.why}{owner}. {write_refusal(node.name, bad.why).hint}",
            evidence=bad.listing,
            affects=names,
        )
    yield from _power(node, facts)
    if job and facts.local_network and facts.local_network.allowed is False:
        yield from _denied(node, facts, job)


_NEEDED = frozenset({"interfaces", "runs"})
"""Without these probes nothing is known of the network, or of what runs: nothing can be well."""
_DAMAGED = "damaged on its disk: `fleetctl stop` ends whatever runs"


def _incomplete(node: Node, facts: NodeFacts, names: Sequence[str]) -> Iterator[Problem]:
    """The answer was cut off, or a question had none, or the node has no tool to answer it."""
    by_reason: dict[str, list[str]] = {}
    for name, why in facts.unknown.items():
        untold = name in _NEEDED and not why.startswith(NOT_SUPPORTED)
        if untold or why.startswith((CUT_OFF, NO_ANSWER, OF_BUSYBOX)):
            by_reason.setdefault(why, []).append(name)
    for _, instance in sorted(facts.damaged):
        by_reason.setdefault(_DAMAGED, []).append(f"the record of {instance}")
    if by_reason:
        said = [f"{some(found, 'answers')} ({why})" for why, found in by_reason.items()]
        yield ANSWER_INCOMPLETE.problem(
            node.name,
            reason="; ".join(said),
            evidence="; ".join(f"{', '.join(found)}: {why}" for why, found in by_reason.items()),
            affects=names,
        )


def _tmux(node: Node, facts: NodeFacts, names: Sequence[str]) -> Iterator[Problem]:
    why = facts.unknown.get("tmux", CUT_OFF)
    if facts.tmux_version is None and not why.startswith(UNANSWERED):
        install = wording(facts).installs_tmux
        yield TMUX_MISSING.problem(
            node.name,
            what=f"{node.name} has no tmux, so nothing can be started there. Install it: {install}",
            evidence=why,
            affects=names,
        )
    elif facts.tmux_version and too_old(facts.tmux_version):
        version = facts.tmux_version
        yield TMUX_MISSING.problem(
            node.name,
            what=f"tmux {version} on {node.name} is too old: {OLDEST_TMUX_TEXT} is needed",
            evidence=f"tmux -V: {version}",
            affects=names,
        )
    elif facts.tmux_version and facts.panes is None and not why.startswith(UNANSWERED):
        told = refusal(why)
        yield TMUX_UNUSABLE.problem(
            node.name,
            reason=f"{told.reason}. {told.hint}".rstrip(". "),
            evidence=f"tmux list-panes: {why}",
            affects=names,
        )


def _power(node: Node, facts: NodeFacts) -> Iterator[Problem]:
    """Undervoltage and throttling, now or since the boot."""
    reliability = facts.reliability
    if reliability.undervoltage:
        what = "gets too little voltage: its power supply or cable is too weak"
    elif facts.system and facts.system.throttled:
        what = "is throttled: its power supply or cooling is too weak"
    elif reliability.undervoltage_since_boot:
        what = "had too little voltage since its boot: its power supply or cable is too weak"
    else:
        return
    yield UNDERVOLTAGE.problem(node.name, what=what, evidence="vcgencmd get_throttled")


def _denied(node: Node, facts: NodeFacts, job: Job) -> Iterator[Problem]:
    """Local Network privacy: reported only if ping is answered, which macOS always allows."""
    mine = job.on(node.name)
    wanted = dict.fromkeys(
        listen.address for i in mine for need in job.needs(i) if (listen := i.endpoint(need))
    )
    reached = [a for a in wanted if (e := facts.network.echoes.get(a)) and e.received]
    if reached and facts.local_network is not None:
        yield LOCAL_NETWORK_DENIED.problem(
            node.name,
            what=f"macOS on {node.name} does not let programs in tmux connect to the local "
            f"network: ping reaches {reached[0]}, the job's Python does not",
            evidence=f"in tmux: {facts.local_network.said}",
            affects=tuple(i.name for i in mine if i.after),
        )


def too_old(version: str) -> bool:
    """Whether tmux ``version``, such as ``3.3a``, is older than needed; unreadable: no."""
    major, _, minor = version.partition(".")
    digits = "".join(c for c in minor if c.isdigit())
    if not major.isdigit() or not digits:
        return False
    return (int(major), int(digits)) < OLDEST_TMUX


def service_problems(
    fleet: Fleet,
    job: Job,
    statuses: Mapping[str, ServiceStatus],
    facts: Mapping[str, NodeFacts],
    known: Sequence[Problem] = (),
) -> Iterator[Problem]:
    """What is wrong with the job's instances, root causes only.

    :param known: problems of the nodes, which explain why instances wait.
    """
    explained = {name for p in known if p.severity == "error" for name in p.affects}
    order = in_order_of_failure(job, statuses, facts)
    for instance in job.instances:
        status = statuses.get(instance.name)
        if status is None:
            continue
        ended = ended_for(job, instance, facts) if status.state == "failed" else ()
        if problem := _service_problem(job, instance, status, facts.get(instance.node), ended):
            explained.update(problem.affects)
            if problem.code == SERVICE_FAILED.code and instance.name in order:
                problem = replace(problem, summary=f"{problem.summary}; {order[instance.name]}")
            yield problem
        known_facts = facts.get(instance.node)
        if known_facts and (open_too := exposed(fleet, job, instance, known_facts)):
            yield open_too
        if status.changed and status.state in ALIVE_STATES:
            yield SERVICE_CHANGED.problem(
                instance.node,
                instance=instance.name,
                evidence=f"hash of its definition in nodes.yaml: {instance.definition_hash}",
                affects=(instance.name,),
                fix=Fix((f"fleetctl restart {instance.name}",), "controller"),
            )
    waiting = [
        step.instance
        for step in plan(job, job.instances)
        if (status := statuses.get(step.instance.name)) and status.state == "waiting"
    ]
    for instance in waiting:
        if instance.name not in explained:
            why = statuses[instance.name].reason
            alike = [i.name for i in waiting if i.service == instance.service]
            others = [name for name in alike if statuses[name].reason == why]
            problem = _waiting_problem(job, instance, others, statuses)
            explained.update(problem.affects)
            yield problem


def _service_problem(
    job: Job,
    instance: Instance,
    status: ServiceStatus,
    facts: NodeFacts | None,
    ended: Sequence[str],
) -> Problem | None:
    """
    :param ended: the instances that ended because this one had failed first.
    """
    hit = tuple(dict.fromkeys((instance.name, *waiting_for(job, instance), *ended)))
    runs = facts is not None and status.state not in ("stopped", "unknown")
    if facts and runs and (problem := port_problem(instance, facts, hit)):
        return problem
    if status.state in ("stopped", "waiting") and (
        problem := _workplace_problem(job, instance, facts, hit)
    ):
        return problem
    logs = Fix((f"fleetctl logs {instance.name}",), "controller")
    if status.state == "failed":
        return _failed(instance, status, hit, logs, ended)
    if status.restarts >= CRASH_LOOP_RESTARTS and status.state in ("restarting", "running"):
        return SERVICE_CRASH_LOOP.problem(
            instance.node,
            instance=instance.name,
            restarts=status.restarts,
            evidence=status.reason or f"last exit code {status.exit_code}",
            affects=hit,
            fix=logs,
        )
    if unhealthy := _unhealthy(instance, status, facts, hit):
        return unhealthy
    if status.state == "running" and facts and _overdue(instance, status, facts):
        return _not_ready(instance, status, hit)
    return None


def _failed(
    instance: Instance,
    status: ServiceStatus,
    hit: Sequence[str],
    logs: Fix,
    ended: Sequence[str],
) -> Problem:
    evidence = f"exit code {status.exit_code}, {status.restarts} restarts"
    if status.exit_code == COMMAND_NOT_FOUND:
        what = f"{instance.name} failed: {status.reason}"
        return COMMAND_MISSING.problem(
            instance.node, what=what, evidence=evidence, affects=hit, fix=logs
        )
    last = f"; it printed last: {status.last_lines[-1]}" if status.last_lines else ""
    for_it = f"; on_member_failure stopped {listed(ended)} for it" if ended else ""
    return SERVICE_FAILED.problem(
        instance.node,
        instance=instance.name,
        what="failed",
        reason=f"{status.reason}{last}{for_it}",
        evidence=evidence,
        affects=hit,
        fix=logs,
    )


def _unhealthy(
    instance: Instance, status: ServiceStatus, facts: NodeFacts | None, hit: Sequence[str]
) -> Problem | None:
    """It runs, but does not do what ``liveness`` asks of it, or that cannot be asked."""
    asked, told = instance.liveness, status.liveness
    if asked is None or told is None:
        return None
    if status.state == "unhealthy":
        what = f"{instance.name} is unhealthy"
        if told.since and facts:
            what += f" for {duration((facts.measured_at - told.since).total_seconds())}"
    elif status.state == "running" and told.state == "unknown":
        what = f"whether {instance.name} works is not known"
    else:
        return None
    then = "is restarted for it" if asked.restart else "is not restarted for it"
    return SERVICE_UNHEALTHY.problem(
        instance.node,
        what=what,
        reason=told.reason,
        evidence=f"asked every {asked.interval_s:g} s on {instance.node}: {told.asked}; it {then}",
        affects=hit,
        fix=Fix((f"fleetctl restart {instance.name}",), "controller"),
    )


def _not_ready(instance: Instance, status: ServiceStatus, hit: Sequence[str]) -> Problem:
    evidence = status.reason or ""
    if instance.ready.kind == "listening":
        return PORT_NOT_LISTENING.problem(
            instance.node,
            instance=instance.name,
            timeout_s=instance.ready.timeout_s,
            reason=status.reason,
            evidence=evidence,
            affects=hit,
        )
    return SERVICE_FAILED.problem(
        instance.node,
        instance=instance.name,
        what=f"runs but is not ready after {instance.ready.timeout_s:g} s",
        reason=status.reason,
        evidence=evidence,
        affects=hit,
    )


def _workplace_problem(
    job: Job, instance: Instance, facts: NodeFacts | None, hit: Sequence[str]
) -> Problem | None:
    """The instance's working folder or program is missing."""
    place = facts.workplaces.get(instance.name) if facts else None
    folder, where = instance.workdir or "~", instance.node
    if place is None or (place.workdir == "ok" and (place.interpreter or not instance.program)):
        return None
    if place.workdir == "ok" and facts and instance.program in missing(facts, job):
        return None  # told as what the job requires
    kind, evidence = WORKDIR_MISSING, f"cd {folder}: {place.workdir}"
    if place.workdir == "missing":
        what = f"{where} has no folder {folder}"
    elif place.workdir == "denied":
        what = f"{where} may not enter {folder}: {wording(facts).refuses_folder}"
    else:
        kind, evidence = COMMAND_MISSING, f"command -v {instance.program}: not found"
        what = f"{where} has no {instance.program} (looked for in {folder} and PATH)"
    what = f"{what}, so {instance.name} cannot start"
    return kind.problem(where, what=what, evidence=evidence, affects=hit)


def _waiting_problem(
    job: Job, instance: Instance, names: Sequence[str], statuses: Mapping[str, ServiceStatus]
) -> Problem:
    """``instance`` waits, and no other problem explains why.

    :param names: the instances of its service that wait, all for the same reason.
    """
    known = [(i, statuses[i.name]) for i in job.needs(instance) if i.name in statuses]
    states = {s.state for i, s in known if not met(i, s, instance.waits_until(i))}
    return DEPENDENCY_NOT_READY.problem(
        instance.node,
        severity="error" if "stopped" in states or "exited" in states else "warning",
        instances=", ".join(names),
        reason=statuses[instance.name].reason,
        affects=(*names, *waiting_for(job, instance)),
        fix=Fix(("fleetctl start",), "controller"),
    )


def _overdue(instance: Instance, status: ServiceStatus, facts: NodeFacts) -> bool:
    if status.started_at is None:
        return False
    return (facts.measured_at - status.started_at).total_seconds() > instance.ready.timeout_s
