"""What should be equal on the nodes of a job: system, Python, tmux, code, required programs. Pure.

Nodes are compared that answered and have an instance with a command; without a job all of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct

from fleetctl.health.kinds.kind import some
from fleetctl.health.kinds.machine import VERSION_SKEW
from fleetctl.health.requirements import lacking
from fleetctl.model.facts import Code, NodeFacts
from fleetctl.model.jobs import Job
from fleetctl.model.status import Fix, ParityStatus, ParityValue, Problem

PYTHON = "python3"
_COMMIT_DIGITS = 7
_NO_TREE, _NO_COMMIT, _NO_GIT = "no git work tree", "no commit yet", "no git"
_NEVER = "never synced as a whole"
_NOTHING = frozenset({_NO_TREE, _NO_COMMIT, _NO_GIT, _NEVER})
"""Values that nodes may share without anything being equal."""


class _Told(Struct, frozen=True):
    """What a node says of one thing."""

    value: str | None
    """``None``: not known."""
    why: str = ""
    """Why not."""


_Row = tuple[str, str, Mapping[str, _Told]]
"""A thing, the kind of nodes among which it should be equal, and what each of them says."""


def parity(job: Job | None, facts: Mapping[str, NodeFacts]) -> tuple[ParityStatus, ...]:
    """Each thing that at least two nodes tell of, or cannot be asked of."""
    chosen = _chosen(job, facts)
    rows = (_status(*row) for row in _rows(job, chosen))
    return tuple(row for row in rows if _compared(row))


def parity_problems(
    job: Job | None, facts: Mapping[str, NodeFacts], rows: Sequence[ParityStatus]
) -> Iterator[Problem]:
    """One problem for each thing that differs, unless a program that the job requires is what is
    wrong: that is told as such."""
    for row in rows:
        program = "git" if row.thing == "code" else row.thing
        lacks = {
            node
            for node, told in facts.items()
            if job and any(f.lack and f.lack.requirement.program == program
                           for f in lacking(told, node, job))
        }  # fmt: skip
        left = [
            ParityValue(value.value, nodes)
            for value in row.values
            if (nodes := tuple(n for n in value.nodes if n not in lacks))
        ]
        if len(left) > 1:
            yield _problem(row, left)


def _compared(row: ParityStatus) -> bool:
    nodes = sum(len(value.nodes) for value in row.values) + len(row.unknown)
    return nodes > 1 and (len(row.values) != 1 or row.values[0].value not in _NOTHING)


def _chosen(job: Job | None, facts: Mapping[str, NodeFacts]) -> dict[str, NodeFacts]:
    if job is None:
        return dict(facts)
    running = {i.node for i in job.instances if i.command is not None}
    return {name: told for name, told in facts.items() if name in running}


def _rows(job: Job | None, facts: Mapping[str, NodeFacts]) -> Iterator[_Row]:
    for kind in dict.fromkeys(told.build.kind for told in facts.values() if told.build):
        alike = {n: t for n, t in facts.items() if t.build and t.build.kind == kind}
        yield "system", kind, {n: _Told(t.build.system) for n, t in alike.items() if t.build}
    yield PYTHON, "", dict(_programs(PYTHON, facts))
    for os in dict.fromkeys(t.system.os for t in facts.values() if t.system and t.system.os):
        alike = {n: t for n, t in facts.items() if t.system and t.system.os == os}
        versions = {n: _Told(t.tmux_version) for n, t in alike.items() if t.tmux_version}
        yield "tmux", os, versions
    for program in dict.fromkeys(r.program for r in (job.requires if job else ())):
        if program not in (PYTHON, "tmux"):
            yield program, "", dict(_programs(program, facts))
    yield "code", "", dict(_code(facts))
    yield "synced code", "", dict(_synced(facts))


def _programs(name: str, facts: Mapping[str, NodeFacts]) -> Iterator[tuple[str, _Told]]:
    for node, told in facts.items():
        program = (told.programs or {}).get(name)
        if program and program.path is None:
            yield node, _Told(None, "it is not there")
        elif program and (program.version or program.why):
            yield node, _Told(program.version, program.why)
        elif why := told.unknown.get("programs"):
            yield node, _Told(None, why)


def _code(facts: Mapping[str, NodeFacts]) -> Iterator[tuple[str, _Told]]:
    codes = {node: told.code for node, told in facts.items() if told.code}
    for node, told in facts.items():
        if code := codes.get(node):
            others = [other for name, other in codes.items() if name != node]
            said = _of_code(code)
            if said.value is None and not any(_may_be_equal(code, other) for other in others):
                said = _Told(said.why)
            elif any(_alike(code, other) and code.sum_of != other.sum_of for other in others):
                said = _Told(said.value and f"{said.value} (checksum {code.sum_of})", said.why)
            yield node, said
        elif why := told.unknown.get("code"):
            yield node, _Told(None, why)


def _alike(one: Code, other: Code) -> bool:
    """Whether their changes are in the same files of the same commit."""
    return (one.commit, one.changed, one.files) == (other.commit, other.changed, other.files)


def _may_be_equal(code: Code, other: Code) -> bool:
    """Whether ``code``, which is not wholly known, may be what ``other`` is."""
    if code.state != "tree" or other.state in ("unknown", "no folder"):
        return True
    unsure = None in (code.changed, other.changed)
    return code.commit == other.commit and (unsure or _alike(code, other))


def _of_code(code: Code) -> _Told:
    match code.state:
        case "tree":
            commit = (code.commit or "")[:_COMMIT_DIGITS]
            if code.changed is None:
                return _Told(None, f"{commit}, and whether it is changed is not known: {code.why}")
            if code.changed and not code.sum_of:
                return _Told(None, f"{commit}{_changes(code)}, not compared: {code.why}")
            return _Told(f"{commit}{_changes(code)}")
        case "no tree":
            return _Told(_NO_TREE)
        case "no commit":
            return _Told(_NO_COMMIT)
        case "no git":
            return _Told(_NO_GIT)
        case "no folder":
            return _Told(None, "its folder is not there")
        case "unknown":
            return _Told(None, code.why)


def _changes(code: Code) -> str:
    if not code.changed:
        return ""
    more = f" and {code.changed - len(code.files)} more" if code.changed > len(code.files) else ""
    return f" with changes in {', '.join(code.files)}{more}"


def _synced(facts: Mapping[str, NodeFacts]) -> Iterator[tuple[str, _Told]]:
    for node, told in facts.items():
        if told.code and told.code.synced is not None:
            key = told.code.synced
            yield node, _Told(f"tree {key[:_COMMIT_DIGITS]}" if key else _NEVER)


def _status(thing: str, kind: str, told: Mapping[str, _Told]) -> ParityStatus:
    groups: dict[str, list[str]] = {}
    for node, said in told.items():
        if said.value is not None:
            groups.setdefault(said.value, []).append(node)
    values = [ParityValue(value, tuple(nodes)) for value, nodes in groups.items()]
    values.sort(key=lambda value: -len(value.nodes))
    unknown = {node: said.why for node, said in told.items() if said.value is None}
    ok = False if len(values) > 1 else None if unknown else True
    return ParityStatus(thing, kind or None, ok, tuple(values), unknown)


def _problem(row: ParityStatus, values: Sequence[ParityValue]) -> Problem:
    usual = _usual(values)
    odd = [node for value in values if value is not usual for node in value.nodes]
    fix = None
    if row.thing == "synced code":
        fix = Fix((f"fleetctl sync {' '.join(odd)}",), "controller")
    return VERSION_SKEW.problem(
        odd[0] if len(odd) == 1 else None,
        thing=row.label,
        values=_differing(values, bool(row.unknown)),
        affects=tuple(odd),
        evidence="; ".join(f"{', '.join(v.nodes)}: {v.value}" for v in values),
        fix=fix,
    )


def _usual(values: Sequence[ParityValue]) -> ParityValue | None:
    """What more nodes have than anything else; None: nothing."""
    most, *others = sorted(values, key=lambda value: -len(value.nodes))
    return most if not others or len(most.nodes) > len(others[0].nodes) else None


def _differing(values: Sequence[ParityValue], some_unknown: bool) -> str:
    usual = _usual(values)
    parts = [f"{v.value} on {some(v.nodes, 'nodes')}" for v in values if v is not usual]
    if usual:
        parts.append(
            f"{usual.value} on {some(usual.nodes, 'nodes') if some_unknown else 'the others'}"
        )
    return "; ".join(parts)
