"""Web pages from the dashboard: which, and that their tunnels last as long as it."""

from __future__ import annotations

import asyncio

import pytest
from msgspec.structs import replace

from fleetctl import browser
from fleetctl.model.jobs import Job, Service
from fleetctl.tui import web_pages
from tests.tui.stage import JOB, Stage, opened


def with_pages(**ports: int) -> Job:
    """The stage's job, with a web page of these services."""
    services = {
        name: Service(
            s.after,
            tuple(replace(i, web=(ports[name],) if name in ports else ()) for i in s.instances),
        )
        for name, s in JOB.services.items()
    }
    return replace(JOB, services=services)


def test_p_opens_a_page_and_keeps_its_tunnel_until_the_dashboard_is_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shown: list[str] = []
    monkeypatch.setattr(browser, "available", lambda: True)
    monkeypatch.setattr(browser, "show", shown.append)
    monkeypatch.setattr(web_pages, "LOOK_S", 0.05)

    async def body() -> None:
        stage = Stage(job=with_pages(worker=9000))
        stage.pages_away["worker@mini3"] = "nothing listens on port 9000 of mini3 yet"
        async with opened(stage=stage) as screen:
            await screen.type("p")  # the cursor is on the server, which has none
            await screen.until("Open which web page", "worker@mini2", "worker@pi4")
            await screen.type("down", "enter")
            await screen.until("nothing listens on port 9000 of mini3 yet", "once it is there")
            assert shown == []
            stage.pages_away.clear()
            await screen.until("http://127.0.0.1:9000, until you leave the")
            assert shown == ["http://127.0.0.1:9000"]
            await screen.type("down", "down", "p")  # again, by the same tunnel
            assert (stage.tunnels, len(shown)) == (["worker@mini3"], 2)
        assert stage.tunnels == []

    asyncio.run(asyncio.wait_for(body(), 40))
