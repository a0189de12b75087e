"""What can be repaired after a check, node by node, and what is left to the user."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator, Mapping, Sequence

from fleetctl.errors import LinkError
from fleetctl.health.assess import Checked
from fleetctl.health.finding import Finding
from fleetctl.health.kinds.registry import FINDING_KINDS
from fleetctl.health.network.afterwards import follow_ups
from fleetctl.health.network.diagnosis import Root
from fleetctl.health.remedies import plans
from fleetctl.health.repairs.network_services import merged
from fleetctl.health.routing import ssh_interfaces
from fleetctl.link.links import Links
from fleetctl.link.mistakes import of_node
from fleetctl.model.expectations import derive
from fleetctl.model.facts import NodeFacts
from fleetctl.model.repairs import ByHand, Proposal, Repair
from fleetctl.model.setup import NetworkSetup
from fleetctl.model.status import Problem, RepairStep
from fleetctl.model.topology import Fleet
from fleetctl.model.ways_in import behind
from fleetctl.probes.setup import read_setup, setup_script

SETUP_TIMEOUT_S = 20.0


async def propose(
    fleet: Fleet,
    links: Links,
    checked: Checked,
    nodes: Sequence[str],
    problems: Sequence[Problem] | None = None,
) -> Proposal:
    """Ask the nodes with something to repair for their setup, and plan the repairs.

    :param nodes: the nodes to repair; problems without a node are always included.
    :param problems: only these, by code and node, as long as ``checked`` still has them (what is
        measured in their words may differ by now); None: all.
    """
    wanted = None if problems is None else {(p.code, p.node) for p in problems}
    roots = [r for r in checked.roots if r.findings and r.problem.node in nodes]
    roots = [r for r in roots if wanted is None or (r.problem.code, r.problem.node) in wanted]
    touched = {f.node for r in roots for f in r.findings if f.node in checked.facts}
    asked = await asyncio.gather(*(_ask(links, node) for node in touched))
    setups = dict(zip(touched, asked, strict=True))
    carried = {node: links.carried(node) for node in checked.facts}
    planner = _Planner(fleet, checked.facts, setups, carried)
    # errors first: their lasting steps may also repair warnings about what is not persistent
    ordered = sorted(roots, key=lambda r: r.problem.severity != "error")
    repairs = [repair for root in ordered for repair in planner.repairs(root)]
    repairable = {_key(repair.problem) for repair in repairs}
    then = planner.then([r for r in ordered if _key(r.problem) in repairable]) if not wanted else []
    ways = dict.fromkeys(repair.node for repair in repairs)
    by_hand = [
        ByHand(
            problem, (*planner.notes.get(_key(problem), ()), *_later(fleet, checked, problem, ways))
        )
        for problem in checked.status.problems
        if problem.node in (None, *nodes) and _key(problem) not in repairable
        if wanted is None or (problem.code, problem.node) in wanted
    ]
    return Proposal(tuple(repairs), tuple(by_hand), tuple(then))


def _later(
    fleet: Fleet, checked: Checked, problem: Problem, repaired: Collection[str]
) -> Iterator[str]:
    """That a node which cannot be asked is asked again once the way to it is repaired."""
    node = problem.node
    if node is None or node in checked.facts or node not in fleet.nodes:
        return
    for gate in repaired:
        if behind(fleet, gate, [node]):
            yield f"{node} is reached through {gate}: once that is repaired, it is asked again"


def _key(problem: Problem) -> tuple[str, str | None, str]:
    return problem.code, problem.node, problem.summary


async def _ask(links: Links, node: str) -> NetworkSetup | str:
    """The node's setup, or why it could not be asked."""
    script = setup_script()
    try:
        with of_node(node):
            link = await links.get(node)
            done = await link.run(script.text, timeout_s=SETUP_TIMEOUT_S)
            return read_setup(script, done.text)
    except LinkError as error:
        return f"{node}: not for good, because its setup could not be asked: {error.reason}"


class _Planner:
    """Plans one root after the other, each from the setup that the former leaves."""

    def __init__(
        self,
        fleet: Fleet,
        facts: Mapping[str, NodeFacts],
        setups: Mapping[str, NetworkSetup | str],
        carried: Mapping[str, frozenset[str]],
    ) -> None:
        self._fleet = fleet
        self._facts = dict(facts)
        self._carried = carried
        self._setups = dict(setups)
        self.notes: dict[tuple[str, str | None, str], tuple[str, ...]] = {}
        """Notes on the problems without a repair."""

    def repairs(self, root: Root) -> list[Repair]:
        found = []
        notes: list[str] = []
        for node in dict.fromkeys(f.node for f in root.findings):
            mine = [f for f in root.findings if f.node == node]
            steps, said = self._plan(node, mine)
            notes += said
            if steps:
                facts = self._facts[node]
                os = str(facts.system.os) if facts.system else ""
                protected = ssh_interfaces(
                    self._fleet, self._fleet.nodes[node], facts, self._carried[node]
                )
                found.append(Repair(root.problem, node, os, tuple(steps), tuple(said), protected))
        if not found:
            self.notes[_key(root.problem)] = tuple(notes)
        return found

    def then(self, roots: Sequence[Root]) -> list[Repair]:
        """What the repairs of ``roots``, which are planned, are expected to bring up."""
        found = []
        expectations = derive(self._fleet)
        here = [f for root in roots for f in root.findings]
        for name in dict.fromkeys(f.node for f in here):
            mine = [f for f in here if f.node == name]
            node = self._fleet.nodes[name]
            facts = self._facts[name]
            for after, new in follow_ups(self._fleet, expectations, node, facts, mine, mine):
                self._facts[name] = after
                for code in dict.fromkeys(f.code for f in new):
                    alike = [f for f in new if f.code == code]
                    problem = FINDING_KINDS[code].of(self._fleet, alike)
                    found += self.repairs(Root(problem, tuple(alike)))
        return found

    def _plan(self, node: str, findings: list[Finding]) -> tuple[list[RepairStep], list[str]]:
        facts, setup = self._facts.get(node), self._setups.get(node)
        if facts is None or setup is None:
            return [], []
        steps: list[RepairStep] = []
        known = None if isinstance(setup, str) else setup
        notes = [setup] if isinstance(setup, str) else []
        for made in plans(self._fleet, findings, facts, known):
            if made.setup is not None:
                self._setups[node] = made.setup
            steps += [s for s in made.steps if s not in steps]
            notes += [n for n in made.notes if n not in notes]
        return merged(steps), notes
