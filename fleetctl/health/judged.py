"""What was found of values, kept from look to look while these values are the same. Pure."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from operator import is_
from typing import Any, TypeVar

from fleetctl.model.expectations import Expectations
from fleetctl.model.topology import Fleet

_T = TypeVar("_T")


class Judged:
    """Results for one fleet and what must be true of it; a dashboard judges it every second, and
    most of what nodes say is what they said before.

    What a result was made of is told apart by identity: all of it is frozen, so the same object
    says the same. One result is kept for each key, so there are as many as there are keys.

    :param fleet, expectations: are used by all that is made.
    """

    def __init__(self, fleet: Fleet, expectations: Expectations) -> None:
        self.fleet = fleet
        self.expectations = expectations
        self._made: dict[Hashable, tuple[tuple[object, ...], Any]] = {}
        self._said: dict[Hashable, Any] = {}

    def of(self, key: Hashable, made_of: tuple[object, ...], make: Callable[[], _T]) -> _T:
        """What ``make`` returns, which depends on nothing but the fleet, its expectations, ``key``
        and ``made_of``; made anew unless each of these is the very object that it was."""
        known = self._made.get(key)
        if (
            known is not None
            and len(known[0]) == len(made_of)  # such as of the nodes that answer
            and all(map(is_, known[0], made_of))
        ):
            found: _T = known[1]
            return found
        found = make()
        self._made[key] = made_of, found
        return found

    def same(self, key: Hashable, said: _T) -> _T:
        """The object that said the same before, or ``said`` itself."""
        known: _T | None = self._said.get(key)
        if known is not None and known == said:
            return known
        self._said[key] = said
        return said
