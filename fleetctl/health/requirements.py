"""Programs that a job requires and a node lacks, or has in another version. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from fleetctl.health.finding import Finding, Lack
from fleetctl.health.kinds.machine import REQUIREMENT_MISSING, lacks
from fleetctl.health.remedies import steps
from fleetctl.model.facts import UNANSWERED, NodeFacts
from fleetctl.model.jobs import Job
from fleetctl.model.plan import carried
from fleetctl.model.requirements import Requirement
from fleetctl.model.status import Fix, Problem
from fleetctl.model.topology import Fleet, Node
from fleetctl.quantities import listed


def lacking(facts: NodeFacts, node: str, job: Job) -> Iterator[Finding]:
    """The requirements of ``job`` that do not hold on ``node``, as far as was asked."""
    for requirement in job.requires:
        program = (facts.programs or {}).get(requirement.program)
        if program is None:
            continue
        name, version = requirement.program, program.version
        if program.path is None and name == "tmux":
            continue  # told as tmux-missing
        if program.path is None:
            lack, said = Lack(requirement), f"command -v {name}: not found"
        elif version and not requirement.holds(version):
            lack, said = Lack(requirement, program.path, version), f"{program.path}: {version}"
        else:
            continue
        yield Finding(REQUIREMENT_MISSING.code, node, lack=lack, shown_by=said)


def missing(facts: NodeFacts, job: Job) -> set[str]:
    """The programs that ``job`` requires and the node does not have at all."""
    programs = facts.programs or {}
    return {
        required.program
        for required in job.requires
        if (found := programs.get(required.program)) and found.path is None
    }


def unknown(facts: NodeFacts, job: Job) -> dict[Requirement, str]:
    """The requirements of which it is not known whether they hold, with the reason; not those that
    were not asked."""
    if why := facts.unknown.get("programs"):
        return {} if why.startswith(UNANSWERED) else dict.fromkeys(job.requires, why)
    programs = facts.programs or {}
    return {
        requirement: found.why
        for requirement in job.requires
        if requirement.operator and (found := programs.get(requirement.program)) and found.why
    }


def requirement_problems(
    fleet: Fleet, node: Node, facts: NodeFacts, job: Job
) -> Iterator[tuple[Problem, tuple[Finding, ...]]]:
    """At most one problem of what is missing on ``node``, and one of what is not known."""
    mine = [i.name for i in job.on(node.name) if i.command is not None]
    if not mine:
        return
    affects = carried(job, node.name)
    if found := tuple(lacking(facts, node.name, job)):
        problem = REQUIREMENT_MISSING.of(fleet, found, mine)
        plan = dict.fromkeys(s for f in found for s in steps(fleet, f, facts))
        commands = tuple(dict.fromkeys(step.command for step in plan))
        fix = Fix(commands, node.name, tuple(plan)) if plan else None
        yield replace(problem, affects=affects, fix=fix), found
    if left := unknown(facts, job):
        told = "; ".join(f"{r.program}: {why}" for r, why in left.items())
        which = listed([str(requirement) for requirement in left])
        yield (
            REQUIREMENT_MISSING.problem(
                node.name,
                severity="warning",
                what=f"whether {node.name} has {which} is not known: {told}",
                evidence=told,
                affects=affects,
            ),
            (),
        )


def why_not_started(facts: NodeFacts, node: str, job: Job) -> str:
    """The reason why nothing of ``job`` is started on ``node``; empty: it has what is required."""
    found = tuple(lacking(facts, node, job))
    return f"{lacks(found)}. What to do: fleetctl fix {node}" if found else ""
