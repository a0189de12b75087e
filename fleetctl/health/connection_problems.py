"""Problems of connections to nodes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from msgspec.structs import replace

from fleetctl.errors import ConnectFailed, ConnectTimedOut, LinkError, LinkLost, LocalNetworkDenied
from fleetctl.health.kinds.connection import LOGIN_SHELL_SLOW, SSH_CONFIG_IGNORED
from fleetctl.health.kinds.kind import listed_or_counted
from fleetctl.health.kinds.registry import KINDS
from fleetctl.health.network.diagnosis import Diagnosis
from fleetctl.model.facts import NodeFacts
from fleetctl.model.jobs import Job
from fleetctl.model.look import Look
from fleetctl.model.plan import carried
from fleetctl.model.status import Problem
from fleetctl.model.topology import Fleet, Node

SLOW_SHELL_S = 4.0
"""A login shell that takes longer is told; it is usually there within a few tenths of a second."""
_SILENT = (ConnectFailed, ConnectTimedOut, LinkLost)
"""Errors of a node that does not answer, or no longer does."""


def lost_node(node: Node, error: LinkError, job: Job | None, diagnosis: Diagnosis) -> Problem:
    """The node cannot be asked. Affects its instances, and the nodes reached only through it."""
    jumped = [name for name, jump in diagnosis.explained.items() if jump == node.name]
    behind = diagnosis.behind.get(node.name, ())
    hint = f". {error.hint}".rstrip(".") if error.hint else ""
    problem = KINDS[error.code].problem(
        node.name,
        reason=f"{error.reason}{hint}",
        what=f"{node.name} cannot be reached: {error.reason}",
        affects=tuple(dict.fromkeys((*carried(job, node.name), *behind, *jumped))),
        evidence=error.reason,
    )
    answers = diagnosis.elsewhere.get(node.name)
    if answers and isinstance(error, _SILENT):
        summary = (
            f"{node.name} cannot be reached: {error.reason}. The machine itself runs, since it "
            f"answers {answers[0]}: its SSH server or its link to this machine is what fails"
        )
        return replace(problem, summary=summary)
    return problem


def all_lost(
    fleet: Fleet,
    lost: Mapping[str, LinkError],
    facts: Mapping[str, NodeFacts],
    problems: Sequence[Problem],
) -> Problem | None:
    """If this machine is cut off: one problem in place of one for each node."""
    remote = [n.name for n in fleet.nodes.values() if n.connection == "ssh" and not n.elsewhere]
    if len(remote) < 2 or not all((e := lost.get(n)) and e.silent for n in remote):
        return None
    local = next((n.name for n in fleet.nodes.values() if n.connection == "local"), None)
    first = lost[remote[0]]
    denied = isinstance(first, LocalNetworkDenied)
    if not denied and local and local in facts and fleet.internet:
        echo = facts[local].network.echoes.get(fleet.internet)
        if echo is None or echo.received:
            return None
    why = "this machine is not on their network"
    if denied:
        why = "allow it under System Settings, Privacy & Security, Local Network"
    hit = (name for p in problems if p.node in lost for name in p.affects)
    return Problem(
        code=first.code,
        severity="error",
        node=local,
        summary=f"no node can be reached ({first.reason}): {why}",
        affects=tuple(dict.fromkeys((*remote, *hit))),
        evidence="; ".join(f"{name}: {lost[name].reason}" for name in remote[:4]),
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
            nodes=listed_or_counted(nodes),
            directives=", ".join(directives),
            affects=nodes,
            evidence="; ".join(f"{d}: {', '.join(names)}" for d, names in directives.items()),
        )
