"""How many examples of a property are tried: all by `scripts/test --long`, else a third of them."""

from __future__ import annotations

import pytest

_all = False


def configure(config: pytest.Config) -> None:
    """Before any test module is imported."""
    global _all
    _all = "not long" not in config.getoption("markexpr")


def examples(number: int) -> int:
    """That many, or a third of them."""
    return number if _all else max(1, number // 3)
