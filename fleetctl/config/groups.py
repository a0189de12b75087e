"""Which instances of a job belong together: the network that they use, and their framework."""

from __future__ import annotations

from collections.abc import Mapping

from fleetctl.config.frameworks import PORTS, Group, variables
from fleetctl.config.peers import over
from fleetctl.config.placeholders import Unfillable
from fleetctl.config.report import Report, TreePath, nearest
from fleetctl.config.scalars import Framework
from fleetctl.config.scope import Scope, meeting
from fleetctl.config.shape.entry import given
from fleetctl.config.shape.jobs import JobEntry
from fleetctl.model.endpoints import best_network
from fleetctl.model.topology import Fleet, Node


class Groups:
    """Those of one job.

    :param nodes: by service: the nodes that it is on, with a stand-in for unknown ones.
    """

    def __init__(
        self,
        job: str,
        entry: JobEntry,
        fleet: Fleet,
        nodes: Mapping[str, tuple[Node, ...]],
        report: Report,
    ) -> None:
        self._job = job
        self._entry = entry
        self._fleet = fleet
        self._nodes = nodes
        self._report = report

    def _path(self, service: str, key: str) -> TreePath:
        """Where the value of ``key`` stands that counts for ``service``."""
        of_job: TreePath = ("jobs", self._job)
        of_service = (*of_job, "services", service)
        return next((p for p in (of_service, of_job) if self._report.has(*p, key)), of_service)

    def network(self, service: str) -> str | None:
        """The network that its ``network``, its ``peers`` or that of the job says; else the one
        that the members of its framework have in common."""
        entry = self._entry.services[service]
        meant = over(entry)
        if meant not in self._fleet.networks:
            meant = None  # reported already
        written = given(entry.network, meant or given(self._entry.network, None))
        if written is None:
            return self._common(service) if self._framework(service) != "none" else None
        if written in self._fleet.networks:
            return written
        what = f"unknown network {written!r} in network{nearest(written, self._fleet.networks)}"
        self._report.mistake((*self._path(service, "network"), "network"), what)
        return None

    def _common(self, service: str) -> str | None:
        members = self._members(service)
        found = meeting(self._fleet, [node for _, node in members]) if members else None
        if found and self._fleet.networks[found].control:
            if self._framework(service) == "mlx-ring" and self._is_ring([n for _, n in members]):
                return None  # each uses the networks to its two neighbours
            what = (
                f"{self._framework(service)} of service {service!r} will use the control network "
                f"{found!r}: there is no other to which all of its nodes have a way"
            )
            self._report.warning((*self._path(service, "framework"), "framework"), what)
        return found

    def _is_ring(self, nodes: list[Node]) -> bool:
        """Whether each of ``nodes`` is reached from the one before it over a data network."""
        ways = [best_network(self._fleet, nodes[n - 1], node) for n, node in enumerate(nodes)]
        return all(way is not None and not self._fleet.networks[way].control for way in ways)

    def _framework(self, service: str) -> Framework:
        of_job: Framework = given(self._entry.framework, "none")
        return given(self._entry.services[service].framework, of_job)

    def _members(self, service: str) -> tuple[tuple[str, Node], ...]:
        """What belongs to the framework of ``service``, in order of rank: its own instances, or
        those of all services that leave it to the job."""
        entries = self._entry.services
        alone = given(entries[service].framework, None) is not None
        return tuple(
            (name, node)
            for name, entry in entries.items()
            if (name == service if alone else given(entry.framework, None) is None)
            and given(entry.command, None) is not None
            for node in self._nodes[name]
        )

    def _group(self, scope: Scope) -> Group | None:
        """What the instance of ``scope`` is a member of; ``None``: nothing, or something wrong."""
        framework, members = self._framework(scope.service), self._members(scope.service)
        places = [scope.places[name] for name, _ in members]
        if framework == "none" or not members or None in places:
            return None
        own = scope.places[scope.service]
        if own is None or (scope.service, scope.node) not in members:
            return None
        name, node = members[0]
        first = places[0].listens[node.name] if places[0] else ()
        return Group(
            tuple((name, node.name) for name, node in members),
            first[0].port if first else PORTS.get(framework, 0),
            own.network,
            given(self._entry.elastic, False),
            f"{self._fleet.name}-{self._job}-{name}",
        )

    def environment(self, scope: Scope) -> dict[str, str]:
        """What an instance gets from its framework; nothing where nothing may tell how many
        members there are."""
        group = self._group(scope) if scope.world_size else None
        if group is None:
            return {}
        try:
            return variables(self._framework(scope.service), group, scope)
        except Unfillable as why:
            path = self._path(scope.service, "framework")
            self._report.mistake((*path, "framework"), str(why))
            return {}
