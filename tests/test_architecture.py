"""The contracts in pyproject.toml refuse wrong imports; docs/architecture.md says the same."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise, product
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"][
    "contracts"
]
LAYERS = [layer.split(" | ") for layer in CONTRACTS[0]["layers"]]

LINT = (
    "import sys; from importlinter.cli import lint_imports_command; "
    "sys.argv = ['lint-imports', '--no-cache', '--no-logo']; lint_imports_command()"
)

Import = tuple[str, str]
"""The module that imports, and what it imports."""
Refused = Callable[[Mapping[str, Sequence[str]]], str]


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package and its contracts, to add wrong imports to."""
    folder = tmp_path_factory.mktemp("copy")
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "fleetctl", folder / "fleetctl", ignore=ignore)
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    """What the contracts say of the copy."""
    return subprocess.run(
        [sys.executable, "-c", LINT],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def imports(found: Iterable[Import]) -> dict[str, list[str]]:
    """The lines that make the imports, by the module that they stand in."""
    lines: dict[str, list[str]] = {}
    for importer, imported in found:
        lines.setdefault(importer, []).append(f"import {imported}")
    return lines


@pytest.fixture
def refused(copy: Path) -> Refused:
    """Adds lines to modules of the copy, which the contracts refuse; returns their message.

    A run of the contracts takes half a second, so many wrong imports share one.
    """

    def add(lines: Mapping[str, Sequence[str]]) -> str:
        before: dict[Path, str] = {}
        for module, wrong in lines.items():
            path = copy / f"{module.replace('.', '/')}.py"
            if not path.exists():
                path = copy / module.replace(".", "/") / "__init__.py"
            before[path] = path.read_text()
            path.write_text("\n".join([before[path], *wrong, ""]))
        try:
            done = lint(copy)
        finally:
            for path, text in before.items():
                path.write_text(text)
        assert done.returncode == 1, f"this is allowed: {lines}\n{done.stdout}{done.stderr}"
        assert "BROKEN" in done.stdout
        return done.stdout

    return add


def not_told(wrong: Iterable[Import], said: str) -> list[Import]:
    """Those of the wrong imports that the contracts do not tell."""
    return [(one, other) for one, other in wrong if f"{one} -> {other} (" not in said]


def test_the_copy_as_it_is_keeps_them(copy: Path) -> None:
    done = lint(copy)
    assert done.returncode == 0, done.stdout


def a_module_of(layer: str) -> str:
    """Some module in a layer, that imports nothing of what is above it."""
    package = ROOT / "fleetctl" / layer
    if not package.is_dir():
        return f"fleetctl.{layer}"
    files = sorted(file.stem for file in package.glob("*.py") if file.stem != "__init__")
    return f"fleetctl.{layer}.{files[0]}"


def upwards() -> Iterator[tuple[str, str]]:
    """One wrong import for each pair of neighbouring layers, and for each pair in one layer."""
    for above, below in pairwise(LAYERS):
        yield from ((a_module_of(low), a_module_of(high)) for low in below for high in above)
    for layer in LAYERS:
        yield from ((a_module_of(a), a_module_of(b)) for a, b in pairwise(layer))


NAMED = [
    ("fleetctl.model.plan", "fleetctl.health.assess"),
    ("fleetctl.model.plan", "fleetctl.config.file"),
    ("fleetctl.probes.node", "fleetctl.health.services"),
    ("fleetctl.config.jobs", "fleetctl.health.services"),
    ("fleetctl.health.assess", "fleetctl.tui.messages"),
    ("fleetctl.logs.lines", "fleetctl.health.assess"),
    ("fleetctl.tmux.server", "fleetctl.launch.birth"),
    ("fleetctl.lab.state", "fleetctl.probes.node"),
    ("fleetctl.tui.app", "fleetctl.launch.birth"),
    ("fleetctl.tui.app", "fleetctl.fleet"),
    ("fleetctl.service", "fleetctl.observe.watch"),
]


def test_an_import_against_the_layers_is_refused(refused: Refused) -> None:
    wrong = list(dict.fromkeys([*upwards(), *NAMED]))
    assert not_told(wrong, refused(imports(wrong))) == []


@pytest.mark.parametrize(
    "lines",
    [
        ("def later() -> None:", "    import fleetctl.health.assess"),
        (
            "from typing import TYPE_CHECKING",
            "if TYPE_CHECKING:",
            "    import fleetctl.health.assess",
        ),
    ],
    ids=["in a function", "for types only"],
)
def test_no_import_can_hide(refused: Refused, lines: tuple[str, ...]) -> None:
    refused({"fleetctl.model.plan": lines})


@pytest.mark.parametrize(
    ("importer", "imported"),
    [
        ("fleetctl.health.routing", "fleetctl.health.assess"),
        ("fleetctl.tui.screens.page", "fleetctl.tui.app"),
        ("fleetctl.tui.topology.draw", "fleetctl.tui.widgets.topology_panel"),
        ("fleetctl.health.finding", "fleetctl.health.kinds.registry"),
        ("fleetctl.observe.observer", "fleetctl.observe.watch"),
    ],
)
def test_a_circle_is_refused(refused: Refused, importer: str, imported: str) -> None:
    refused(imports([(importer, imported)]))


PURE = ("fleetctl.health.assess", "fleetctl.model.plan", "fleetctl.probes.node", "fleetctl.marks")


TOUCHED = ("asyncio", "socket", "subprocess", "os", "pathlib")


def test_what_is_pure_touches_nothing(refused: Refused) -> None:
    wrong = list(product([*PURE, "fleetctl.words.check", "fleetctl.logs.view"], TOUCHED))
    assert not_told(wrong, refused(imports(wrong))) == []


def test_a_library_has_one_home(refused: Refused) -> None:
    wrong = [
        ("fleetctl.fleet", "asyncssh"),
        ("fleetctl.launch.birth", "libtmux"),
        ("fleetctl.health.assess", "rich"),
        ("fleetctl.cli.status", "textual"),
        ("fleetctl.repair.rounds", "click"),
    ]
    assert not_told(wrong, refused(imports(wrong))) == []


def test_a_module_without_a_place_is_refused(copy: Path) -> None:
    stray = copy / "fleetctl" / "stray.py"
    stray.write_text("")
    try:
        done = lint(copy)
    finally:
        stray.unlink()
    assert done.returncode == 1
    assert "stray" in done.stdout


def pure_files() -> Iterator[Path]:
    contract = next(c for c in CONTRACTS if c["name"].startswith("What is pure"))
    for module in contract["source_modules"]:
        path = ROOT / module.replace(".", "/")
        yield from path.rglob("*.py") if path.is_dir() else [path.with_suffix(".py")]


def test_what_is_pure_opens_no_file() -> None:
    """``open`` is no import, so the contract does not see it."""
    opening = [
        f"{file.relative_to(ROOT)}:{node.lineno}"
        for file in pure_files()
        if file != ROOT / "fleetctl/config/file.py"
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in ("open", "exec", "eval", "input", "print")
    ]
    assert opening == []


def test_the_page_has_the_layers_of_the_contract() -> None:
    page = (ROOT / "docs/architecture.md").read_text()
    table = page.partition("## Layers")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (`[^|]*?) +\|", table, re.M)
    told = [re.findall(r"`([^`]+)`", row) for row in rows]
    assert told == [[name.strip() for name in layer] for layer in LAYERS]


def test_every_folder_of_the_package_is_on_the_page() -> None:
    page = (ROOT / "docs/architecture.md").read_text()
    folders = {
        path.parent.relative_to(ROOT / "fleetctl").as_posix()
        for path in (ROOT / "fleetctl").rglob("__init__.py")
    } - {"."}
    assert [folder for folder in sorted(folders) if f"`{folder}`" not in page] == []
