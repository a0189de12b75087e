"""What is near: open SSH ports, and what announces itself."""

from __future__ import annotations

import asyncio
import socket
import sys
from ipaddress import IPv4Address
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from fleetctl.observe import nearby
from fleetctl.observe.nearby import Announced, announced, answering, has_zeroconf


def test_only_addresses_with_an_open_port_answer() -> None:
    with socket.create_server(("127.0.0.7", 0)) as server:
        port = server.getsockname()[1]
        asked = [IPv4Address(a) for a in ("127.0.0.8", "127.0.0.7")]
        assert asyncio.run(answering(asked, port)) == (IPv4Address("127.0.0.7"),)


def test_without_zeroconf(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "zeroconf.asyncio", None)
    assert not has_zeroconf()


def library(said: dict[str, tuple[str, list[str], int] | None]) -> ModuleType:
    """A stand-in for ``zeroconf.asyncio`` that finds the names in ``said``."""

    class AsyncZeroconf:
        zeroconf = object()

        async def async_close(self) -> None:
            pass

    class AsyncServiceBrowser:
        def __init__(self, _zeroconf: object, types: list[str], handlers: list[Any]) -> None:
            for name in said:
                handlers[0](zeroconf=None, service_type=types[0], name=name, state_change=None)

        async def async_cancel(self) -> None:
            pass

    class AsyncServiceInfo(SimpleNamespace):
        def __init__(self, _kind: str, name: str) -> None:
            server, addresses, port = said[name] or (None, [], None)
            super().__init__(name=name, server=server, addresses=addresses, port=port)

        async def async_request(self, _zeroconf: object, _timeout_ms: int) -> bool:
            return said[self.name] is not None

        def parsed_addresses(self) -> list[str]:
            found: list[str] = self.addresses
            return found

    module = ModuleType("zeroconf.asyncio")
    vars(module).update(
        AsyncZeroconf=AsyncZeroconf,
        AsyncServiceBrowser=AsyncServiceBrowser,
        AsyncServiceInfo=AsyncServiceInfo,
    )
    return module


def test_what_announces_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    found = library(
        {
            "Pi 5._ssh._tcp.local.": ("pi5.local.", ["192.168.1.25", "fe80::1"], 22),
            "gone._ssh._tcp.local.": None,
            "Mini._ssh._tcp.local.": ("mini1.local.", [], 2222),
        }
    )
    monkeypatch.setitem(sys.modules, "zeroconf", ModuleType("zeroconf"))
    monkeypatch.setitem(sys.modules, "zeroconf.asyncio", found)
    monkeypatch.setattr(nearby, "_BROWSE_S", 0)
    assert has_zeroconf()
    assert asyncio.run(announced()) == (
        Announced("mini1.local", (), 2222),
        Announced("pi5.local", ("192.168.1.25",), 22),
    )
