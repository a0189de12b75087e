"""No function is longer than a screen or two, unless it says why.

The number of branches is checked by ruff: C901 in pyproject.toml.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import fleetctl

MAX_LINES = 60
PACKAGE = Path(fleetctl.__file__).parent
STAND_INS = PACKAGE / "lab" / "programs"
"""Programs of a lab's nodes, which are as long as those they replace."""


def too_long(text: str) -> Iterator[tuple[str, int]]:
    """The functions of a module that have more lines than they may, without a line
    ``# long: WHY``, and how many they have."""
    lines = text.splitlines()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            own = lines[node.lineno - 1 : node.end_lineno]
            if len(own) > MAX_LINES and not any(re.match(r" *# long: \w", line) for line in own):
                yield node.name, len(own)


def test_functions_are_short_or_say_why_not() -> None:
    assert [
        f"{path.relative_to(PACKAGE.parent)}: {name} has {count} lines"
        for path in sorted(PACKAGE.rglob("*.py"))
        if not path.is_relative_to(STAND_INS)
        for name, count in too_long(path.read_text("utf-8"))
    ] == []


def test_a_long_function_is_found_unless_it_says_why() -> None:
    just_right = "class A:\n  async def f(self):\n" + "    x = 1\n" * (MAX_LINES - 1)
    assert list(too_long(just_right)) == []
    assert list(too_long(just_right + "    x = 2\n")) == [("f", MAX_LINES + 1)]
    assert list(too_long(just_right + "    # long: a table of ones\n    x = 2\n")) == []
    assert list(too_long(just_right + "    # long:\n    x = 2\n")) == [("f", MAX_LINES + 2)]
