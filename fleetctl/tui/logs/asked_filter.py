"""What is typed as a filter of logs: which instances, and what their lines must hold. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

from msgspec import Struct

from fleetctl.logs.matching import Filter, Pattern


class AskedFilter(Struct, frozen=True):
    """Such as ``@pi* loss``, or ``!/debug/``."""

    text: str = ""
    """As it was typed."""
    instances: tuple[str, ...] | None = None
    """Picked by ``@``; None: all."""
    lines: Filter | None = None
    """None: all lines."""

    @property
    def shown(self) -> str:
        """For a title: ``@pi* /loss/``."""
        picked, rest = split(self.text)
        bare = rest.removeprefix("!")
        pattern = f"{'!' * rest.startswith('!')}/{bare}/" if bare else ""
        return " ".join(filter(None, (f"@{picked}" if picked else "", pattern)))

    def title(self, matched: int, of: str, context_lines: int) -> str:
        """For the panel's title; empty: nothing is filtered.

        :param of: how many lines there are, in words.
        """
        if self.lines and self.lines.pattern.gave_up:
            return f"filter {self.shown} takes too long, change it"
        if not self.text:
            return ""
        around = f" ±{context_lines}" if context_lines else ""
        return f"filter {self.shown} {matched:,} of {of}{around}"


def asked(text: str, names: Sequence[str], labels: Sequence[str]) -> AskedFilter:
    """Read what was typed.

    :param names: of all instances.
    :param labels: those that stand before lines: a pattern that is found in one matches each of
        its lines.
    :raises UsageError: the rest after ``@...`` is no regular expression.
    """
    picked, rest = split(text)
    instances = tuple(n for n in names if _picks(picked, n)) if picked else None
    bare = rest.removeprefix("!")
    lines = None
    if bare:
        pattern = Pattern(bare)
        found = frozenset(name for name in labels if pattern.search(name))
        lines = Filter(pattern, rest.startswith("!"), found)
    return AskedFilter(text, instances, lines)


def split(text: str) -> tuple[str, str]:
    """What picks instances, without its ``@``, and the expression."""
    if not text.startswith("@"):
        return "", text
    picked, _, rest = text[1:].partition(" ")
    return picked, rest


def _picks(wanted: str, name: str) -> bool:
    """By node, by service, or by the whole name, with ``*`` and ``?``."""
    service, _, node = name.partition("@")
    return any(fnmatchcase(part, wanted) for part in (node, service, name))
