"""A page for every problem code, complete and readable in a terminal."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

import pytest

from fleetctl import problem_pages as pages
from fleetctl.health import kinds
from fleetctl.health.kinds.kind import ProblemKind

SECTIONS = [
    "How it looks",
    "Why it happens",
    "What fleetctl measures",
    "How it is repaired",
    "What it is confused with",
]
ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "problems"


def test_every_code_has_a_page_and_every_page_a_code() -> None:
    assert {file.name for file in FOLDER.iterdir()} == {f"{code}.md" for code in pages.CODES}


def test_codes_are_listed_once() -> None:
    assert len(set(pages.CODES)) == len(pages.CODES)


def test_every_kind_is_listed() -> None:
    modules = [import_module(f"{kinds.__name__}.{m.name}") for m in iter_modules(kinds.__path__)]
    held = [kind for module in modules for kind in vars(module).values()]
    assert {kind.code for kind in held if isinstance(kind, ProblemKind)} <= set(pages.CODES)


def test_every_code_that_is_reported_has_a_page() -> None:
    """Codes are in the sources as ``code="..."`` and ``code = "..."``."""
    reported = {
        code
        for file in (ROOT / "fleetctl").rglob("*.py")
        for code in re.findall(r'\bcode(?:: str)? ?= ?"([a-z]+(?:-[a-z]+)+)"', file.read_text())
    }
    assert {"ssh-hung", "tmux-missing"} <= reported
    assert reported <= set(pages.CODES)


@pytest.mark.parametrize("code", pages.CODES)
def test_page_is_complete(code: str) -> None:
    text = pages.page(code)
    lines = text.splitlines()
    assert re.fullmatch(rf"# {code}: \S.*[^.]", lines[0])
    assert [line.removeprefix("## ") for line in lines if line.startswith("## ")] == SECTIONS
    bodies = re.split(r"^## .*\n", text, flags=re.M)[1:]
    assert [len(body.split()) >= 8 for body in bodies] == [True] * len(SECTIONS)


@pytest.mark.parametrize("code", pages.CODES)
def test_page_fits_a_terminal(code: str) -> None:
    lines = pages.page(code).splitlines()
    assert [
        line for line in lines if len(line) > 100 or line != line.rstrip() or "\t" in line
    ] == []
    assert 25 <= len(lines) <= 60
    assert sum(line.startswith("```") for line in lines) % 2 == 0


@pytest.mark.parametrize("code", pages.CODES)
def test_page_names_other_codes_that_exist(code: str) -> None:
    """Problems that it may be confused with are codes with a page."""
    text = pages.page(code)
    others = re.findall(r"^- `([^`]*)`: ", text.partition(f"## {SECTIONS[-1]}")[2], re.M)
    asked = re.findall(r"fleetctl explain ([^`\s]*)", text)
    assert others
    assert set(others + asked) <= set(pages.CODES) - {code}


@pytest.mark.parametrize("code", pages.CODES)
def test_title_is_the_heading(code: str) -> None:
    assert f"# {code}: {pages.title(code)}\n" in pages.page(code)


def test_an_installed_wheel_has_its_own_pages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "disk-full.md").write_text("# disk-full: from the wheel\n")
    monkeypatch.setattr(pages, "_PLACES", (tmp_path, *pages._PLACES))
    assert pages.title("disk-full") == "from the wheel"
    assert pages.title("ssh-hung") != "from the wheel"


def test_the_error_for_a_missing_page_names_the_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "_PLACES", (tmp_path,))
    with pytest.raises(FileNotFoundError, match=f"disk-full.md is in none of {tmp_path}"):
        pages.page("disk-full")


def test_a_code_is_no_path() -> None:
    with pytest.raises(KeyError):
        pages.page("../network")
