"""What is answered over HTTP, to whom; the node is a real OpenSSH server."""

from __future__ import annotations

import re
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path

import psutil
import pytest
from aiohttp import ClientSession, CookieJar, WSMsgType, WSServerHandshakeError

from fleetctl.errors import FleetctlError
from fleetctl.history.store import Store
from fleetctl.model.events import Event
from fleetctl.serve.newest import Question
from fleetctl.serve.page import browsers, session
from fleetctl.serve.page.guard import COOKIE
from fleetctl.serve.page.listeners import id_of
from fleetctl.serve.page.settings import HttpSettings
from fleetctl.serve.page.site import Site
from fleetctl.undertakings import Snapshot
from tests.health.test_unexplained import CLUSTER
from tests.health.world import World
from tests.openssh import Server, bounded
from tests.serve.page.test_session import ECHOES, SPEAKS
from tests.serve.test_answers import serving

TOKEN = "t" * 43
SEEN = Snapshot(World(CLUSTER).check(), {})
LOST = Event(datetime(2026, 3, 1, tzinfo=UTC), "lost", "pi4 is lost", "node", "pi4")
BACK = Event(datetime(2026, 3, 2, tzinfo=UTC), "ok", "pi4 is back", "node", "pi4")


def settings(token: str | None = None, program: str = ECHOES) -> HttpSettings:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    argv = (sys.executable, "-c", program)
    return HttpSettings(ip_address("127.0.0.1"), port, token, dashboard=argv)


@asynccontextmanager
async def opened(
    given: HttpSettings, said: Callable[[str], object] = lambda _: None
) -> AsyncIterator[tuple[Site, ClientSession]]:
    """One that watches nothing."""
    site = Site(given, said)
    jar = CookieJar(unsafe=True)  # of an address, too
    async with ClientSession(given.url, cookie_jar=jar) as client, site.open("home", lambda: None):
        yield site, client


def test_the_status_and_the_metrics_are_those_of_the_newest_looks(
    sshd: Server, client_home: Path
) -> None:
    async def body() -> None:
        given = settings()
        async with serving(sshd) as (server, watch):
            newest = server.newest()
            assert newest
            site = Site(given, print)
            async with site.open("home", server.newest), ClientSession(given.url) as client:
                async with client.get("/metrics") as none_yet:
                    assert (none_yet.status, none_yet.headers["Retry-After"]) == (503, "2")
                await site.take(watch.snapshot(), ())
                async with client.get("/metrics") as metrics:
                    text = await metrics.text()
                assert 'fleetctl_node_reachable{fleet="home",node="pi4"} 1.0\n' in text
                assert text.endswith("# EOF\n")
                while True:  # until both are of the same looks
                    async with client.get("/status.json") as status:
                        said = await status.read()
                    if (known := await newest.json(Question())) and said == known[1]:
                        break
                assert (status.status, status.content_type) == (200, "application/json")
                for odd in ("?job=other", "?target=nothing-like-it"):
                    async with client.get(f"/status.json{odd}") as unknown:
                        assert unknown.status == 404
                async with client.get("/status.json?target=pi4&job=all") as every:
                    assert (await every.json())["nodes"].keys() == {"pi4"}

    bounded(body())


def test_without_the_token_nothing_is_told() -> None:
    async def body() -> None:
        given = settings(TOKEN)
        said: list[str] = []
        async with opened(given, said.append) as (_, client):
            for path in (
                "/metrics",
                "/status.json",
                "/events",
                "/page.js",
                "/static/js/textual.js",
            ):
                async with client.get(path) as answer:
                    assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
            with pytest.raises(WSServerHandshakeError, match="401"):
                await client.ws_connect("/ws", headers={"Origin": given.url[:-1]})
            async with client.get("/") as form:
                assert (form.status, "The token" in await form.text()) == (200, True)
            async with client.get("/?token=wrong") as wrong:
                assert (wrong.status, wrong.cookies) == (403, {})
                assert "That is not the token" in await wrong.text()
            bearer = {"Authorization": f"Bearer {TOKEN}"}
            async with client.get("/metrics", headers=bearer) as answer:
                assert answer.status == 503  # nothing was seen yet
        assert TOKEN not in "".join(said)

    bounded(body())


