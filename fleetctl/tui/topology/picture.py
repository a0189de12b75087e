"""Connected networks drawn as layers: each a line, with its nodes above and below."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct
from rich.cells import cell_len

from fleetctl.marks import Tone
from fleetctl.tui.topology.appearance import ADDRESSES, LINKS, ROLES, RTT_COLUMNS, Appearance
from fleetctl.tui.topology.drawing import Sheet, Target, fitted
from fleetctl.tui.topology.layering import Layering, Line, Port, layered
from fleetctl.tui.topology.nodes import put_node, put_role

PADS = (12, 8, 4, 0)
"""Extra columns between nodes."""
INDENT = 1
LINE, LINK, CROSSING = "━", "│", "┿"

Pads = dict[tuple[str, int, int], int]
"""The best padding, by first network, detail and columns; 0 also where none fits."""


def picture(
    look: Appearance, group: Sequence[str], detail: int, columns: int, pads: Pads
) -> Sheet | None:
    """Draw the networks of ``group``; None when that does not fit in ``columns``.

    Of the paddings that fit, takes the one with the longest labels; of equal ones, the widest.

    :param pads: cache of the paddings.
    """
    key = (group[0], detail, columns)
    best: _Picture | None = None
    for pad in PADS if key not in pads else (pads[key],):
        layering = layered(
            look.fleet, group, lambda name: _node_columns(look, name, detail), pad, cell_len
        )
        if layering.columns + INDENT > columns:
            continue
        drawn = _Picture(look, layering, detail, columns)
        if drawn.shortest_label and (best is None or drawn.score > best.score):
            best, pads[key] = drawn, pad
    pads.setdefault(key, 0)
    return best.sheet if best else None


def _node_columns(look: Appearance, name: str, detail: int) -> int:
    wide = [cell_len(name)]
    if detail >= ROLES:
        wide.append(look.role_columns(name))
    if detail >= ADDRESSES:
        networks = look.fleet.nodes[name].networks
        wide.append(
            max((look.address_columns(name, n) for n in networks), default=0) + 1 + RTT_COLUMNS
        )
    return 2 + max(wide)


class _Level(Struct, frozen=True):
    """The rows of one level."""

    lines: int
    """The first of its lines."""
    nodes: int
    end: int
    """The row after its nodes."""


class _Picture:
    """A layering drawn on a sheet."""

    def __init__(self, look: Appearance, layering: Layering, detail: int, columns: int) -> None:
        self.sheet = Sheet()
        self._look, self._layering = look, layering
        self._detail, self._columns = detail, columns
        self._levels = self._measured()
        for line in layering.lines:
            begin, end = (INDENT + p.column for p in (line.ports[0], line.ports[-1]))
            text = LINE * (end - begin + 1)
            self.sheet.put(self._row(line), begin, text, "quiet", Target(network=line.network))
        for line in layering.lines:
            for port in line.ports:
                self._link(line, port)
        for line in layering.lines:
            self._ends(line)
        for level, nodes in zip(self._levels, layering.rows, strict=True):
            for name, column in nodes:
                put_node(look, self.sheet, level.nodes, INDENT + column, name)
                if detail >= ROLES:
                    put_role(look, self.sheet, level.nodes + 1, INDENT + column + 2, name)
        for line in layering.lines:
            if detail >= LINKS:
                self._say_beside(line)
            elif detail == ROLES:
                self._say_along(line)
        labels = [self._label(line) for line in layering.lines]
        self.shortest_label = min(labels)
        """In columns; 0 when one had no room."""
        self.score = (self.shortest_label, sum(labels))

    def _measured(self) -> list[_Level]:
        """Row 0 is for the label of the topmost network."""
        levels: list[_Level] = []
        for number, nodes in enumerate(self._layering.rows):
            lines = levels[-1].end if levels else 1
            if self._detail >= LINKS and levels:
                lines += 1
            below = lines + self._layering.tracks(number) + (self._detail >= LINKS)
            roles = self._detail >= ROLES and any(self._look.role(name) for name, _ in nodes)
            levels.append(_Level(lines, below, below + 1 + roles))
        return levels

    def _row(self, line: Line) -> int:
        return self._levels[line.level].lines + line.track

    def _link(self, line: Line, port: Port) -> None:
        """The vertical between node and line, and the mark on the line."""
        target = Target(port.node, line.network)
        mark = self._look.link(port.node, line.network)
        tone: Tone = "bad" if mark.tone == "bad" else "quiet"
        row, column = self._row(line), INDENT + port.column
        if port.below:
            between = range(row + 1, self._levels[line.level].nodes)
        else:
            above = self._levels[line.level - 1]
            between = range(above.end if self._look.role(port.node) else above.nodes + 1, row)
        for passed in between:
            crossed = self.sheet.text(passed, column) == LINE
            self.sheet.put(passed, column, CROSSING if crossed else LINK, tone, target)
        self.sheet.mark(row, column, mark, target)

    def _ends(self, line: Line) -> None:
        """Extend a line by one column beyond its outer links, unless a vertical is next to that."""
        row = self._row(line)
        for port, beyond in ((line.ports[0], -1), (line.ports[-1], 1)):
            column = INDENT + port.column + beyond
            if self.sheet.text(row, column + beyond) not in (LINK, CROSSING):
                self.sheet.put(row, column, LINE, "quiet", Target(network=line.network))

    def _say_beside(self, line: Line) -> None:
        """Put address and round trip into the row of each link, where there is room."""
        level = self._levels[line.level]
        beside = [p for li in self._layering.lines if li.level == line.level for p in li.ports]
        for port in line.ports:
            address, figure, room = "", "", 0
            if self._detail >= ADDRESSES:
                address = f"{self._look.address(port.node, line.network)} "
                room = len(address)
            if not _cable(line) or port is _lower(line):
                figure = self._look.rtt(port.node, line.network).ljust(RTT_COLUMNS)
                room += RTT_COLUMNS
            near = range(port.column + 1, port.column + 2 + room + 1)
            if any(other.below == port.below and other.column in near for other in beside):
                continue
            row = level.nodes - 1 if port.below else level.lines - 1
            target = Target(port.node, line.network)
            tone = self._look.rtt_tone(port.node, line.network)
            after = self.sheet.put(row, INDENT + port.column + 2, address, "quiet", target)
            self.sheet.put(row, after, figure, tone, target)

    def _say_along(self, line: Line) -> None:
        """Put round trips on the line itself; the end of lower lines is left to the label."""
        if line.level and _cable(line):
            return  # _label puts it after the name
        row = self._row(line)
        ends = [INDENT + port.column - 1 for port in line.ports[1:]]
        ends.append(0 if line.level else self._columns)
        for port, end in zip(line.ports, ends, strict=True):
            begin = INDENT + port.column + 2
            if end - begin < RTT_COLUMNS:
                continue
            if all(self.sheet.text(row, c) != CROSSING for c in range(begin, begin + RTT_COLUMNS)):
                text = self._look.rtt(port.node, line.network)
                target = Target(port.node, line.network)
                tone = self._look.rtt_tone(port.node, line.network)
                self.sheet.put(row, begin, text, tone, target)

    def _label(self, line: Line) -> int:
        """Name the line: the topmost above it, the others at their right end.

        Where links have no rows of their own, the round trip of a cable follows the name.

        :returns: its columns; 0 without room.
        """
        look, sheet, target = self._look, self.sheet, Target(network=line.network)
        if not line.level:
            text = fitted(look.network_label(line.network, self._columns), self._columns)
            return sheet.put(0, 0, text, None, target)
        row, least = self._row(line), cell_len(line.network)
        for start in range(INDENT + line.label, self._columns - least + 1):
            end = start + least
            if not sheet.free(row, start - 1, end):
                continue
            while end < self._columns and sheet.free(row, end, end + 2):
                end += 1
            timed = self._detail == ROLES and _cable(line)
            timed = timed and start + least + 1 + RTT_COLUMNS <= end
            room = end - start - (1 + RTT_COLUMNS if timed else 0)
            after = sheet.put(row, start, look.network_label(line.network, room), None, target)
            if timed:
                lower = _lower(line).node
                text = look.rtt(lower, line.network)
                tone = look.rtt_tone(lower, line.network)
                sheet.put(row, after + 1, text, tone, Target(lower, line.network))
                after += 1 + RTT_COLUMNS
            return after - start
        return 0


def _cable(line: Line) -> bool:
    """Whether the line has two ends; their round trip is written once, at the lower."""
    return len(line.ports) == 2


def _lower(line: Line) -> Port:
    """The end of a cable that is below its line, else the first."""
    return next((port for port in line.ports if port.below), line.ports[0])
