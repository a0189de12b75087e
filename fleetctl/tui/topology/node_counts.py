"""A network in two lines: how many nodes are in which state, and which are not well."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rich.cells import cell_len

from fleetctl.marks import Mark, Tone
from fleetctl.tui.topology.appearance import Appearance
from fleetctl.tui.topology.drawing import Sheet, Target, fitted
from fleetctl.tui.topology.network_line import NO_NETWORK, label

_COUNTED = "●✖▲?□"
_NAMED = "✖▲?"
"""Worst first."""


MOST_NAMED = 24
"""More are not named: of so many it is one cause, which the problems have."""


def node_counts(
    look: Appearance, network: str | None, names: Sequence[str], columns: int, cursor: str = ""
) -> Sheet:
    """Count the nodes on ``network``; names none before any node answered.

    :param cursor: the node that the cursor is on: it is named however it is.
    """
    sheet = Sheet()
    marks = {name: look.whole(name, network) for name in names}
    counts = Counter(marks.values())
    each = len(f"● {len(names)}") + 2
    named = min(cell_len(network or NO_NETWORK), columns - 2 * each)
    column = label(look, sheet, network, max(columns - 4 * each, named, 1)) + 2
    row = 0
    for mark in sorted(counts, key=lambda m: _COUNTED.index(m.symbol)):
        if column + each - 2 > columns:
            row, column = row + 1, 1
        column = sheet.mark(row, column, mark)
        column = sheet.put(row, column, f" {counts[mark]}") + 2
    if look.status:
        bad = {n: m for n, m in marks.items() if m.symbol in _NAMED or n == cursor}
        _name(sheet, row + 1, bad, columns, cursor)
    return sheet


def _name(sheet: Sheet, row: int, marks: dict[str, Mark], columns: int, cursor: str) -> None:
    column = 1
    worst = sorted(marks.items(), key=lambda item: _NAMED.find(item[1].symbol) % len(_COUNTED))
    shown = worst[:MOST_NAMED]
    shown += [item for item in worst[MOST_NAMED:] if item[0] == cursor]
    for name, mark in shown:
        text = fitted(f" {name}", columns - 2)
        if column > 1 and column + 1 + cell_len(text) > columns:
            row, column = row + 1, 1
        sheet.places.setdefault(name, (row, column))
        tone: Tone | None = "bad" if mark.tone == "bad" else None
        column = sheet.mark(row, column, mark, Target(node=name))
        column = sheet.put(row, column, text, tone, Target(node=name)) + 2
    if left := len(worst) - len(shown):
        sheet.put(row + 1, 1, fitted(f"and {left} more", columns - 1))
