"""Each promise of docs/security.md names a test, and the test is there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/security.md").read_text()


def names(tree: ast.Module) -> set[str]:
    """Tests of a file, those of classes as ``Class::test``."""
    found = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            found |= {f"{node.name}::{f.name}" for f in node.body if isinstance(f, ast.FunctionDef)}
    return found


def test_the_tests_that_it_names_are_there() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)::([\w:]+)`", PAGE)
    assert len(named) > 15
    assert [
        f"{file}::{test}"
        for file, test in named
        if test not in names(ast.parse((ROOT / file).read_text()))
    ] == []
