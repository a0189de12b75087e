"""The fleet's links: shared, opened again after a loss, separate for each lane."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack

import pytest

from fleetctl.link.links import Links
from fleetctl.link.protocol import Link
from fleetctl.model.topology import Fleet
from tests.openssh import Server, bounded

pytestmark = pytest.mark.usefixtures("client_home")

STREAMS_PER_LANE = 6


def fleet_of(server: Server) -> Fleet:
    node = server.node()
    return Fleet("fleet", {}, {node.name: node})


def test_callers_share_a_connection_and_each_lane_has_its_own(
    make_sshd: Callable[..., Server],
) -> None:
    server = make_sshd()

    async def body() -> None:
        async with Links(fleet_of(server)) as links:
            first, again, other = await asyncio.gather(
                links.get("pi4"), links.get("pi4"), links.get("pi4", lane=1)
            )
            assert first is again
            assert first is not other

    bounded(body())


def test_lanes_hold_more_streams_than_sshd_allows_on_one_connection(
    make_sshd: Callable[..., Server],
) -> None:
    server = make_sshd()

    async def body() -> None:
        async with Links(fleet_of(server)) as links, AsyncExitStack() as stack:
            for number in range(3 * STREAMS_PER_LANE):
                link = await links.get("pi4", lane=number // STREAMS_PER_LANE)
                stream = await stack.enter_async_context(link.stream(f"echo {number}; cat"))
                assert await stream.read(10) == f"{number}\n".encode()

    bounded(body())


def test_a_lost_link_is_opened_again(make_sshd: Callable[..., Server]) -> None:
    server = make_sshd()

    async def body() -> None:
        async with Links(fleet_of(server)) as links:
            link: Link = await links.get("pi4")
            await link.close()
            assert link.closed
            renewed = await links.get("pi4")
            assert renewed is not link
            assert (await renewed.run("echo back", timeout_s=10)).stdout == b"back\n"

    bounded(body())
