"""No class of the dashboard takes a private name that Textual's class below it has."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path

import fleetctl.tui

FOLDER = Path(fleetctl.tui.__file__).parent
MEANT = {"FleetApp._clipboard (App)"}
"""The same thing there and here: what was copied last."""


@cache
def assigned(owner: type) -> frozenset[str]:
    """The private names that the methods of a class assign to ``self``."""
    return frozenset(
        node.attr
        for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(owner))))
        if isinstance(node, ast.Attribute)
        and isinstance(node.ctx, ast.Store)
        and isinstance(node.value, ast.Name)
        and node.value.id == "self"
        and node.attr.startswith("_")
    )


def classes() -> Iterator[type]:
    for path in sorted(FOLDER.rglob("*.py")):
        parts = path.relative_to(FOLDER.parent.parent).with_suffix("").parts
        module = import_module(".".join(parts).removesuffix(".__init__"))
        yield from (
            one
            for one in vars(module).values()
            if inspect.isclass(one) and one.__module__ == module.__name__
        )


def test_private_names_are_our_own() -> None:
    taken = {
        f"{one.__qualname__}.{name} ({base.__qualname__})"
        for one in classes()
        for base in one.__mro__[1:]
        if base.__module__.startswith("textual")
        for name in assigned(one) & (assigned(base) | vars(base).keys())
    }
    assert taken == MEANT
