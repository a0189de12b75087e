"""One stream of bytes for several readers, at the pace of the slowest."""

from __future__ import annotations

import asyncio

import pytest

from fleetctl.link.shared_input import AHEAD, STALL_S, SharedInput, Stalled
from tests.clock import jumping

PIECES = [bytes([number]) * 3 for number in range(AHEAD * 3)]


class Source:
    """Gives :data:`PIECES`, and counts them."""

    given = 0

    async def read(self) -> bytes:
        self.given += 1
        return PIECES[self.given - 1] if self.given <= len(PIECES) else b""


async def take(given: SharedInput, name: str, pause_s: float = 0.0) -> bytes:
    found = b""
    async for piece in given.pieces(name):
        found += piece
        await asyncio.sleep(pause_s)
    return found


def test_each_reader_gets_all_of_it_whatever_its_pace() -> None:
    async def body() -> None:
        async with SharedInput(Source().read, ["quick", "slow"]) as given:
            quick, slow = await asyncio.gather(take(given, "quick"), take(given, "slow", 5.0))
        assert quick == slow == b"".join(PIECES)

    jumping(body(), limit_s=1000)


def test_no_more_is_kept_than_a_few_pieces_and_one_that_leaves_is_not_waited_for() -> None:
    async def body() -> None:
        source = Source()
        async with SharedInput(source.read, ["quick", "gone"]) as given:
            taking = asyncio.create_task(take(given, "quick"))
            await asyncio.sleep(STALL_S / 2)
            assert (source.given, taking.done()) == (AHEAD, False)
            given.leave("gone")
            assert await taking == b"".join(PIECES)

    jumping(body(), limit_s=1000)


def test_one_that_takes_nothing_while_others_wait_is_given_up_but_never_a_single_one() -> None:
    async def body() -> None:
        async with SharedInput(Source().read, ["quick", "stuck"]) as given:
            stuck = given.pieces("stuck")
            assert await anext(stuck) == PIECES[0]
            assert await take(given, "quick") == b"".join(PIECES)
            with pytest.raises(Stalled):
                [piece async for piece in stuck]
        source = Source()
        async with SharedInput(source.read, ["late"]) as given:
            await asyncio.sleep(STALL_S * 3)
            assert source.given == AHEAD
            assert await take(given, "late") == b"".join(PIECES)

    jumping(body(), limit_s=1000)
