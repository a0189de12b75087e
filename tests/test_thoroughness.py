"""What the quick tests leave out is tried in another shell."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import pytest

from tests import thoroughness


class Item:
    """A test, as pytest collects it."""

    def __init__(self, nodeid: str, *marks: str) -> None:
        self.nodeid = nodeid
        self._marks = marks

    def get_closest_marker(self, name: str) -> str | None:
        return name if name in self._marks else None


def both(number: int) -> list[Item]:
    return [Item(f"test_{number}[{shell}]") for shell in ("dash", "bash")]


def dash_and_long(number: int) -> list[Item]:
    return [Item(f"test_{number}[dash]"), Item(f"test_{number}[bash]", "long")]


@pytest.mark.parametrize("twins", [both, dash_and_long])
def test_of_each_test_one_shell_is_quick(
    twins: Callable[[int], Sequence[Item]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(thoroughness, "_all", False)
    items: Any = [item for number in range(50) for item in twins(number)]
    tried = cast("list[Item]", thoroughness.in_one_shell(items)[0])
    quick = [item.nodeid for item in tried if not item.get_closest_marker("long")]
    assert len(quick) == 50
    assert len({nodeid.partition("[")[0] for nodeid in quick}) == 50
