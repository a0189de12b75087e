"""CONTRIBUTING.md names files and names that are there, and its probe is one."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from fleetctl.probes.probe import Probe

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
EXAMPLES = re.findall(r"^```python\n(.*?)^```", PAGE, re.M | re.S)
PROSE = re.sub(r"^```python\n.*?^```", "", PAGE, flags=re.M | re.S)
PLACEHOLDER = re.compile(r"\b[A-Z]{3,}\b")
NEW = {"fleetctl/tui/widgets/events_panel.py"}
"""What an example would add."""
SOURCES = [p for place in ("fleetctl", "tests") for p in sorted((ROOT / place).rglob("*.py"))]


def named() -> set[str]:
    """Every path that the page names, and every file name alone."""
    paths = re.findall(r"(?<![\w~/.-])(?:[\w.-]+/)+[\w.-]*\w", PROSE)
    alone = re.findall(r"(?<![\w~/.-])[\w-]+\.(?:py|sh|md|toml|yaml)\b(?!/)", PROSE)
    return {*paths, *alone} - NEW


def is_there(name: str) -> bool:
    if PLACEHOLDER.search(name):
        return (ROOT / name).parent.is_dir()
    return (ROOT / name).exists() or any(file.name == name for file in SOURCES)


def test_every_file_that_is_named_is_there() -> None:
    assert {"fleetctl/model/ready.py", "docs/problems", "links.py", "CHANGELOG.md"} <= named()
    assert sorted(name for name in named() if not is_there(name)) == []


def test_every_name_of_the_code_is_in_the_code() -> None:
    words = set(re.findall(r"\w+", "\n".join(file.read_text("utf-8") for file in SOURCES)))
    spoken = re.findall(r"`([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)`", PROSE)
    names = {
        part for name in spoken if not name.endswith((".py", ".md")) for part in name.split(".")
    }
    assert {"ReadyKind", "assert_never", "port_state"} <= names
    assert sorted(names - words) == []


def test_the_probe_is_one() -> None:
    found: dict[str, Any] = {}
    exec(EXAMPLES[0], found)
    assert isinstance(found["PROBE"], Probe)
