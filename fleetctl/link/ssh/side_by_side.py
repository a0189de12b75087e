"""Several hosts of one node, tried side by side, each a moment after the one before it (as RFC 8305
does with addresses): the first that logs in is used."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, TypeVar

from fleetctl.errors import (
    AuthFailed,
    ConnectRefused,
    HostKeyChanged,
    HostKeyUnknown,
    LinkError,
    LinkHung,
)

HEAD_START_S = 0.5
"""After so long without success the next host is tried, too."""

_DECISIVE = (HostKeyChanged, HostKeyUnknown, AuthFailed, LinkHung)
"""What tells most of a node that cannot be logged into, the first before the others."""

_T = TypeVar("_T")


async def first(
    name: str,
    tries: Sequence[Callable[[], Coroutine[Any, Any, _T]]],
    drop: Callable[[_T], Awaitable[object]],
) -> _T:
    """The result of the first of ``tries`` to succeed; the others are cancelled.

    :param name: the node's, for the error.
    :param drop: gets a second result that came at the same moment.
    :raises LinkError: all failed; it says what each of them did.
    """
    waiting = list(tries)
    running: dict[asyncio.Task[_T], int] = {}
    errors: dict[int, LinkError] = {}
    try:
        while waiting or running:
            if waiting:
                place = len(tries) - len(waiting)
                running[asyncio.create_task(waiting.pop(0)())] = place
            done, _ = await asyncio.wait(
                running,
                timeout=HEAD_START_S if waiting else None,
                return_when=asyncio.FIRST_COMPLETED,
            )
            for task in sorted(done, key=lambda one: running[one]):
                place = running.pop(task)
                try:
                    return task.result()
                except LinkError as error:
                    errors[place] = error
    finally:
        for task in running:
            task.cancel()
        for other in await asyncio.gather(*running, return_exceptions=True):
            if not isinstance(other, BaseException):
                await drop(other)
    raise together(name, [errors[place] for place in sorted(errors)])


def together(name: str, errors: Sequence[LinkError]) -> LinkError:
    """One error for all hosts of a node: of the kind of the most decisive one, which it tells
    first."""
    if len(errors) == 1:
        return errors[0]
    best, *others = sorted(errors, key=_rank)
    reasons = dict.fromkeys(error.reason for error in (best, *others))
    whole = type(best)(
        name, "; ".join(reasons), hint=best.hint, silent=all(error.silent for error in errors)
    )
    whole.through = best.through
    return whole


def _rank(error: LinkError) -> int:
    for place, kind in enumerate(_DECISIVE):
        if isinstance(error, kind):
            return place
    if isinstance(error, ConnectRefused):
        return len(_DECISIVE) + 1
    return len(_DECISIVE) + (2 if error.silent else 0)
