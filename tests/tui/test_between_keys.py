"""What can wait is done right after the answer to a key, and is not put off for ever."""

from __future__ import annotations

import asyncio

from fleetctl.tui.between_keys import BetweenKeys

TIMEOUT_S = 30.0


async def turns() -> None:
    """What needs no time is over afterwards."""
    for _ in range(10):
        await asyncio.sleep(0)


def test_without_keys_nothing_waits_and_after_one_until_it_is_answered() -> None:
    async def body() -> None:
        keys = BetweenKeys()
        at_once = asyncio.ensure_future(keys.wait())
        await turns()
        assert at_once.done()
        keys.key()
        later = asyncio.ensure_future(keys.wait())
        await turns()
        assert not later.done()
        await asyncio.wait_for(later, TIMEOUT_S)

    asyncio.run(body())


def test_a_key_that_is_held_down_does_not_put_it_off_for_ever() -> None:
    async def body() -> None:
        keys = BetweenKeys()

        async def held() -> None:
            while True:
                keys.key()
                await asyncio.sleep(0.02)

        holding = asyncio.ensure_future(held())
        await asyncio.sleep(0)
        await asyncio.wait_for(keys.wait(), TIMEOUT_S)
        assert not holding.done()
        holding.cancel()

    asyncio.run(body())
