"""Names that are too long for their column, so that they can still be told apart. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import takewhile
from string import digits

from rich.cells import cell_len, chop_cells

MORE = "…"


def middle(text: str, columns: int) -> str:
    """``text``, or its beginning and its end; ``service@node`` keeps both ends and the ``@``, and
    ``service on 195 nodes`` the whole number."""
    if cell_len(text) <= columns:
        return text
    service, on, nodes = text.rpartition(" on ")
    if on and (room := columns - cell_len(on + nodes)) > 1:
        return f"{_head(service, room - 1)}{MORE}{on}{nodes}"
    if on and cell_len(nodes) <= columns:
        return nodes
    service, at, node = text.partition("@")
    if at and columns >= 2 * 3 + 1:
        mine = max((columns - 1) // 2, columns - 1 - cell_len(node))
        first = service if cell_len(service) <= mine else _head(service, mine - 1) + MORE
        room = columns - 1 - cell_len(first)
        return f"{first}@{node if cell_len(node) <= room else MORE + _tail(node, room - 1)}"
    ahead = (columns - 1) // 2
    return _head(text, columns - 1 - ahead) + MORE + _tail(text, ahead) if columns > 1 else MORE


def among(name: str, names: Iterable[str], columns: int) -> str:
    """At most ``columns`` of ``name``, by which it can be told from the other ``names``."""
    if cell_len(name) <= columns:
        return name
    return apart(tuple(names), columns).get(name) or middle(name, columns)


@lru_cache(maxsize=64)
def apart(names: tuple[str, ...], columns: int) -> Mapping[str, str]:
    """By name: at most ``columns`` of it, by which it can be told from the others."""
    all_names = list(dict.fromkeys(names))
    if all(cell_len(name) <= columns for name in all_names):
        return {name: name for name in all_names}
    short = {name: middle(name, columns) for name in all_names}
    if len(set(short.values())) == len(all_names):
        return short
    before = _common(all_names).rstrip(digits)  # a number is kept as a whole
    after = _common([name[::-1] for name in all_names])[::-1].lstrip(digits)
    return {name: _core(name, before, after, columns) for name in all_names}


def _common(names: Sequence[str]) -> str:
    """What all begin with."""
    places = takewhile(lambda letters: len(set(letters)) == 1, zip(*names, strict=False))
    return "".join(letters[0] for letters in places)


def _core(name: str, before: str, after: str, columns: int) -> str:
    """What differs, with as much as fits of what is before and after it in all names."""
    if cell_len(name) <= columns:
        return name
    core = name[len(before) : max(len(before), len(name) - len(after))]
    room = columns - cell_len(core) - 2
    if room < 0:
        return middle(core, columns)
    last = min(room // 2, cell_len(after))
    first = min(room - last, cell_len(before))
    return f"{_head(before, first)}{MORE}{core}{MORE}{_tail(after, last)}"


def _head(text: str, columns: int) -> str:
    return chop_cells(text, columns)[0] if columns > 0 and text else ""


def _tail(text: str, columns: int) -> str:
    return _head(text[::-1], columns)[::-1]
