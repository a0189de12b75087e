"""One run of ``bench``: a check, then path after path, each kept as soon as it is measured."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection
from datetime import UTC, datetime

from msgspec.structs import replace

from fleetctl.bench.allreduce import all_reduce
from fleetctl.bench.history import History
from fleetctl.bench.measuring import Measuring
from fleetctl.bench.paths import Chosen, choose
from fleetctl.bench.ports import ports_text, read_ports
from fleetctl.bench.problems import problems
from fleetctl.bench.results import result_of
from fleetctl.bench.ring import FEWEST, MOST, form, members
from fleetctl.bench.scripts import INSTALL, VERSION
from fleetctl.errors import FleetctlError, LinkError, UsageError
from fleetctl.health.assess import Checked
from fleetctl.link.links import Links
from fleetctl.link.mistakes import of_node
from fleetctl.model.bench import (
    SCHEMA,
    AllReduce,
    BenchPath,
    BenchReport,
    Best,
    LeftOut,
    Measured,
    PathResult,
    Port,
)
from fleetctl.model.expectations import Expectations
from fleetctl.model.jobs import Job
from fleetctl.model.status import ALIVE_STATES, FleetStatus
from fleetctl.model.topology import OS, Fleet, supported_os

ASK_TIMEOUT_S = 20.0
"""Of the question for a node's ports and its iperf3: system_profiler takes seconds."""


class JobRuns(FleetctlError):
    """A job runs on nodes that would be measured."""


