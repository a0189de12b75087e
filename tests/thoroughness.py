"""How much of each property is tried: all by `scripts/test --long`, less by the quick tests."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar
from zlib import crc32

import pytest

_T = TypeVar("_T")

_all = False
_SHELL = re.compile(r"(?<=[\[-])(?:dash|bash)(?=[\]-])")
"""The shell in the id of a test that is run in either."""


def configure(config: pytest.Config) -> None:
    """Before any test module is imported."""
    global _all
    _all = "not long" not in config.getoption("markexpr")


def examples(number: int) -> int:
    """That many examples, or a third of them."""
    return number if _all else max(1, number // 3)


def one_of(number: int, cases: Sequence[_T]) -> Sequence[_T]:
    """All cases within a test, or one in that many."""
    return cases if _all else cases[::number]


def one_in(number: int, cases: Iterable[tuple[Any, ...]]) -> list[Any]:
    """The cases for :func:`pytest.mark.parametrize`; the quick tests try one in that many."""
    return [
        case if place % number == 0 else pytest.param(*case, marks=pytest.mark.long)
        for place, case in enumerate(cases)
    ]


def in_one_shell(items: list[pytest.Item]) -> tuple[list[pytest.Item], list[pytest.Item]]:
    """Of the tests that differ only in being run in dash or in bash: both, or one of the two, about
    as many of one shell as of the other; where one of them is long, the other. What is tried, and
    what is left out."""
    alike: defaultdict[str, list[pytest.Item]] = defaultdict(list)
    for item in items:
        alike[_SHELL.sub("", item.nodeid, count=1)].append(item)
    left_out = [
        twins[crc32(name.encode()) % 2]
        for name, twins in alike.items()
        if len(twins) == 2 and not _all and not any(t.get_closest_marker("long") for t in twins)
    ]
    names = {item.nodeid for item in left_out}
    return [item for item in items if item.nodeid not in names], left_out
