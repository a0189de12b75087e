"""Problems of connections to nodes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from fleetctl.errors import LinkError
from fleetctl.health.kinds.connection import LOGIN_SHELL_SLOW, SSH_CONFIG_IGNORED
from fleetctl.health.kinds.kind import listed_or_counted
from fleetctl.health.kinds.registry import KINDS
from fleetctl.model.jobs import Job
from fleetctl.model.look import Look
from fleetctl.model.plan import carried
from fleetctl.model.status import Problem
from fleetctl.model.topology import Node

SLOW_SHELL_S = 4.0
"""A login shell that takes longer is told; it is usually there within a few tenths of a second."""


def link_problem(node: Node, error: LinkError, job: Job | None) -> Problem:
    """The node cannot be talked to."""
    hint = f". {error.hint}" if error.hint else ""
    return KINDS[error.code].problem(
        node.name,
        reason=f"{error.reason}{hint}",
        what=f"{node.name} cannot be reached: {error.reason}",
        affects=carried(job, node.name),
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
            nodes=listed_or_counted(nodes),
            directives=", ".join(directives),
            affects=nodes,
            evidence="; ".join(f"{d}: {', '.join(names)}" for d, names in directives.items()),
        )
