"""Every recorded text is read as the file beside it says.

FLEETCTL_FIXTURES names one more folder of fixtures to read.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from fleetctl.probes.parsers import ifconfig
from fleetctl.probes.parsers.unparsed import Unparsed
from tests.probes.parsers import adapter

HERE = Path(__file__).parents[2] / "fixtures"
FOLDERS = [HERE, *map(Path, filter(None, [os.environ.get("FLEETCTL_FIXTURES")]))]
TCP_CONNECT = ("macos", "nc-z")
"""Its texts are read by tests/probes/test_echoes.py."""
TEXTS = [
    text
    for folder in FOLDERS
    for text in sorted(folder.glob("*/*/*.txt"))
    if text.parts[-3:-1] != TCP_CONNECT
]


def _name(text: Path) -> str:
    return "/".join(text.parts[-3:])


@pytest.mark.parametrize("text", TEXTS, ids=_name)
def test_text_is_read_as_expected(text: Path) -> None:
    sample = json.loads(text.with_name(f"{text.stem}.expected.json").read_text())
    found = adapter.read(
        text.parts[-3],
        text.parts[-2],
        text.read_text(errors="replace"),
        sample["command"],
        sample["rc"],
    )
    if found is None and HERE not in text.parents:
        pytest.skip(f"no reader for {sample['command']}")
    assert found == adapter.expected(text.parts[-2], sample["parsed"])


def test_every_text_says_where_it_comes_from() -> None:
    for text in HERE.glob("*/*/*.txt"):
        sample = json.loads(text.with_name(f"{text.stem}.expected.json").read_text())
        assert sample["source"], text


def test_every_command_has_a_fixture() -> None:
    there = {(path.parts[-3], path.parts[-2]) for path in HERE.glob("*/*/*.txt")}
    assert there == {*adapter.READERS, TCP_CONNECT}


def test_unparsed_keeps_the_text() -> None:
    found = ifconfig.parse_ifconfig("sh: 1: ifconfig: not found\n")
    assert found == Unparsed("sh: 1: ifconfig: not found\n", "command_not_found")
