"""Names of keys' actions, by which tui.toml gives them other keys."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from textual.binding import Binding, BindingType
from textual.keys import Keys, _character_to_key

RESERVED = frozenset({"ctrl+c", "ctrl+q", "ctrl+p"})
"""Keys that keep their meaning, so that there is always a way out."""
_NAMED = frozenset(key.value for key in Keys) | {"space", "comma"}
_MODIFIERS = re.compile(r"^(?:(?:ctrl|shift|alt)\+)+")


def with_ids(bindings: Sequence[BindingType], group: str = "") -> list[BindingType]:
    """``bindings``, each with the name of its action, such as ``stop`` or ``logs.pause``.

    What acts in several ways has a name for each: ``layout_1``, ``find_on``, ``find_back``. Esc and
    arrows keep their meaning on every screen, so that there is always a way back: what is not given
    here has no name.
    """
    found: list[BindingType] = []
    for binding in bindings:
        assert isinstance(binding, Binding)
        name = re.sub(r"\((?:-1|False)\)$", "_back", binding.action.removeprefix("app."))
        name = re.sub(r"\((?:1|True)\)$", "_on", name)
        name = re.sub(r"\W+", "_", name).strip("_")
        found.append(replace(binding, id=binding.id or f"{group}{name}"))
    return found


def defaults(bindings: Sequence[BindingType]) -> Iterator[tuple[str, str]]:
    """The name of each action, and its key."""
    for binding in bindings:
        if isinstance(binding, Binding) and binding.id:
            yield binding.id, binding.key


def normal(key: str) -> str:
    """``key`` as Textual names it: ``?`` is ``question_mark``.

    :raises ValueError: it is no key.
    """
    bare = _MODIFIERS.sub("", key) if len(key) > 1 else key
    if len(bare) == 1 and bare.isprintable():
        return key.removesuffix(bare) + _character_to_key(bare)
    known = bare in _NAMED or key in _NAMED or re.fullmatch(r"f([1-9]|1[0-9]|2[0-4])", bare)
    if not known and bare not in {_character_to_key(chr(code)) for code in range(33, 127)}:
        raise ValueError(key)
    return key
