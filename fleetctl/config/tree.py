"""What is written in a YAML file: texts, lists and mappings, each with its position."""

from __future__ import annotations

from msgspec import Struct

from fleetctl.config.report import Position
from fleetctl.patterns import pattern

MAX_SIZE_BYTES = 4 * 1024 * 1024


class Scalar(Struct, frozen=True):
    """``plain``: written without quotes, so it may also mean a number or null."""

    mark: Position
    text: str
    plain: bool


class Sequence(Struct, frozen=True):
    mark: Position
    items: list[Tree]


class Mapping(Struct, frozen=True):
    """``entries``: by key, in the file's order: the key's position and the value."""

    mark: Position
    entries: dict[str, tuple[Position, Tree]]


Tree = Scalar | Sequence | Mapping


def mark_of(text: str, index: int) -> Position:
    """The position of the character at ``index``."""
    before = text[:index]
    return Position(before.count("\n") + 1, index - (before.rfind("\n") + 1) + 1)


NULL = pattern(r"~|null|Null|NULL|")
"""Plain texts that mean "nothing" (YAML 1.1 and 1.2)."""
