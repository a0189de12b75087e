"""Connecting while modules are imported: one attempt for each node, whatever becomes of it."""

from __future__ import annotations

import socket

import pytest

from fleetctl.fleet import LiveFleet
from fleetctl.link.protocol import Link
from fleetctl.model.topology import SSH, Fleet, Node
from fleetctl.observe.connecting import connecting, failed
from tests.openssh import bounded

pytestmark = pytest.mark.usefixtures("client_home")


def test_one_that_refuses_is_tried_once_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    async def body() -> None:
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            port = closed.getsockname()[1]
        fleet = Fleet("home", {}, {"pi4": Node("pi4", SSH("127.0.0.1", port=port))}, internet=None)
        async with LiveFleet(fleet, None) as service:
            tried: list[str] = []
            really = service.links._open

            async def counted(node: Node, lane: int) -> Link:
                tried.append(node.name)
                return await really(node, lane)

            monkeypatch.setattr(service.links, "_open", counted)
            async with connecting(fleet, service.links) as opening:
                assert await failed(opening["pi4"]) is not None
                assert await failed(None) is None
            tried.clear()
            status = await service.observe()
            assert status.nodes["pi4"].ssh.reachable is False
            assert "refused" in (status.nodes["pi4"].ssh.error or "")
            assert tried == ["pi4"]

    bounded(body())
