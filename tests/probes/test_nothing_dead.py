"""All code of the parsers is used to ask nodes; none is there only for tests."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path

from fleetctl.probes import parsers

PACKAGE = parsers.__name__
FOLDER = Path(parsers.__path__[0])
PARSERS = {
    path.stem: ast.parse(path.read_text())
    for path in FOLDER.glob("*.py")
    if path.stem != "__init__"
}
OTHERS = [
    ast.parse(path.read_text())
    for path in FOLDER.parents[1].rglob("*.py")
    if FOLDER not in path.parents
]
EVERYTHING = [*OTHERS, *PARSERS.values()]


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
    waiting = {module for tree in OTHERS for module, _ in imports(tree)}
    while waiting:
        module = waiting.pop()
        reached.add(module)
        waiting |= {name for name, _ in imports(PARSERS[module])} - reached
    assert sorted(PARSERS.keys() - reached) == []


def test_every_function_and_class_is_used() -> None:
    imported = {pair for tree in EVERYTHING for pair in imports(tree)}
    read = attributes(EVERYTHING)
    unused = [
        f"{module}.{node.name}"
        for module, tree in PARSERS.items()
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
        and (module, node.name) not in imported
        and not ((module, "") in imported and node.name in read)
        and node.name not in names(other for other in tree.body if other is not node)
    ]
    assert unused == []


def test_every_method_is_used() -> None:
    read = attributes(EVERYTHING)
    unused = [
        f"{module}.{node.name}.{member.name}"
        for module, tree in PARSERS.items()
        for node in tree.body
        if isinstance(node, ast.ClassDef)
        for member in node.body
        if isinstance(member, ast.FunctionDef) and member.name not in read
    ]
    assert unused == []
