"""Everything ``status`` asks of one node, in one script, and the facts in its answer."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeVar

from fleetctl.model.facts import NodeFacts
from fleetctl.probes.probe import Answer, Probe, Script, compose, read
from fleetctl.probes.services import (
    TMUX,
    listeners_probe,
    read_listeners,
    read_records,
    read_runs,
    read_tmux,
    records_probe,
    runs_probe,
)
from fleetctl.probes.system import SYSTEM, read_system

_T = TypeVar("_T")


def node_script(fleet: str, node: str) -> Script:
    """The script for ``node``: system, tmux, records, listeners, processes."""
    return compose((SYSTEM, *_services(fleet, node)))


def services_script(fleet: str, node: str) -> Script:
    """Only how the instances on ``node`` are: cheap enough to ask again and again."""
    return compose(_services(fleet, node))


def _services(fleet: str, node: str) -> tuple[Probe, ...]:
    return (
        TMUX,
        records_probe(fleet, node),
        listeners_probe(fleet, node),
        runs_probe(fleet, node),
    )


def read_node(script: Script, output: str) -> NodeFacts:
    """The facts in ``output``; never raises, whatever it holds."""
    answers = read(script, output)
    unknown: dict[str, str] = {}

    def ask(name: str, parse: Callable[[Answer], _T]) -> _T | None:
        answer = answers.by_name.get(name)
        if answer is None:
            unknown[name] = "the node's answer was cut off"
            return None
        parsed = parse(answer)
        if parsed is None:
            said = answer.text.strip().splitlines()[-1:] or ["no output"]
            unknown[name] = f"{said[0]} (exit status {answer.exit_status})"
        return parsed

    system = None
    if SYSTEM.name in script.names:
        system = ask(SYSTEM.name, lambda a: read_system(answers.machine, a))
    version, panes, why = ask("tmux", read_tmux) or (None, None, "the answer was cut off")
    if panes is None:
        unknown["tmux"] = why
    records, ends = ask("records", read_records) or ({}, {})
    return NodeFacts(
        measured_at=datetime.now(UTC),
        system=system,
        tmux_version=version,
        panes=panes,
        records=records,
        log_bytes=ends,
        listeners=ask("listeners", lambda a: read_listeners(answers.machine.os, a)),
        runs=ask("runs", read_runs),
        unknown=unknown,
    )
