"""What all entries of nodes.yaml are made of."""

from __future__ import annotations

from typing import Any, TypeVar

from msgspec import UNSET, Meta, Struct, UnsetType, structs


def means(text: str) -> Meta:
    """What a field is for, as editors show it."""
    return Meta(description=text)


SOME: Any = Meta(min_length=1)
"""For lists and mappings that must not be empty."""


class Entry(Struct, forbid_unknown_fields=True):
    """A mapping with fixed keys."""


_T = TypeVar("_T")
_D = TypeVar("_D")
_E = TypeVar("_E", bound=Struct)


def given(value: _T | UnsetType, otherwise: _D) -> _T | _D:
    """``value`` if the file has it, else ``otherwise``."""
    return otherwise if isinstance(value, UnsetType) else value


def filled(entry: _E, defaults: Struct) -> _E:
    """``entry`` with missing fields taken from ``defaults``."""
    return structs.replace(
        entry,
        **{
            name: getattr(defaults, name)
            for name in entry.__struct_fields__
            if getattr(entry, name) is UNSET and name in defaults.__struct_fields__
        },
    )
