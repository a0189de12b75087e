"""A simulated clock, for tests of code that waits.

Time stands still while anything runs, and jumps to the next deadline when nothing does. So a
minute passes at once, all waits are exact, and a busy machine delays nothing.
"""

from __future__ import annotations

import asyncio
import selectors
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from datetime import UTC, datetime, tzinfo
from typing import Any, TypeVar, TypeVarTuple, Unpack

import pytest

_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")

BEGIN = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
"""The time at which all clocks start."""
DATED = ("fleetctl.probes.node.datetime", "fleetctl.health.assess.datetime")
"""Modules that use ``datetime.now``, which can only be replaced in each of them."""


class _Idle(selectors.DefaultSelector):
    """Skips the time of a wait, if there is nothing to do.

    While a thread runs it really waits, since the thread will wake the loop.
    """

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0
        self.threads = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        jumps = timeout is not None and not self.threads
        found = super().select(0 if jumps else timeout)
        if not found and timeout is not None:
            self.now_s += max(0.0, timeout)
        return found


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._idle = _Idle()
        super().__init__(self._idle)

    def time(self) -> float:
        return self._idle.now_s

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[Unpack[_Ts]], _T], *args: *_Ts
    ) -> asyncio.Future[_T]:
        self._idle.threads += 1
        future = super().run_in_executor(executor, func, *args)
        future.add_done_callback(self._ended)
        return future

    def _ended(self, _: asyncio.Future[Any]) -> None:
        self._idle.threads -= 1


def jumping(body: Coroutine[Any, Any, _T], limit_s: float = 120.0) -> _T:
    """Run ``body`` in a new event loop with this clock, which the whole process uses meanwhile.

    :raises TimeoutError: it did not end within ``limit_s`` of simulated time.
    """
    with (
        pytest.MonkeyPatch.context() as patch,
        asyncio.Runner(loop_factory=_Loop) as runner,
    ):
        loop = runner.get_loop()

        class Dated(datetime):
            @classmethod
            def now(cls, tz: tzinfo | None = None) -> Dated:
                return cls.fromtimestamp(time.time(), tz)

        patch.setattr(time, "monotonic", loop.time)
        patch.setattr(time, "time", lambda: BEGIN.timestamp() + loop.time())
        for name in DATED:
            patch.setattr(name, Dated)
        return runner.run(asyncio.wait_for(body, limit_s))