@pytest.mark.parametrize("way", ["form", "link"])
def test_a_browser_shows_the_token_once(way: str) -> None:
    async def body() -> None:
        given = settings(TOKEN)
        origin = {"Origin": given.url[:-1]}
        async with opened(given) as (_, client):
            if way == "form":
                answer = await client.post("/login", data={"token": f" {TOKEN} "}, headers=origin)
            else:
                answer = await client.get(f"/?token={TOKEN}")
            assert (answer.status, "url=/" in await answer.text()) == (200, True)
            cookie = answer.cookies[COOKIE]
            assert (cookie["samesite"], cookie["httponly"]) == ("Strict", True)
            assert TOKEN not in cookie.value
            async with client.get("/") as page:
                assert 'id="terminal"' in await page.text()
            async with client.ws_connect("/ws", headers=origin) as screen:
                assert await screen.receive_bytes()

    bounded(body())


def test_what_other_pages_send_is_refused() -> None:
    async def body() -> None:
        given = settings()
        async with opened(given) as (_, client):
            for headers in (
                {"Host": f"evil.example:{given.port}"},
                {"Origin": "http://evil.example"},
            ):
                for path in ("/", "/metrics", "/status.json", "/events"):
                    async with client.get(path, headers=headers) as answer:
                        assert answer.status == 403
            for origin in ({}, {"Origin": "http://evil.example"}):
                with pytest.raises(WSServerHandshakeError, match="403"):
                    await client.ws_connect("/ws", headers=origin)
            async with client.post("/login", data={"token": "x"}) as answer:
                assert answer.status == 403

    bounded(body())


def test_every_answer_says_what_a_browser_may_do_with_it() -> None:
    async def body() -> None:
        async with opened(settings()) as (_, client):
            for path in (
                "/",
                "/page.js",
                "/static/js/textual.js",
                "/nothing",
                "/metrics",
                "/events",
            ):
                async with client.get(path) as answer:
                    headers = answer.headers
                assert headers["Content-Security-Policy"].startswith(
                    "default-src 'none'; script-src 'self'"
                )
                assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
                assert headers["X-Content-Type-Options"] == "nosniff"
                assert headers["Referrer-Policy"] == "same-origin"
                assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
                assert "Access-Control-Allow-Origin" not in headers
            for path in ("/static/", "/static/../server.py", "/static/%2e%2e/server.py"):
                async with client.get(path) as answer:
                    assert answer.status in (403, 404)

    bounded(body())


def test_the_page_loads_nothing_from_elsewhere() -> None:
    async def body() -> None:
        async with opened(settings()) as (_, client):
            for path in ("/", "/page.js", "/page.css"):
                async with client.get(path) as answer:
                    text = await answer.text()
                assert not re.search(r"(?:src|href|url)\W{1,3}(?:https?:)?//", text)
                assert "onclick" not in text
            async with client.get("/?fontsize=<b>") as odd:
                assert 'data-font-size="16"' in await odd.text()

    bounded(body())


def test_events_come_as_they_happen_and_a_client_that_comes_back_misses_none(
    client_home: Path,
) -> None:
    async def body() -> None:
        async with opened(settings()) as (site, client):
            async with client.get("/events") as first:
                assert await first.content.readuntil(b"\n\n") == b": events of home\n\n"
                await site.take(SEEN, [LOST])
                assert (await first.content.readuntil(b"\n\n")).startswith(b"id: ")
            store = Store("home")
            store.add_events([LOST, BACK])
            store.close()
            headers = {"Last-Event-ID": id_of(LOST)}
            async with client.get("/events", headers=headers) as again:
                await again.content.readuntil(b"\n\n")
                assert b"pi4 is back" in await again.content.readuntil(b"\n\n")
                await site.take(SEEN, [BACK])  # it was sent already
                later = Event(datetime(2026, 3, 3, tzinfo=UTC), "lost", "again", "node", "pi4")
                await site.take(SEEN, [later])
                assert b'"again"' in await again.content.readuntil(b"\n\n")

    bounded(body())


