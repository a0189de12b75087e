"""Which paths the patterns of `exclude` are about."""

from __future__ import annotations

import pytest

from fleetctl.sync.patterns import excluder


@pytest.mark.parametrize(
    ("pattern", "excluded", "kept"),
    [
        ("*.ckpt", ["a.ckpt", "runs/a.ckpt", "x.ckpt/y"], ["a.ckpts", "ckpt"]),
        ("data", ["data", "data/x", "a/data/x"], ["data2/x", "mydata"]),
        ("data/", ["data/x", "a/data/x"], ["data", "a/data"]),
        ("/data", ["data", "data/x"], ["a/data"]),
        ("runs/old", ["runs/old", "runs/old/x"], ["a/runs/old", "runs/older"]),
        ("runs/*.log", ["runs/a.log"], ["runs/b/a.log"]),
        ("**/logs/*.txt", ["logs/a.txt", "a/b/logs/c.txt"], ["logs/a/b.txt"]),
        ("runs/**", ["runs/a", "runs/a/b"], ["runs", "x/runs/a"]),
        ("a/**/b", ["a/b", "a/x/b", "a/x/y/b"], ["a/xb"]),
        ("v?.[ch]", ["v1.c", "v2.h", "src/v1.c"], ["v1.o", "v.c", "v/.c"]),
        ("[!a]x", ["bx"], ["ax", "x"]),
        ("[]]x", ["]x"], ["x"]),
        ("[z-a]", ["[z-a]"], ["m"]),
        ("a.b|c", ["a.b|c"], ["axb", "c"]),
        ("ä \udcff", ["x/ä \udcff"], ["ä"]),
    ],
)
def test_a_pattern(pattern: str, excluded: list[str], kept: list[str]) -> None:
    is_excluded = excluder([pattern, "neverthere"])
    assert [path for path in [*excluded, *kept] if is_excluded(path)] == excluded


def test_no_pattern_excludes_nothing() -> None:
    assert not excluder([])("a")