class Bench:
    """One run. First :meth:`look`, then :meth:`measure`; :attr:`report` at any time after.

    :param check: asks every node everything.
    :param nodes: paths that begin or end at one of them are measured.
    :param everything: all paths of the data networks, and not only those that the job uses.
    :param seconds: of each transfer of iperf3.
    """

    def __init__(
        self,
        fleet: Fleet,
        job: Job | None,
        expectations: Expectations,
        links: Links,
        check: Callable[[], Awaitable[Checked]],
        nodes: Collection[str],
        *,
        everything: bool,
        seconds: int,
    ) -> None:
        self._fleet = fleet
        self._job = job
        self._expectations = expectations
        self._links = links
        self._check = check
        self._seconds = seconds
        self._began = time.monotonic()
        self._began_at = datetime.now(UTC)
        self._history = History(fleet.name)
        self._checked: Checked | None = None
        self._ports: dict[tuple[str, str], Port] = {}
        self._complete = False
        self._beside_job = False
        self._whole = not everything and set(nodes) == set(fleet.nodes)
        self._left_out: list[LeftOut] = []
        self.paths: tuple[BenchPath, ...] = ()
        """What :meth:`measure` measures."""
        self.without_iperf: dict[str, str] = {}
        """By node, why it cannot send or receive a transfer."""
        self.results: list[PathResult] = []
        self.all_reduce: AllReduce | None = None
        self._nodes, self._everything = nodes, everything
        self._chosen = self._choose(sure=not any(node.leased for node in fleet.nodes.values()))

    def _choose(self, *, sure: bool) -> Chosen:
        """
        :param sure: all addresses are known that can be.
        :raises UsageError: there is nothing to measure.
        """
        chosen = choose(
            self._fleet, self._expectations, self._job, self._nodes, everything=self._everything
        )
        if sure and not chosen.paths:
            raise UsageError(_nothing(chosen))
        return chosen

    # before

    async def look(self, *, anyway: bool = False) -> None:
        """Check the fleet, and find out what its ports are and which nodes have iperf3.

        :param anyway: measure beside a running job.
        :raises UsageError: there is nothing to measure.
        :raises JobRuns: instances of the fleet run on the nodes, or that is not known.
        """
        self._checked = await self._check()
        self._fleet, self._expectations = self._checked.fleet, self._checked.expectations
        self._chosen = self._choose(sure=True)
        status = self._checked.status
        reached: list[BenchPath] = []
        for path in self._chosen.paths:
            lost = [n for n in (path.node, path.peer) if n not in self._checked.facts]
            if lost:
                why = status.nodes[lost[0]].ssh.error or f"{lost[0]} was not asked"
                self._left_out.append(LeftOut(path.node, path.peer, path.network, why))
            else:
                reached.append(path)
        self.paths = tuple(reached)
        stations = {node for path in self.paths for node in path.stations}
        found = running(status, stations)
        self._beside_job = bool(found)
        if found and not anyway:
            raise JobRuns(
                f"nothing was measured: {', '.join(found)}, and would be disturbed",
                hint="Stop it first, or measure beside it: --anyway.",
            )
        await self.ask_nodes()

    async def ask_nodes(self) -> None:
        """Ask each node on a path for its ports and its iperf3."""
        stations = {node: None for path in self.paths for node in path.stations}
        self.without_iperf.clear()
        assert self._checked
        asked = [node for node in stations if node in self._checked.facts]
        await asyncio.gather(*(self._ask(node) for node in asked))

    async def _ask(self, node: str) -> None:
        system = self.system_of(node)
        networks = {
            hop.network for path in self.paths for hop in path.hops if node in (hop.node, hop.peer)
        }
        assert self._checked
        addresses = self._fleet.nodes[node].addresses
        own = {
            network: interface.name
            for network in sorted(networks)
            if network in addresses
            and (interface := self._checked.facts[node].network.interface_of(addresses[network]))
        }
        fast = any(self._fleet.networks[n].kind == "thunderbolt" for n in own)
        script = VERSION
        if system and own:
            script += ports_text(list(own.values()), system, thunderbolt=fast)
        try:
            with of_node(node):
                link = await self._links.get(node)
                text = (await link.run(script, timeout_s=ASK_TIMEOUT_S)).text
        except LinkError as error:
            self.without_iperf[node] = str(error)
            return
        if not text.startswith("iperf"):
            line = INSTALL[system] if system else "install it there"
            self.without_iperf[node] = f"{node} has no iperf3 ({line})"
        if system and own:
            for network, port in read_ports(node, own, text, system).items():
                self._ports[node, network] = port

    def system_of(self, node: str) -> OS | None:
        """What a node that answered runs."""
        assert self._checked
        system = self._checked.facts[node].system
        return supported_os(system.os if system else None)

    # measuring

    async def measure(self, took: Callable[[PathResult], object]) -> None:
        """Measure all paths, one after the other; cancelling this keeps what is measured.

        :param took: called with each path's result as soon as it is there.
        """
        systems = {name: self.system_of(name) for p in self.paths for name in (p.node, p.peer)}
        measuring = Measuring(self._fleet, self._links, systems, self.without_iperf, self._seconds)
        try:
            for path in self.paths:
                took(self._keep(await measuring.measure(path)))
        except asyncio.CancelledError:
            if measuring.current and not measuring.current.empty:
                took(self._keep(measuring.current))
            raise
        self.all_reduce = await self._all_reduce()
        self._complete = True

    async def _all_reduce(self) -> AllReduce | None:
        """The all-reduce of the job's nodes, last; nothing of it where only some nodes, or paths
        that the job does not use, were asked for."""
        names = members(self._job) if self._job else []
        if not self._whole or not FEWEST <= len(names) <= MOST:
            return None
        assert self._checked
        away = [name for name in names if name not in self._checked.facts]
        if self._beside_job:
            return AllReduce(tuple(names), None, reason="a job runs")
        if away:
            return AllReduce(tuple(names), None, reason=f"{away[0]} was not asked")
        used = {path.peer: path.address for path in self.paths}
        ring = form(self._fleet, self._expectations, names, used)
        if ring is None:
            why = "there is no ring in which each node reaches the next over data networks"
            return AllReduce(tuple(names), None, reason=why)
        return await all_reduce(self._links, ring)

    def _keep(self, measured: Measured) -> PathResult:
        assert self._checked
        ports = [
            self._ports[end, hop.network]
            for hop in measured.path.hops
            for end in (hop.node, hop.peer)
            if (end, hop.network) in self._ports
        ]
        result = result_of(
            self._fleet,
            self._expectations,
            self._checked.status,
            measured,
            ports,
            self._history.best.get(measured.path.key, Best()),
        )
        if not measured.empty:
            self._history.add(replace(measured, ports=tuple(ports)))
        self.results.append(result)
        return result

    # after

    @property
    def report(self) -> BenchReport:
        """What is measured so far."""
        found = tuple(problems(self._fleet, self._expectations, self.results))
        whole = all(rung.ok is not None for r in self.results for rung in r.ladder)
        well = all(rung.ok is not False for r in self.results for rung in r.ladder)
        sound = self.all_reduce is None or self.all_reduce.ok is not False
        left_out = (*self._chosen.left_out, *self._left_out)
        return BenchReport(
            schema=SCHEMA,
            fleet=self._fleet.name,
            job=self._job.name if self._job else None,
            began_at=self._began_at,
            duration_s=round(time.monotonic() - self._began, 3),
            complete=self._complete,
            ok=self._complete and whole and well and not self._left_out and sound,
            paths=tuple(self.results),
            left_out=left_out,
            problems=found,
            all_reduce=self.all_reduce,
            notes=(*self.without_iperf.values(), *self._history.notes),
        )


def running(status: FleetStatus, nodes: Collection[str]) -> list[str]:
    """What runs on ``nodes``, or may run, each with its state: "server@mini1 is ready"."""
    found = [
        f"{name} is {told.state}"
        for name, told in status.services.items()
        if told.node in nodes and told.state in (*ALIVE_STATES, "unknown")
    ]
    orphans = [f"{one.name} is {one.state}" for one in status.orphans if one.node in nodes]
    return found + orphans


def _nothing(chosen: Chosen) -> str:
    reasons = "; ".join(dict.fromkeys(one.reason for one in chosen.left_out))
    return f"there is no path to measure{f': {reasons}' if reasons else ''}"
