"""Pages name only pages that are there, and so do comments: the repository stands alone."""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PLACES = ("fleetctl", "tests", "benchmarks", "scripts", "examples", "docs", ".ci")
WRITTEN = {".md", ".py", ".sh", ".yaml", ".toml", ".conf", ".txt", ".tcss", ""}
SAMPLES = ROOT / "tests" / "fixtures"
"""Output of commands; of that folder only the README is checked."""

NAMED = re.compile(r"(?<![\w{}/.-])((?:\.{0,2}/)?[\w-][\w./-]*\.md)\b")
QUOTED = re.compile(r'([\w./-]+\.md),\s+"([^"]+)"')
LINK = re.compile(r"\]\(([^)\s]+)\)")
MADE = frozenset({"report.md"})
"""Written by `fleetctl postmortem`."""


def files() -> Iterator[Path]:
    """Every text that is written by hand."""
    yield from (file for file in ROOT.iterdir() if file.suffix in WRITTEN - {""})
    for place in PLACES:
        for file in (ROOT / place).rglob("*"):
            inside = file.relative_to(ROOT / place).parts
            cached = any(part.startswith((".", "__pycache__")) for part in inside)
            sample = SAMPLES in file.parents and file.suffix != ".md"
            if file.is_file() and file.suffix in WRITTEN and not (cached or sample):
                yield file


def remarks(file: Path) -> str:
    """What is written for people: all of a file; of a test only comments and docstrings."""
    text = file.read_text("utf-8")
    if file.suffix == ".py" and file.is_relative_to(ROOT / "tests"):
        kept = [
            token.string
            for token in tokenize.generate_tokens(io.StringIO(text).readline)
            if token.type == tokenize.COMMENT or token.string.startswith('"""')
        ]
        text = "\n".join(kept)
    return re.sub(r"\n\s*#? ?", "\n", text)


def page_of(file: Path, name: str) -> Path | None:
    """The page that ``name`` means in ``file``: from the root, or beside the file."""
    return next((p for p in (ROOT / name, file.parent / name) if p.is_file()), None)


def known(file: Path, name: str) -> bool:
    """Whether ``name`` is a page, or what a command writes."""
    return name in MADE or page_of(file, name) is not None


def headings(page: Path) -> list[str]:
    text = re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.M | re.S)
    return re.findall(r"^#+ (.+)$", text, re.M)


def anchor(heading: str) -> str:
    """The anchor that GitHub makes of a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


FILES = {str(file.relative_to(ROOT)): file for file in sorted(files())}


def test_all_kinds_of_files_are_looked_at() -> None:
    assert {
        "README.md",
        "nodes.yaml",
        "pyproject.toml",
        "docs/problems/disk-full.md",
        "fleetctl/launch/stop.sh",
        "fleetctl/probes/echoes.py",
        "scripts/test",
        "tests/fixtures/README.md",
    } <= set(FILES)


def test_pages_that_are_named_are_there() -> None:
    missing = []
    for name, file in FILES.items():
        text = remarks(file)
        missing += [f"{name}: {p}" for p in NAMED.findall(text) if not known(file, p)]
        for page, section in QUOTED.findall(text):
            found = page_of(file, page)
            if found and " ".join(section.split()) not in headings(found):
                missing.append(f'{name}: {page}, "{section}"')
    assert missing == []


def test_links_lead_somewhere() -> None:
    broken = []
    for name, file in FILES.items():
        text = re.sub(r"^```.*?^```", "", file.read_text("utf-8"), flags=re.M | re.S)
        for target in LINK.findall(text) if file.suffix == ".md" else ():
            path, _, part = target.partition("#")
            found = file.parent / path if path else file
            if re.match(r"[a-z]+:", target) or (
                found.exists() and (not part or part in map(anchor, headings(found)))
            ):
                continue
            broken.append(f"{name}: {target}")
    assert broken == []
