"""Programs that are sent to nodes are whole without fleetctl."""

from __future__ import annotations

import ast

import pytest

from fleetctl.launch import membership
from fleetctl.package_files import package_text
from fleetctl.probes.python3 import one_program
from fleetctl.sync import spreading

PROGRAMS = pytest.mark.parametrize("files", [membership.PROGRAM, spreading.PROGRAM])


@PROGRAMS
def test_what_its_files_import_of_fleetctl_is_in_it(files: tuple[str, ...]) -> None:
    for number, name in enumerate(files):
        for node in ast.walk(ast.parse(package_text(name))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("fleetctl."):
                imported = f"{(node.module or '').partition('.')[2].replace('.', '/')}.py"
                assert imported in files[:number], name


@PROGRAMS
def test_a_program_is_python_3_7_and_needs_nothing_of_fleetctl(files: tuple[str, ...]) -> None:
    tree = ast.parse(one_program(files), feature_version=(3, 7))
    imports = [n.module or "" for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)]
    assert imports.count("__future__") == 1
    assert not any(name.startswith("fleetctl") for name in imports)
    names = [n.name for n in tree.body if isinstance(n, ast.FunctionDef | ast.ClassDef)]
    assert len(names) == len(set(names))  # none hides another
