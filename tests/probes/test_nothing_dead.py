"""All code of the parsers is used to ask nodes; none is there only for tests."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from fleetctl.probes import parsers

PACKAGE = parsers.__name__
FOLDER = Path(parsers.__path__[0])


@cache
def parsed() -> dict[str, ast.Module]:
    """The code of each parser."""
    files = FOLDER.glob("*.py")
    return {path.stem: ast.parse(path.read_text()) for path in files if path.stem != "__init__"}


@cache
def others() -> list[ast.Module]:
    """The code of all else; read when it is asked for, since every process imports this file."""
    files = FOLDER.parents[1].rglob("*.py")
    return [ast.parse(path.read_text()) for path in files if FOLDER not in path.parents]


def everything() -> list[ast.Module]:
    return [*others(), *parsed().values()]


def imports(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """The parsers' names that ``tree`` imports: module and name, ``""`` for the module itself."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for name in node.names:
                package, _, module = name.name.rpartition(".")
                if package == PACKAGE:
                    yield module, ""
        elif isinstance(node, ast.ImportFrom):
            package, _, module = (node.module or "").rpartition(".")
            for name in node.names:
                if node.module == PACKAGE:
                    yield name.name, ""
                elif package == PACKAGE:
                    yield module, name.name


def names(trees: Iterable[ast.AST]) -> set[str]:
    """The names that are read in ``trees``."""
    nodes = (node for tree in trees for node in ast.walk(tree))
    return {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}


def attributes(trees: Iterable[ast.AST]) -> set[str]:
    """The attributes that are read in ``trees``, of any object."""
    nodes = (node for tree in trees for node in ast.walk(tree))
    return {n.attr for n in nodes if isinstance(n, ast.Attribute) and isinstance(n.ctx, ast.Load)}


def test_every_module_is_imported_by_a_probe() -> None:
    """Or by a parser that a probe imports."""
    reached: set[str] = set()
    waiting = {module for tree in others() for module, _ in imports(tree)}
    while waiting:
        module = waiting.pop()
        reached.add(module)
        waiting |= {name for name, _ in imports(parsed()[module])} - reached
    assert sorted(parsed().keys() - reached) == []


def test_every_function_and_class_is_used() -> None:
    imported = {pair for tree in everything() for pair in imports(tree)}
    read = attributes(everything())
    unused = [
        f"{module}.{node.name}"
        for module, tree in parsed().items()
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
        and (module, node.name) not in imported
        and not ((module, "") in imported and node.name in read)
        and node.name not in names(other for other in tree.body if other is not node)
    ]
    assert unused == []


def test_every_method_is_used() -> None:
    read = attributes(everything())
    unused = [
        f"{module}.{node.name}.{member.name}"
        for module, tree in parsed().items()
        for node in tree.body
        if isinstance(node, ast.ClassDef)
        for member in node.body
        if isinstance(member, ast.FunctionDef) and member.name not in read
    ]
    assert unused == []
