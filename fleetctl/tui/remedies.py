"""Which keys help with a problem, in the order in which they are tried. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from fleetctl.model.status import ALIVE_STATES, Problem, ServiceStatus

_OF_INSTANCES = frozenset({"straggler", "connection-lost", "dependency-not-ready"})
"""Codes of problems that an instance has, besides those that begin with ``service-``."""

LOG_LINES = 2
"""Of a failed instance, below its problem."""


def is_of_instances(problem: Problem) -> bool:
    """Whether it is about what an instance does, so that its log tells more."""
    return problem.code.startswith("service-") or problem.code in _OF_INSTANCES


def about(problem: Problem, services: Mapping[str, ServiceStatus]) -> tuple[str, ...]:
    """The instances that have it."""
    if not is_of_instances(problem):
        return ()
    return tuple(
        name
        for name in problem.affects
        if name in services and problem.node in (None, services[name].node)
    )


def helping(
    problems: Sequence[Problem],
    services: Mapping[str, ServiceStatus],
    repaired: Collection[tuple[str, str]] = (),
) -> Iterator[tuple[str, str]]:
    """The actions that help with the problems of one row, and the word for each.

    :param repaired: node and code of what was repaired and can be undone: where the problem is
        still there all the same. What is well by now has a row of its own.
    """
    names = dict.fromkeys(name for p in problems for name in about(p, services))
    states = {services[name].state for name in names}
    if states - {*ALIVE_STATES, "unknown"}:
        yield "start", "start"
    elif names and any(p.code in ("service-unhealthy", "service-changed") for p in problems):
        yield "restart", "restart"
    if names:
        yield "logs", "log"
    if any(p.fix and p.fix.steps for p in problems):
        yield "fix", "fix"
    if any((p.node, p.code) in repaired for p in problems):
        yield "undo", "undo"


def said_last(
    problem: Problem, services: Mapping[str, ServiceStatus], logs: Mapping[str, Sequence[str]]
) -> list[str]:
    """What a failed instance printed last, oldest first.

    :param logs: the newest lines of instances, where they are known.
    """
    for name in about(problem, services):
        if services[name].state == "failed":
            lines = logs.get(name) or services[name].last_lines or ()
            return [line for line in lines if line.strip()][-LOG_LINES:]
    return []
