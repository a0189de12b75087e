"""Check, repair, check again, until nothing is left that can be repaired.

A problem may hide others: missing routes over an interface that is switched off are found only once
it is on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager

from fleetctl.errors import LinkError, RepairRefused
from fleetctl.health.assess import Checked
from fleetctl.health.routing import ssh_interfaces
from fleetctl.link.links import Links
from fleetctl.model.actions import outcome
from fleetctl.model.questions import Depth
from fleetctl.model.repairs import KeptRecord, Proposal, Repair, StepOutcome
from fleetctl.model.status import Problem, RepairStep
from fleetctl.model.sudo import SudoPassword
from fleetctl.model.topology import Fleet
from fleetctl.model.ways_in import outward
from fleetctl.noting.noting import Noting
from fleetctl.repair.applying import Repairer, Report
from fleetctl.repair.proposals import propose

SETTLING_PAUSE_S = 1.0
SETTLING_TRIES = 3
"""A link that was just switched on needs a moment until its neighbours answer."""


class Rounds:
    """The repair of ``nodes`` of a fleet; see :class:`fleetctl.undertakings.Repairs`.

    :param check: asks every node of the fleet.
    :param changing: entered while a node is being changed.
    :param persistent: on macOS also run what lasts over a reboot.
    :param password: for a sudo that wants one.
    :param problems: only these are repaired; None: all.
    :param noting: notes on a node what was repaired there.
    """

    def __init__(
        self,
        fleet: Fleet,
        links: Links,
        check: Callable[[Depth], Awaitable[Checked]],
        changing: Callable[[], AbstractContextManager[None]],
        nodes: Sequence[str],
        *,
        persistent: bool = False,
        password: SudoPassword | None = None,
        problems: Sequence[Problem] | None = None,
        noting: Noting | None = None,
    ) -> None:
        self._noting = noting or Noting(fleet.name, links, None)
        self._fleet = fleet
        self._links = links
        self._check = check
        self._changing = changing
        self._nodes = nodes
        self._persistent = persistent
        self._password = password
        self._problems = problems
        self._tried: set[tuple[str, str]] = set()
        """Node and command of steps that were run or declined already."""
        self.checked: Checked | None = None
        self.proposal = Proposal()
        self.outcomes: list[StepOutcome] = []

    async def look(self) -> Proposal:
        for attempt in range(SETTLING_TRIES):
            if attempt:
                await asyncio.sleep(SETTLING_PAUSE_S)
            checked = self.checked = await self._check("check")
            repaired = {(o.node, o.code) for o in self.outcomes if o.state == "done"}
            if not repaired & {(p.node, p.code) for p in checked.status.problems}:
                break
        self.proposal = await propose(
            checked.fleet, self._links, checked, self._nodes, self._problems
        )
        return self.proposal

    async def check(self) -> Checked:
        self.checked = await self._check("status")
        return self.checked

    @property
    def ways(self) -> Mapping[str, str]:
        nodes = self.checked.status.nodes if self.checked else {}
        return {name: node.ssh.via for name, node in nodes.items() if node.ssh.via}

    @property
    def open_problems(self) -> tuple[Problem, ...]:
        repairs = (r.problem for r in self.proposal.repairs)
        return tuple(dict.fromkeys([*repairs, *(p.problem for p in self.proposal.by_hand)]))

    @property
    def still_wrong(self) -> bool:
        left = any(p.severity == "error" for p in self.open_problems)
        return left or any(
            r.runnable(persistent=self._persistent) or any(map(r.refusal, r.steps))
            for r in self.proposal.repairs
        )

    @property
    def more_with_persistent(self) -> bool:
        return not self._persistent and any(
            len(r.runnable(persistent=True)) > len(r.runnable(persistent=False))
            for r in self.proposal.repairs
        )

    def steps_of(self, repair: Repair) -> tuple[RepairStep, ...]:
        return tuple(
            step
            for step in repair.runnable(persistent=self._persistent)
            if (repair.node, step.command) not in self._tried
        )

    def todo(self) -> dict[str, list[Repair]]:
        by_node: dict[str, list[Repair]] = {}
        for repair in self.proposal.repairs:
            if self.steps_of(repair):
                by_node.setdefault(repair.node, []).append(repair)
        return {name: by_node[name] for name in outward(self._fleet, list(by_node), self.ways)}

    def decline(self, repairs: Sequence[Repair]) -> None:
        self._tried.update((r.node, s.command) for r in repairs for s in self.steps_of(r))

    async def apply(self, node: str, repairs: Sequence[Repair], report: Report) -> None:
        planned = [(repair, self.steps_of(repair)) for repair in repairs]
        self.decline(repairs)
        repairer = await self._repairer(node, report)
        await repairer.prepare([step.command for _, steps in planned for step in steps])
        with self._changing(), self._noted("fix", node):
            for repair, steps in planned:
                for step in steps:
                    outcome = await repairer.apply(repair.problem.code, step)
                    if outcome.state == "unknown":
                        return  # the node's state is not known: change nothing more
                    if outcome.state != "done":
                        break

    async def records(self, node: str) -> tuple[KeptRecord, ...]:
        return await (await self._repairer(node, lambda outcome: None)).records()

    async def undo(self, node: str, records: Sequence[KeptRecord], report: Report) -> None:
        repairer = await self._repairer(node, report)
        await repairer.prepare([kept.record.step.undo for kept in records])
        with self._changing(), self._noted("undo", node):
            for kept in records:
                if (await repairer.undo(kept)).state == "unknown":
                    return

    @contextmanager
    def _noted(self, action: str, node: str) -> Iterator[None]:
        """While inside, ``action`` goes on on ``node``."""
        before = len(self.outcomes)
        noted = self._noting.noted(action, {node: ()})
        with noted.running():
            yield
            done = self.outcomes[before:]
            noted.state = "ok" if all(one.state == "done" for one in done) else "failed"
            codes = ", ".join(dict.fromkeys(one.code for one in done))
            noted.said = f"{outcome(one.state for one in done)} ({codes})" if done else "nothing"

    async def _repairer(self, node: str, report: Report) -> Repairer:
        assert self.checked is not None, "nothing is changed before a check"
        facts = self.checked.facts.get(node)
        if facts is None:
            raise LinkError(node, self.checked.status.nodes[node].ssh.error or "did not answer")
        if facts.network.interfaces is None:
            why = facts.unknown.get("interfaces", "not told")
            raise RepairRefused(
                f"{node}: which interface carries its SSH connection is not known ({why}), so "
                "nothing is changed on it"
            )
        fleet = self.checked.fleet
        link = await self._links.get(node)
        carried = self._links.carried(node)
        if self.checked.status.nodes[node].ssh.via != (link.via or None):
            carried |= fleet.nodes[node].addresses.keys()  # not as it was when it was asked
        protected = ssh_interfaces(fleet, fleet.nodes[node], facts, carried)

        def ended(outcome: StepOutcome) -> None:
            self.outcomes.append(outcome)
            report(outcome)

        return Repairer(link, self._fleet.name, protected, ended, self._password)
