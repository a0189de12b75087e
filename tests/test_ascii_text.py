"""Where a terminal has ASCII alone, everything is still there, and in its column."""

from __future__ import annotations

import pytest
from rich.cells import cell_len

from fleetctl.marks import MARKS
from fleetctl.words.ascii_text import in_ascii

DRAWN = [*map(chr, range(0x2500, 0x25A0)), *map(chr, range(0x2800, 0x2900))]


@pytest.mark.parametrize(
    ("text", "instead"),
    [
        ("\x1b[31m✖ failed\x1b[0m", "\x1b[31mx failed\x1b[0m"),
        ("╭─ Nodes ─╮│┃╰━╯", "+- Nodes -+||+-+"),
        ("├ ┤ ┬ ┼ ╌ ┆ ▌▐ ▓", "+ + + + - | || #"),
        ("▁▂▃▄▅▆▇█", "_.-~=+*#"),
        ("⠀⠉⣀⡁⣿", " '.:#"),
        ("gradient-wo…@…elf-001 → ▸ 197 nodes ≤9.5M", "gradient-wo~@~elf-001 > > 197 nodes <9.5M"),
        ("Größe “très” \u2013 54°C", "Gro?e 'tres' - 54 C"),
        ("節点 🔎 x\ufe0f", "???? >  x"),
    ],
)
def test_text_in_ascii(text: str, instead: str) -> None:
    assert in_ascii(text) == instead


def test_columns_stay_and_marks_are_told_apart() -> None:
    assert all(cell_len(in_ascii(c)) == 1 and in_ascii(c).isascii() for c in DRAWN)
    symbols = {mark.symbol for mark in MARKS.values()}
    assert len({in_ascii(symbol) for symbol in symbols}) == len(symbols)
