"""What is equal on the nodes of a job and what is not, a line each. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct

from fleetctl.marks import Mark, mark
from fleetctl.model.status import ParityStatus


class ParityLine(Struct, frozen=True):
    """One line, after its mark."""

    mark: Mark
    text: str


def parity_lines(rows: Sequence[ParityStatus]) -> Iterator[ParityLine]:
    """All that is equal in one line; then a line for each thing that differs, or is not known."""
    if same := [f"{row.label} {row.values[0].value}" for row in rows if row.ok]:
        yield ParityLine(mark("ok"), f"equal on all: {' · '.join(same)}")
    for row in rows:
        if row.ok:
            continue
        said = [f"{value.value}: {', '.join(value.nodes)}" for value in row.values]
        said += [f"not known: {node} ({why})" for node, why in row.unknown.items()]
        yield ParityLine(
            mark("unknown" if row.ok is None else "warning"), f"{row.label}  {' · '.join(said)}"
        )
