"""How a command ended on each node, its exit code and its summary in words. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from fleetctl.model.execution import Broken, Ended
from fleetctl.quantities import first_ones

UNREACHABLE = 255
"""The exit code for a node that was not reached or given up, as with ssh."""
NAMED = 8
"""So many nodes are named in the summary."""

Outcome = Ended | Broken | None
"""None: it was interrupted."""

_WORDS = ("ok", "failed", "timed out", "cut off", "interrupted", "not reached")


def word(outcome: Outcome) -> str:
    """One of the words that the summary counts."""
    match outcome:
        case Ended(_, status):
            return "failed" if status else "ok"
        case Broken(_, how, _):
            return how
        case None:
            return "interrupted"


def remark(outcome: Outcome) -> str:
    """What stands behind a node's name, if it did not end with exit code 0."""
    match outcome:
        case Ended(_, status):
            return f" (exit code {status})" if status else ""
        case Broken(_, _, error):
            return f" (cut off: {error.reason})"
        case None:
            return " (cut off: interrupted)"


def exit_code(outcomes: Mapping[str, Outcome]) -> int:
    """The worst of all."""
    codes = (o.exit_status if isinstance(o, Ended) else UNREACHABLE for o in outcomes.values())
    return max(codes, default=0)


def summary(outcomes: Mapping[str, Outcome]) -> str:
    """How many nodes ended how, with the names of those that are not ok."""
    by_word: dict[str, list[str]] = {}
    for name, outcome in outcomes.items():
        by_word.setdefault(word(outcome), []).append(name)
    return f"{len(outcomes)} nodes: {', '.join(_counts(by_word))}"


def _counts(by_word: Mapping[str, Sequence[str]]) -> Iterator[str]:
    for kind in _WORDS:
        if names := by_word.get(kind):
            which = "" if kind == "ok" else f" ({first_ones(names, NAMED)})"
            yield f"{len(names)} {kind}{which}"
