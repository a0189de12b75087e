"""Repairs as lines for a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec.structs import replace

from fleetctl.cli.render import marked, plain, style
from fleetctl.model.repairs import Proposal
from fleetctl.words.repairs import ALL_IS_WELL, Hints, RepairLine, proposal_lines

NOT_PERSISTENT = "-not-persistent"
"""The end of the codes of what is right only until the next boot."""
HINTS = Hints(
    persistent="printed only: it changes what the Mac brings up; add --persistent",
    by_hand="no repair that fix can run; what to do: fleetctl explain {}".format,
)


def drawn(lines: Iterable[RepairLine]) -> Iterator[str]:
    """Lines with their marks and indentation."""
    for line in lines:
        mark = f"{marked(line.mark)} " if line.mark else ""
        strong = style(plain(line.strong), None, bold=True)
        yield f"{'  ' * line.depth}{mark}{plain(line.text)}{strong}{plain(line.after)}"


def still_wrong_lines(proposal: Proposal, *, persistent: bool) -> Iterator[str]:
    """What the last check found after the repairs."""
    if proposal.repairs or proposal.by_hand:
        yield "still wrong:"
        left = replace(proposal, then=())
        yield from drawn(proposal_lines(left, HINTS, persistent=persistent))
        if any(
            r.os == "macos" and r.problem.code.endswith(NOT_PERSISTENT) for r in proposal.repairs
        ):
            yield plain("gone at the next boot; to keep it: fleetctl fix --apply --persistent")
    else:
        yield plain(f"{style('●', 'green')} {ALL_IS_WELL}")
