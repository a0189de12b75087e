"""Events for clients that listen, and for those that come back."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from fleetctl.history.event_json import EVENT_SCHEMA, event_json
from fleetctl.history.store import Store
from fleetctl.model.events import Event
from fleetctl.serve.page import listeners
from fleetctl.serve.page.listeners import MOST_WAITING, Listeners, after, frame, id_of, past, since

BEGIN = datetime(2026, 3, 1, 12, tzinfo=UTC)


def event(number: int, subject: str = "pi4") -> Event:
    return Event(BEGIN + timedelta(seconds=number), "lost", f"is lost ({number})", "node", subject)


EVENTS = [event(number) for number in range(5)]


def test_one_that_comes_back_gets_what_came_since(client_home: Path) -> None:
    store = Store("home")
    store.add_events(EVENTS)
    store.close()
    assert past("home", id_of(EVENTS[2])) == (EVENTS[3:], "")
    assert past("home", id_of(EVENTS[4])) == ([], "")


def test_what_is_told_with_another_event_is_not_sent(client_home: Path) -> None:
    part = replace(EVENTS[3], part_of="action 1")
    store = Store("home")
    store.add_events([*EVENTS[:3], part, EVENTS[4]])
    store.close()
    assert past("home", id_of(EVENTS[2])) == ([EVENTS[4]], "")
    assert past("home", id_of(part)) == ([EVENTS[4]], "")

    async def body() -> None:
        all_ = Listeners()
        one = all_.begin()
        assert one
        all_.take([part, EVENTS[4]])
        assert await one.next(1) == EVENTS[4]

    asyncio.run(body())


def test_a_line_is_one_of_events_json() -> None:
    (line,) = (x for x in frame(EVENTS[0]).decode().split("\n") if x.startswith("data: "))
    sent = json.loads(line.removeprefix("data: "))
    assert sent == json.loads(event_json(EVENTS[0]))
    assert (sent["schema"], sent["key"] != "", "part_of" in sent) == (EVENT_SCHEMA, True, False)


def test_events_of_one_moment_are_told_apart() -> None:
    alike = sorted([event(0, name) for name in ("a", "b", "c")], key=lambda e: e.subject)
    first, *rest = after(alike, "0-unknown")
    assert after(alike, id_of(first)) == rest


def test_what_cannot_be_known_is_said(client_home: Path) -> None:
    assert past("home", id_of(EVENTS[0]))[1].startswith(
        "what came meanwhile is not known: there is no"
    )
    for odd in ("", "x-1", "9" * 40 + "-a", "-1-a"):
        assert since(odd) is None
        assert "is no id of an event" in past("home", odd)[1]


def test_more_than_is_sent_are_the_newest(
    client_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listeners, "MOST_PAST", 2)
    store = Store("home")
    store.add_events(EVENTS)
    store.close()
    assert past("home", id_of(EVENTS[0])) == (EVENTS[3:], "only the newest 2 follow")


def test_one_that_is_too_far_behind_is_cut_off() -> None:
    async def body() -> None:
        all_ = Listeners()
        slow = all_.begin()
        assert slow
        all_.take(event(n) for n in range(MOST_WAITING + 2))
        heard = [await slow.next(1) for _ in range(MOST_WAITING)]
        assert heard == [event(n) for n in range(MOST_WAITING)]
        assert await slow.next(1) is None
        assert slow.behind

    asyncio.run(body())


def test_there_are_not_more_than_so_many() -> None:
    all_ = Listeners()
    found = [all_.begin() for _ in range(listeners.MOST)]
    assert all_.begin() is None
    assert found[0]
    all_.end(found[0])
    assert all_.begin()


def test_a_frame_is_one_event_whatever_its_text() -> None:
    odd = Event(BEGIN, "lost", "two\nlines\r\nid: 7", "node", "pi4")
    lines = frame(odd).decode().split("\n")
    assert (lines[0], lines[2:]) == (f"id: {id_of(odd)}", ["", ""])
    assert json.loads(lines[1].removeprefix("data: "))["text"] == odd.text
    assert listeners.comment("a\n\ndata: b") == b": a data: b\n\n"
