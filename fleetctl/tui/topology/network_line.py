"""One network with all its nodes, as a line that is wrapped at the width.

For networks that are no part of a picture: the control network, which nearly every node is on; a
network that shares no node with others; and every network, where a picture does not fit.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from rich.cells import cell_len

from fleetctl.marks import MARKS, Tone
from fleetctl.tui.topology.appearance import ROLES, RTT_COLUMNS, Appearance
from fleetctl.tui.topology.drawing import Sheet, Target, fitted
from fleetctl.tui.topology.nodes import put_node, put_role
from fleetctl.tui.topology.picture import LINE

THIS_MACHINE = f"{MARKS['ok'].symbol} this machine"
NO_NETWORK = "on no network of the file"
_GAP = 2


def label(look: Appearance, sheet: Sheet, network: str | None, columns: int) -> int:
    """Put the line's label into the first row; returns the column after it."""
    if network is None:
        return sheet.put(0, 0, fitted(NO_NETWORK, columns), "quiet")
    text = fitted(look.network_label(network, columns), columns)
    return sheet.put(0, 0, text, None, Target(network=network))


def inline(
    look: Appearance,
    network: str | None,
    names: Sequence[str],
    homes: Collection[str],
    detail: int,
    columns: int,
) -> Sheet:
    """The nodes in the line itself, each with one mark.

    :param network: None for nodes that are on none.
    :param homes: nodes that are drawn nowhere else: their mark is for node and link, not only for
        the link.
    """
    sheet = Sheet()
    label(look, sheet, network, columns)
    line = None if network is None else Target(network=network)
    row, column = 1, 0
    for name in (*names, *_controller(look, network)):
        role = detail >= ROLES and name in homes and look.role(name) != ""
        wide = cell_len(name)
        if name != THIS_MACHINE:
            wide += 2 + (3 + look.role_columns(name) if role else 0)
        if column and column + 2 + wide > columns:
            row, column = row + 1, 0
        column = sheet.put(
            row, column, (LINE if line else " ") * (2 if column else 1), "quiet", line
        )
        if name == THIS_MACHINE:
            sheet.put(row, column, fitted(name, columns - column), "quiet")
            break  # it is the last
        home = name in homes
        target = Target(name, None if home else network)
        shown = look.whole(name, network) if home or network is None else look.link(name, network)
        tone: Tone | None = "bad" if shown.tone == "bad" else None
        sheet.places.setdefault(name, (row, column))
        role = role and column + wide <= columns
        column = sheet.mark(row, column, shown, target)
        column = sheet.put(row, column, fitted(f" {name}", columns - column), tone, target)
        if role:
            column = sheet.put(row, column, " (", "quiet", target)
            column = sheet.put(row, put_role(look, sheet, row, column, name), ")", "quiet", target)
        column += 1
    return sheet


def hanging(look: Appearance, network: str, names: Sequence[str], columns: int) -> Sheet | None:
    """The nodes below the line, in columns of equal width; None when not even one fits."""
    members = [*names, *_controller(look, network)]
    roles = [look.role_columns(name) for name in names]
    step = 2 + max(*map(cell_len, members), *roles) + _GAP
    each = (columns - 2 + _GAP) // step
    if each < 1:
        return None
    sheet = Sheet()
    label(look, sheet, network, columns)
    tall = 3 if any(roles) else 2
    starts = range(0, len(members), each)
    lines = [1 + number * tall for number in range(len(starts))]
    for row, start in zip(lines, starts, strict=True):
        _hung(look, sheet, row, network, members[start : start + each], step, columns)
    if len(lines) > 1:  # the pieces of the line are joined at their left ends
        corners = dict.fromkeys(lines, "┣") | {lines[0]: "┏", lines[-1]: "┗"}
        for row in range(lines[0], lines[-1] + 1):
            sheet.put(row, 0, corners.get(row, "┃"), "quiet", Target(network=network))
    return sheet


def _hung(
    look: Appearance,
    sheet: Sheet,
    row: int,
    network: str,
    names: Sequence[str],
    step: int,
    columns: int,
) -> None:
    """One piece of the line, and the nodes below it."""
    sheet.put(row, 0, LINE * ((len(names) - 1) * step + 3), "quiet", Target(network=network))
    for place, name in enumerate(names):
        column = 1 + place * step
        if name == THIS_MACHINE:
            sheet.put(row + 1, column, name, "quiet")
            continue
        put_node(look, sheet, row + 1, column, name)
        put_role(look, sheet, row + 2, column + 2, name)
        if network in look.fleet.nodes[name].networks:
            link = Target(name, network)
            sheet.mark(row, column, look.link(name, network), link)
            end = column + step if place < len(names) - 1 else columns
            if end - column >= RTT_COLUMNS + 3:
                # as wide with a round trip as without, so that nothing beside it moves
                sheet.width = max(sheet.width, column + 2 + RTT_COLUMNS)
                tone = look.rtt_tone(name, network)
                sheet.put(row, column + 2, look.rtt(name, network), tone, link)


def _controller(look: Appearance, network: str | None) -> tuple[str, ...]:
    """This machine, on the first control network, if it is not a node of the file."""
    first = next((n.name for n in look.fleet.networks.values() if n.control), None)
    known = any(node.connection == "local" for node in look.fleet.nodes.values())
    return (THIS_MACHINE,) if network is not None and network == first and not known else ()
