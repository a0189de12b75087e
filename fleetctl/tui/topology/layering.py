"""Where networks and nodes go when they are drawn as layers: pure arithmetic on columns.

The network with most members is on top; its nodes are below it, below them the other networks
these nodes are on, and so on. Each node has one place, above the networks that hang from it.
Nothing here depends on state, so a fleet is always drawn at the same places.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache

from msgspec import Struct

from fleetctl.model.topology import Fleet

GRID = 4
"""Nodes start at multiples of this. Links up leave a node at columns 0, 4, 8 … of its place, links
down at 2, 6, 10 …, so that no two ever run into one vertical line."""


class Port(Struct, frozen=True):
    """Where a node's link meets a network's line."""

    node: str
    column: int
    below: bool
    """The node hangs below the line."""


class Line(Struct, frozen=True):
    """One network's horizontal line."""

    network: str
    level: int
    track: int
    """Of several lines between the same two rows of nodes, counted from the top."""
    ports: tuple[Port, ...]
    label: int
    """The column where its label begins."""


class Layering(Struct, frozen=True):
    """The layout of connected networks."""

    lines: tuple[Line, ...]
    rows: tuple[tuple[tuple[str, int], ...], ...]
    """Per level, the nodes below its lines, each with its column."""
    columns: int

    def tracks(self, level: int) -> int:
        return 1 + max(line.track for line in self.lines if line.level == level)


def components(fleet: Fleet, networks: Sequence[str]) -> list[list[str]]:
    """``networks`` in groups that share nodes, in order."""
    groups: list[list[str]] = []
    members = {name: _members(fleet, name) for name in networks}
    for name in networks:
        joined = [g for g in groups if any(members[name] & members[n] for n in g)]
        merged = {name}.union(*joined)
        groups = [g for g in groups if g not in joined]
        groups.append([n for n in networks if n in merged])
    return sorted(groups, key=lambda group: list(networks).index(group[0]))


def _members(fleet: Fleet, network: str) -> set[str]:
    return {name for name, node in fleet.nodes.items() if network in node.networks}


def order(fleet: Fleet, group: Sequence[str]) -> list[str]:
    """The networks of a group, the one with most members first, then outward from it."""
    tree = _Tree(fleet, group)
    return sorted(group, key=lambda n: (tree.level.get(n, 0), list(group).index(n)))


class _Tree:
    """Which node hangs from which network, breadth first from the largest network."""

    def __init__(self, fleet: Fleet, group: Sequence[str]) -> None:
        self.root = max(group, key=lambda n: len(_members(fleet, n)))
        self.level = {self.root: 0}
        self.row: dict[str, int] = {}
        self.nodes: dict[str, list[str]] = {n: [] for n in group}
        self.networks: dict[str, list[str]] = {}
        self.parent: dict[str, str] = {}
        queue = [self.root]
        for network in queue:
            for name, node in fleet.nodes.items():
                if network not in node.networks or name in self.row:
                    continue
                self.row[name] = self.level[network]
                self.parent[name] = network
                self.nodes[network].append(name)
                self.networks[name] = []
                for other in group:
                    if other in node.networks and other not in self.level:
                        self.level[other] = self.level[network] + 1
                        self.networks[name].append(other)
                        queue.append(other)


def layered(
    fleet: Fleet,
    group: Sequence[str],
    wide: Callable[[str], int],
    pad: int,
    label: Callable[[str], int],
) -> Layering:
    """Place a group of networks and their nodes.

    :param wide: the columns of a node's text.
    :param pad: columns added to each node's place.
    :param label: the least columns of a network's label.
    """
    tree = _Tree(fleet, group)
    up, down = _links(fleet, group, tree)

    @cache
    def node_columns(name: str) -> int:
        ports = GRID * max(len(up[name]), len(down[name]))
        own = max(wide(name) + 2 + pad, ports + 2)
        return _up(max(own, sum(map(network_columns, tree.networks[name]))))

    @cache
    def network_columns(network: str) -> int:
        widths = [node_columns(name) for name in tree.nodes[network]]
        labelled = sum(widths[:-1]) + GRID + label(network) + 2
        return _up(max(sum(widths), labelled if tree.level[network] else 0))

    at: dict[str, int] = {}

    def place(network: str, column: int) -> int:
        start = column
        for name in tree.nodes[network]:
            at[name] = column
            inner = column
            for hanging in tree.networks[name]:
                inner = place(hanging, inner)
            column += node_columns(name)
        return max(column, start + network_columns(network))

    place(tree.root, 0)
    lines = _lines(group, tree, up, down, at, label)
    right = [at[name] + wide(name) for name in at]
    right += [line.label + label(line.network) for line in lines if line.level]
    levels = 1 + max(tree.level.values())
    rows = tuple(
        tuple(
            sorted(((n, at[n]) for n, row in tree.row.items() if row == level), key=lambda p: p[1])
        )
        for level in range(levels)
    )
    return Layering(lines, rows, max(right, default=label(tree.root)))


def _links(
    fleet: Fleet, group: Sequence[str], tree: _Tree
) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """The networks above and below each node, its parent and children in the tree first."""
    up, down = {}, {}
    for name, row in tree.row.items():
        mine = [n for n in group if n in fleet.nodes[name].networks]
        above = [n for n in mine if tree.level[n] == row]
        below = [n for n in mine if tree.level[n] > row]
        parent, mine_below = tree.parent[name], tree.networks[name]
        up[name] = [parent, *(n for n in above if n != parent)]
        down[name] = [*mine_below, *(n for n in below if n not in mine_below)]
    return up, down


def _lines(
    group: Sequence[str],
    tree: _Tree,
    up: dict[str, list[str]],
    down: dict[str, list[str]],
    at: dict[str, int],
    label: Callable[[str], int],
) -> tuple[Line, ...]:
    ports: dict[str, list[Port]] = {n: [] for n in group}
    for name, column in at.items():
        for place, network in enumerate(up[name]):
            ports[network].append(Port(name, column + GRID * place, below=True))
        for place, network in enumerate(down[name]):
            ports[network].append(Port(name, column + GRID * place + 2, below=False))
    lines = []
    taken: dict[tuple[int, int], list[tuple[int, int]]] = {}
    # from the right: a line that begins farther right goes above one that begins left of it
    for network in sorted(group, key=lambda n: -min((p.column for p in ports[n]), default=0)):
        columns = sorted(p.column for p in ports[network]) or [0]
        begin = columns[-1] + 2
        span = (columns[0] - 1, begin + label(network) + 1)
        level, track = tree.level[network], 0
        while any(a < span[1] and span[0] < b for a, b in taken.get((level, track), ())):
            track += 1
        taken.setdefault((level, track), []).append(span)
        there = tuple(sorted(ports[network], key=lambda p: p.column))
        lines.append(Line(network, level, track, there, begin))
    return tuple(sorted(lines, key=lambda line: (line.level, line.track, line.label)))


def _up(columns: int) -> int:
    return -(-columns // GRID) * GRID
