"""The whole topology at one size: the form of each part, and where the parts go. Pure.

The forms, from large to small: pictures with addresses, with a row for each link, with roles, with
names only; each network as a line of names; counts, with the names of nodes that are not well. The
first that fits is taken. It depends on size and nodes.yaml only, so that nothing jumps when the
state changes. If none fits, a small one is drawn, to be scrolled.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct

from fleetctl.health.attachments import attachments, data_states, link_rtts
from fleetctl.model.jobs import Job
from fleetctl.model.status import FleetStatus
from fleetctl.model.topology import Fleet
from fleetctl.tui.job_line import idle_ranks
from fleetctl.tui.topology.appearance import (
    ADDRESSES,
    LINKS,
    NAMES,
    ROLES,
    Appearance,
    by_node,
)
from fleetctl.tui.topology.drawing import Drawing, Sheet
from fleetctl.tui.topology.layering import components, order
from fleetctl.tui.topology.meshes import meshed
from fleetctl.tui.topology.network_line import hanging, inline
from fleetctl.tui.topology.node_counts import node_counts
from fleetctl.tui.topology.picture import Pads, picture

CROWD = 40
"""The nodes of a larger network are counted, not drawn."""


class _Form(Struct, frozen=True):
    detail: int
    crowd: int = CROWD


PICTURES = tuple(_Form(detail) for detail in (ADDRESSES, LINKS, ROLES, NAMES))
LINES = _Form(ROLES)
COUNTS = _Form(NAMES, crowd=0)


class Topology:
    """Draws one fleet; remembers the form that fits a size."""

    def __init__(self, fleet: Fleet, job: Job | None) -> None:
        self._fleet = fleet
        self._job = job
        self._meshed = meshed(fleet)
        self._instances = by_node(job)
        self._parts = _Parts(self._meshed.fleet)
        self._forms: dict[tuple[int, int], _Form] = {}
        self._pads: Pads = {}
        self._newest: tuple[FleetStatus | None, Appearance] | None = None
        """The status that was drawn last: the cursor moves more often than it changes."""

    def draw(
        self, status: FleetStatus | None, columns: int, rows: int, cursor: str = ""
    ) -> Drawing:
        """Draw within ``columns``, and within ``rows`` where possible.

        :param status: None before any node answered.
        :param cursor: a node that is named also where nodes are counted.
        """
        columns = max(columns, 1)
        if (columns, rows) not in self._forms:
            self._forms[columns, rows] = self._fitting(columns, rows)
        if self._newest is None or self._newest[0] is not status:
            self._newest = status, self._look(status)
        whole = self._composed(self._newest[1], self._forms[columns, rows], columns, cursor)
        return whole.sheet().drawing(columns)

    def cables(self, node: str, network: str) -> tuple[str, ...]:
        """The networks of nodes.yaml for which the link of ``node`` to ``network`` is drawn."""
        return self._meshed.at(node, network, self._fleet) or (network,)

    def _look(self, status: FleetStatus | None) -> Appearance:
        held = attachments(self._fleet, status) if status else {}
        rtts = link_rtts(self._fleet, status) if status else {}
        data = data_states(self._fleet, self._job, status) if status else {}
        off = {node for (node, _), works in held.items() if works is False}
        without = {name for name, state in data.items() if state.ok is False}
        idle = {i.name for node in without for i in self._instances.get(node, ())}
        ends = {
            (node, mesh): cables
            for mesh in self._meshed.cables
            for node in self._fleet.nodes
            if (cables := self._meshed.at(node, mesh, self._fleet))
        }
        for (node, mesh), cables in ends.items():
            known = [held.get((node, cable)) for cable in cables]
            held[node, mesh] = False if False in known else None if None in known else True
            slowest = [rtts[node, cable] for cable in cables if (node, cable) in rtts]
            if slowest:
                rtts[node, mesh] = max(slowest)
        networks = self._meshed.fleet.networks
        return Appearance(
            self._meshed.fleet,
            status,
            held,
            rtts,
            frozenset(without - off),
            self._instances,
            idle_ranks(status) | idle if status else frozenset(),
            {mesh: self._meshed.label(mesh, networks[mesh].kind) for mesh in self._meshed.cables},
            {end: len(cables) for end, cables in ends.items()},
        )

    def _composed(
        self, look: Appearance, form: _Form, columns: int, cursor: str = ""
    ) -> _Composition:
        return _Composition(look, self._parts, form, columns, self._pads, cursor)

    def _fitting(self, columns: int, rows: int) -> _Form:
        look = self._look(None)  # the form must not depend on the state
        for form in PICTURES:
            whole = self._composed(look, form, columns)
            height = whole.sheet().height
            if height <= rows and not whole.too_wide:
                return form
        if self._composed(look, LINES, columns).sheet().height <= rows:
            return LINES
        return PICTURES[-1] if height <= 2 * rows else COUNTS


def draw(
    fleet: Fleet, job: Job | None, status: FleetStatus | None, columns: int, rows: int
) -> Drawing:
    """Draw ``fleet`` once; see :meth:`Topology.draw`."""
    return Topology(fleet, job).draw(status, columns, rows)


class _Parts:
    """What is drawn, in order; independent of size and state."""

    def __init__(self, fleet: Fleet) -> None:
        control = [n for n, network in fleet.networks.items() if network.control]
        data = [n for n in fleet.networks if n not in control]
        self.control = control if data else []
        first = next((n.name for n in fleet.networks.values() if n.control), None)
        self.members = {
            network: [
                name
                for name, node in fleet.nodes.items()
                if network in node.networks
                # this machine is on the control network, also without addresses in the file
                or (network == first and node.connection == "local" and not node.networks)
            ]
            for network in fleet.networks
        }
        self.groups = [order(fleet, group) for group in components(fleet, data)]
        if not data:  # a picture cannot show this machine, which may have no address
            self.groups = [[name] for name in control]
        self.alone = [
            name for name in fleet.nodes if not any(name in m for m in self.members.values())
        ]
        """Nodes on no network."""


class _Composition:
    """All parts, one below the other, small ones side by side."""

    def __init__(
        self,
        look: Appearance,
        parts: _Parts,
        form: _Form,
        columns: int,
        pads: Pads,
        cursor: str = "",
    ) -> None:
        self._look, self._parts, self._form = look, parts, form
        self._columns, self._pads = columns, pads
        self._cursor = cursor
        self._drawn: set[str] = set()
        self.too_wide = False
        """Whether a picture did not fit in the columns, and lines of names replace it."""

    def sheet(self) -> Sheet:
        whole = Sheet()
        row = column = below = 0
        for part in self._sheets():
            if column and column + part.width > self._columns:
                row, column = below, 0
            if not column and row and self._form.detail > NAMES:
                row += 1
            whole.paste(part, row, column)
            below = max(below, row + part.height)
            column += part.width + 4
        return whole

    def _sheets(self) -> Iterator[Sheet]:
        for group in self._parts.groups:
            yield from self._group(group)
        for network in self._parts.control:
            yield self._network_line(network, self._parts.members[network])
        if self._parts.alone:
            yield self._network_line(None, self._parts.alone)

    def _group(self, group: Sequence[str]) -> Iterator[Sheet]:
        members = {name for network in group for name in self._parts.members[network]}
        if 1 < len(group) <= CROWD and len(members) <= self._form.crowd:
            drawn = picture(self._look, group, self._form.detail, self._columns, self._pads)
            if drawn:
                self._drawn |= members
                yield drawn
                return
            self.too_wide = True
        for network in group:
            yield self._network_line(network, self._parts.members[network], alone=len(group) == 1)

    def _network_line(self, network: str | None, names: list[str], *, alone: bool = False) -> Sheet:
        homes = set(names) - self._drawn
        self._drawn |= homes
        if len(names) > self._form.crowd:
            return node_counts(self._look, network, names, self._columns, self._cursor)
        if network and alone and self._form.detail > NAMES and names:
            drawn = hanging(self._look, network, names, self._columns)
            if drawn:
                return drawn
        return inline(self._look, network, names, homes, self._form.detail, self._columns)
