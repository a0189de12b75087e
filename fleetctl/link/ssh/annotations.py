"""Importing asyncssh without the types that its annotations speak of.

Python evaluates more than a thousand when it makes the functions, and nothing reads them: a
fourteenth of the time of ``fleetctl status`` on a small fleet.
"""

from __future__ import annotations

import sys
import typing
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType


class _Unsaid:
    """In place of ``typing.NAME``: whatever is said by it is the same."""

    def __init__(self, name: str) -> None:
        self._meant = getattr(typing, name)

    def __getitem__(self, _: object) -> _Unsaid:
        return self

    __or__ = __ror__ = __getitem__

    def __instancecheck__(self, value: object) -> bool:
        return isinstance(value, self._meant)


_OF_ANNOTATIONS = (
    "Awaitable", "Callable", "Dict", "List", "Mapping", "Optional", "Sequence", "Set", "Tuple",
    "Type", "Union",
)  # fmt: skip
_UNSAID = {name: _Unsaid(name) for name in _OF_ANNOTATIONS}


class _Typing(ModuleType):
    """``typing`` for asyncssh. To others, which may read what theirs say, it is what it is."""

    def __getattr__(self, name: str) -> object:
        asking = str(sys._getframe(1).f_globals.get("__name__"))
        unsaid = name in _UNSAID and asking.startswith("asyncssh.")
        return _UNSAID[name] if unsaid else getattr(typing, name)

    def __setattr__(self, name: str, value: object) -> None:
        setattr(typing, name, value)


@contextmanager
def unsaid() -> Iterator[None]:
    """What of asyncssh is imported inside has annotations that say nothing."""
    sys.modules["typing"] = _Typing("typing")
    try:
        yield
    finally:
        sys.modules["typing"] = typing
