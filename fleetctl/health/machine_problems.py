"""Problems of machines: what a node itself tells."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fleetctl.health.kinds.connection import ANSWER_INCOMPLETE
from fleetctl.health.kinds.kind import listed_or_counted
from fleetctl.health.kinds.machine import (
    DISK_FULL,
    LOCAL_NETWORK_DENIED,
    OS_MISMATCH,
    STATE_UNWRITABLE,
    TMUX_MISSING,
    TMUX_UNUSABLE,
    UNDERVOLTAGE,
)
from fleetctl.health.wording import wording
from fleetctl.model.facts import (
    CUT_OFF,
    NO_ANSWER,
    NOT_SUPPORTED,
    OF_BUSYBOX,
    UNANSWERED,
    NodeFacts,
)
from fleetctl.model.jobs import Job
from fleetctl.model.plan import carried
from fleetctl.model.status import Problem
from fleetctl.model.tmux_refusals import refusal
from fleetctl.model.topology import Node
from fleetctl.model.write_refusals import write_refusal

DISK_FULL_BYTES = 16 * 1024 * 1024
"""With less free space than this a disk counts as full: the next log segment does not fit."""
OLDEST_TMUX = (3, 0)
"""The first with remain-on-exit, respawn-pane -k with arguments, and user options of windows."""
OLDEST_TMUX_TEXT = ".".join(map(str, OLDEST_TMUX))
_NEEDED = frozenset({"interfaces", "runs"})
"""Without these probes nothing is known of the network, or of what runs: nothing can be well."""
_DAMAGED = "damaged on its disk: `fleetctl stop` ends whatever runs"
_REMOVED = "removed from its disk: `fleetctl stop` ends whatever runs"


def node_problems(node: Node, facts: NodeFacts, job: Job | None) -> Iterator[Problem]:
    """What is wrong with the machine itself."""
    names = carried(job, node.name)
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


def _incomplete(node: Node, facts: NodeFacts, names: Sequence[str]) -> Iterator[Problem]:
    """The answer was cut off, or a question had none, or the node has no tool to answer it."""
    by_reason: dict[str, list[str]] = {}
    for name, why in facts.unknown.items():
        untold = name in _NEEDED and not why.startswith(NOT_SUPPORTED)
        if untold or why.startswith((CUT_OFF, NO_ANSWER, OF_BUSYBOX)):
            by_reason.setdefault(why, []).append(name)
    for _, instance in sorted(facts.damaged):
        by_reason.setdefault(_DAMAGED, []).append(f"the record of {instance}")
    of_windows = {(pane.job, pane.instance) for pane in facts.panes or ()}
    for _, instance in sorted(facts.unrecorded - of_windows):
        by_reason.setdefault(_REMOVED, []).append(f"the record of {instance}")
    if by_reason:
        yield ANSWER_INCOMPLETE.problem(
            node.name,
            reason="; ".join(
                f"{listed_or_counted(found, 'answers')} ({why})" for why, found in by_reason.items()
            ),
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
