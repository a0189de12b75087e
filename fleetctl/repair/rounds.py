"""Check, repair, check again: until nothing is left that a repair could mend.

What the first check shows may hide more: the routes over an interface that is switched off are
missing too, and are found once it is on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from fleetctl.errors import LinkError
from fleetctl.health.assess import Checked, Look
from fleetctl.model.questions import Depth
from fleetctl.model.status import Problem, Step
from fleetctl.repair.applying import Outcome, Repairer, RepairRefused, Report, carriers
from fleetctl.repair.proposals import Proposal, Repair, propose
from fleetctl.repair.records import Kept

if TYPE_CHECKING:
    from fleetctl.fleet import FleetService

ROUNDS = 3
SETTLING_PAUSE_S = 1.0
SETTLING_TRIES = 3
"""A link that was just switched on needs a moment until its neighbours are found."""

Seen = Callable[[str, Look], object]


class Rounds:
    """The repair of ``nodes`` of a fleet.

    :param persistent: on macOS also run what lasts over a reboot.
    :param seen: called as each node answers a check.
    """

    def __init__(
        self,
        service: FleetService,
        nodes: Sequence[str],
        *,
        persistent: bool = False,
        seen: Seen | None = None,
    ) -> None:
        self._service = service
        self._nodes = nodes
        self._persistent = persistent
        self._seen = seen
        self._tried: set[tuple[str, str]] = set()
        """Node and command of what was run or declined already."""
        self.checked: Checked | None = None
        self.proposal = Proposal((), ())
        self.outcomes: list[Outcome] = []
        """Of everything that was run."""

    async def look(self) -> Proposal:
        """Check the fleet, and plan what would mend it.

        After repairs what they were about gets some seconds to become well.
        """
        for attempt in range(SETTLING_TRIES):
            if attempt:
                await asyncio.sleep(SETTLING_PAUSE_S)
            checked = await self.check("check")
            mended = {(o.node, o.code) for o in self.outcomes if o.state == "done"}
            if not mended & {(p.node, p.code) for p in checked.status.problems}:
                break
        self.proposal = await propose(
            self._service.fleet, self._service.links, checked, self._nodes
        )
        return self.proposal

    async def check(self, depth: Depth = "status") -> Checked:
        """Ask every node how it is; at once, where nothing is to be planned."""
        self.checked = await self._service.check(seen=self._seen, depth=depth)
        return self.checked

    def open_problems(self) -> tuple[Problem, ...]:
        """What the last check found on these nodes."""
        repairs = (r.problem for r in self.proposal.repairs)
        return tuple(dict.fromkeys([*repairs, *(p for p, _ in self.proposal.by_hand)]))

    def steps_of(self, repair: Repair) -> tuple[Step, ...]:
        """What would be run for ``repair`` now: nothing is tried twice."""
        return tuple(
            step
            for step in repair.runnable(persistent=self._persistent)
            if (repair.node, step.command) not in self._tried
        )

    def todo(self) -> dict[str, list[Repair]]:
        """Node to the repairs that can be run there, in the order of nodes.yaml."""
        by_node: dict[str, list[Repair]] = {}
        for repair in self.proposal.repairs:
            if self.steps_of(repair):
                by_node.setdefault(repair.node, []).append(repair)
        return {name: by_node[name] for name in self._service.fleet.nodes if name in by_node}

    def decline(self, repairs: Sequence[Repair]) -> None:
        """Leave ``repairs`` alone from now on."""
        self._tried.update((r.node, s.command) for r in repairs for s in self.steps_of(r))

    async def apply(self, node: str, repairs: Sequence[Repair], report: Report) -> None:
        """Run the steps of ``repairs`` one after the other; of a repair none after a failed one.

        :param report: is told of every command that was run; :attr:`outcomes` too.
        :raises RepairRefused: the node lets nobody become root.
        :raises LinkError: it cannot be reached.
        """
        planned = [(repair, self.steps_of(repair)) for repair in repairs]
        self.decline(repairs)
        repairer = await self._repairer(node, report)
        await repairer.prepare()
        with self._service.changing():
            for repair, steps in planned:
                for step in steps:
                    outcome = await repairer.apply(repair.problem.code, step)
                    if outcome.state == "unknown":
                        return  # who knows what else the node would do
                    if outcome.state != "done":
                        break

    async def records(self, node: str) -> tuple[Kept, ...]:
        """What can be undone on ``node``, in the order in which it would be.

        :raises LinkError: it cannot be reached.
        """
        return await (await self._repairer(node, lambda outcome: None)).records()

    async def undo(self, node: str, records: Sequence[Kept], report: Report) -> None:
        """Undo ``records``, which are given newest first. What fails is kept, and the rest goes on.

        :raises RepairRefused: the node lets nobody become root.
        :raises LinkError: it cannot be reached.
        """
        repairer = await self._repairer(node, report)
        await repairer.prepare()
        with self._service.changing():
            for kept in records:
                if (await repairer.undo(kept)).state == "unknown":
                    return

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
        protected = carriers(self._service.fleet, self._service.fleet.nodes[node], facts)
        link = await self._service.links.get(node)

        def told(outcome: Outcome) -> None:
            self.outcomes.append(outcome)
            report(outcome)

        return Repairer(link, self._service.fleet.name, protected, told)


def still_wrong(rounds: Rounds, persistent: bool) -> bool:
    """Whether anything is left that is an error, or that a repair could have mended."""
    left = [p for p in rounds.open_problems() if p.severity == "error"]
    mendable = [
        r
        for r in rounds.proposal.repairs
        if r.runnable(persistent=persistent) or any(map(r.refusal, r.steps))
    ]
    return bool(left or mendable)
