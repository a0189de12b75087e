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


def node_counts(look: Appearance, network: str | None, names: Sequence[str], columns: int) -> Sheet:
    """Count the nodes on ``network``; names none before any node answered."""
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
        _name(sheet, row + 1, {n: m for n, m in marks.items() if m.symbol in _NAMED}, columns)
    return sheet


def _name(sheet: Sheet, row: int, marks: dict[str, Mark], columns: int) -> None:
    column = 1
    for name, mark in sorted(marks.items(), key=lambda item: _NAMED.index(item[1].symbol)):
        text = fitted(f" {name}", columns - 2)
        if column > 1 and column + 1 + cell_len(text) > columns:
            row, column = row + 1, 1
        sheet.places.setdefault(name, (row, column))
        tone: Tone | None = "bad" if mark.tone == "bad" else None
        column = sheet.mark(row, column, mark, Target(node=name))
        column = sheet.put(row, column, text, tone, Target(node=name)) + 2