def test_each_browser_has_a_dashboard_of_its_own_and_there_are_not_too_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(browsers, "MOST", 2)

    async def body() -> None:
        given = settings()
        headers = {"Origin": given.url[:-1]}
        async with opened(given) as (_, client):
            one = await client.ws_connect("/ws?width=100&height=30", headers=headers)
            two = await client.ws_connect("/ws?width=x&height=99999", headers=headers)
            assert await one.receive_bytes() == b"100x30"
            assert await two.receive_bytes() == b"20x8"
            three = await client.ws_connect("/ws", headers=headers)
            closed = await three.receive()
            assert "2 browsers show the dashboard already" in str(closed.extra)
            await one.send_json(["stdin", "s"])
            assert await one.receive_bytes() == b"Ds"
            await one.send_json(["ping", "1"])
            assert await one.receive_json() == ["pong", "1"]
            await one.close()
            await two.send_str("{")
            assert (await two.receive()).extra == "It is not understood."
            await two.close()
            while True:  # until the dashboards of the two have ended
                four = await client.ws_connect("/ws", headers=headers)
                if (await four.receive()).type == WSMsgType.BINARY:
                    break

    bounded(body())


@pytest.mark.parametrize(
    ("program", "why"),
    [
        (f"{SPEAKS}\nsay(b'D', b'here'); os.read(0, 5); say(b'M', b'{{')", "cannot be shown"),
        (f"{SPEAKS}\nimport signal; say(b'D', b'here')\nwhile True: signal.pause()", "hangs"),
    ],
    ids=["says nonsense", "hangs"],
)
def test_a_dashboard_that_fails_makes_room_for_the_next(
    program: str, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(browsers, "MOST", 1)
    for wait in ("TAKE_S", "END_S", "KILL_S"):
        monkeypatch.setattr(session, wait, 0.3)

    async def body() -> None:
        given = settings(program=program)
        headers = {"Origin": given.url[:-1]}
        async with opened(given) as (_, client):
            one = await client.ws_connect("/ws", headers=headers)
            assert await one.receive_bytes() == b"here"
            with suppress(ConnectionError):
                for _ in range(20):
                    await one.send_json(["stdin", "x" * 32_000])
            assert why in str((await one.receive()).extra)
            while True:  # until it has ended
                two = await client.ws_connect("/ws", headers=headers)
                if (await two.receive()).type == WSMsgType.BINARY:
                    break

    bounded(body())


def test_what_is_open_is_ended_with_the_server() -> None:
    async def body() -> None:
        given = settings()
        async with ClientSession(given.url) as client:
            async with Site(given, print).open("home", lambda: None):
                listening = await client.get("/events")
                await listening.content.readuntil(b"\n\n")
                screen = await client.ws_connect("/ws", headers={"Origin": given.url[:-1]})
                await screen.receive_bytes()
            assert b"data" not in await listening.content.read()
            while (last := await screen.receive()).type == WSMsgType.BINARY:
                pass
            assert last.extra == "fleetctl serve has ended."
        children = psutil.Process().children()
        assert not [p for p in children if "GANGLION" in " ".join(p.cmdline())]

    bounded(body())


def test_why_a_dashboard_cannot_be_shown_is_said_in_the_browser() -> None:
    async def body() -> None:
        given = settings(program="import sys; sys.exit('nodes.yaml: line 3: unknown key')")
        async with opened(given) as (_, client):
            screen = await client.ws_connect("/ws", headers={"Origin": given.url[:-1]})
            assert "nodes.yaml: line 3: unknown key" in str((await screen.receive()).extra)

    bounded(body())


def test_a_port_that_is_taken_is_said() -> None:
    async def body() -> None:
        given = settings()
        async with opened(given):
            with pytest.raises(FleetctlError, match="nothing can be served at http"):
                async with opened(given):
                    pass

    bounded(body())
