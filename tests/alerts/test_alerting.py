"""Alerting beside an observer: what is sent over restarts and failures, and that it never waits."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from fleetctl.alerts import alerting
from fleetctl.alerts.alerting import Alerting
from fleetctl.alerts.keeping import read_kept
from fleetctl.model.events import Event
from fleetctl.model.status import FleetStatus
from fleetctl.model.topology import Fleet
from tests.alerts.seen import at, failed, fleet, later, link, node, snapshot, status

LINE = "cat >> {folder}/got"
LOST = status(0, failed("worker@b"))


class Desk:
    """An observer's side, with a folder for what hooks write."""

    def __init__(self, folder: Path, line: str = LINE, more: str = "for: 10s") -> None:
        self.folder = folder
        to = json.dumps({"command": line.format(folder=folder)})
        self.fleet: Fleet = fleet(
            f"[{{on: [rank-lost, node-lost], to: {to}, {more}}}]", str(folder)
        )
        self.notes: list[Event] = []

    @property
    def got(self) -> list[dict[str, Any]]:
        file = self.folder / "got"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    @asynccontextmanager
    async def alerting(self) -> AsyncIterator[Alerting]:
        one = Alerting(self.fleet, self.notes.append, self.folder / "kept")
        task = asyncio.create_task(one.run())
        try:
            yield one
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def see(self, one: Alerting, seen: FleetStatus, begin: int, end: int) -> None:
        for second in range(begin, end, 2):
            one.take(snapshot(later(seen, second), self.fleet), ())


async def until(condition: Callable[[], object], what: str) -> None:
    deadline_s = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline_s, what
        await asyncio.sleep(0.02)


def states(desk: Desk) -> Sequence[object]:
    return [message["state"] for message in desk.got]


def test_a_restart_neither_repeats_nor_forgets(tmp_path: Path) -> None:
    desk = Desk(tmp_path)

    async def told() -> None:
        async with desk.alerting() as first:
            desk.see(first, status(0), 0, 4)
            event = Event(at(4), "failed", "worker@b is failed: killed", "instance", "worker@b")
            first.take(snapshot(status(4, failed("worker@b")), desk.fleet), [event])
            desk.see(first, LOST, 6, 40)
            await until(lambda: desk.got and not first._kept.outbox, "it is raised")
        async with desk.alerting() as second:
            desk.see(second, LOST, 42, 90)
            desk.see(second, status(0, b=node("unknown")), 90, 140)
            desk.see(second, status(0), 140, 300)
            await until(lambda: len(desk.got) == 2, "it is over")
        async with desk.alerting() as third:
            desk.see(third, status(0), 300, 400)

    asyncio.run(told())
    assert states(desk) == ["raised", "over"]
    assert desk.got[0]["causes"][0]["event"]["text"] == "worker@b is failed: killed"
    assert desk.notes == []
    assert (tmp_path / "kept").stat().st_mode & 0o777 == 0o600


def test_after_a_time_without_looks_it_waits_anew(tmp_path: Path) -> None:
    """A laptop that slept for an hour: one look is not half a minute."""
    desk = Desk(tmp_path)

    async def told() -> None:
        async with desk.alerting() as one:
            desk.see(one, status(0), 0, 4)
            one.take(snapshot(status(4, b=node("unreachable")), desk.fleet), ())
            one.take(snapshot(status(3604, b=node("unreachable")), desk.fleet), ())
            desk.see(one, status(0), 3606, 3700)
            desk.see(one, status(0, c=node("unreachable")), 3700, 3720)
            await until(lambda: desk.got, "another one is told")

    asyncio.run(told())
    assert [message["title"] for message in desk.got] == ["home: node-lost c"]


def test_what_is_not_complete_is_not_looked_at(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    one = Alerting(desk.fleet, desk.notes.append, tmp_path / "kept")
    for second in range(100):
        one.take(snapshot(status(second, failed("worker@b")), desk.fleet, complete=False), ())
    assert one._kept.outbox == []


def test_a_hook_that_hangs_holds_up_neither_looks_nor_others(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    to = json.dumps([{"command": "exec sleep 4734"}, {"command": LINE.format(folder=tmp_path)}])
    desk.fleet = fleet(f"[{{on: rank-lost, to: {to}, for: 0}}]", str(tmp_path))

    async def told() -> None:
        async with desk.alerting() as one:
            desk.see(one, status(0), 0, 4)
            began_s = time.process_time()
            desk.see(one, LOST, 4, 20)
            assert time.process_time() - began_s < 2
            await until(lambda: desk.got, "the other one is told")

    asyncio.run(told())
    kept, why = read_kept(tmp_path / "kept")
    assert why == ""
    assert [(w.rule, w.to) for w in kept.outbox] == [("1", 0)]  # goes on after a restart


def test_what_was_being_sent_when_it_was_killed_says_so(tmp_path: Path) -> None:
    """Killed after it was sent, before that was written down."""
    desk = Desk(tmp_path, "cat >> {folder}/got; test -e {folder}/may || exec sleep 4735", "for: 0")

    async def told() -> None:
        async with desk.alerting() as one:
            desk.see(one, status(0), 0, 4)
            desk.see(one, LOST, 4, 8)
            await until(lambda: desk.got, "it is sent")
            written = (tmp_path / "kept").read_bytes()
            assert read_kept(tmp_path / "kept")[0].outbox[0].tried
        (tmp_path / "kept").write_bytes(written)  # as if it had had no time for anything
        (tmp_path / "may").touch()
        async with desk.alerting():
            await until(lambda: len(desk.got) == 2, "it is sent again")

    asyncio.run(told())
    first, again = desk.got
    assert [first["may_repeat"], again["may_repeat"]] == [False, True]
    assert again["text"] == (
        first["text"]
        + "\nThis may have been sent before: fleetctl serve was ended while it sent it."
    )


def test_what_could_not_be_sent_is_noted_once_and_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alerting, "RETRIES_S", (0.05,))
    desk = Desk(tmp_path, "test -e {folder}/may || {{ echo not yet; exit 1; }}; cat > {folder}/got")

    async def told() -> None:
        async with desk.alerting() as one:
            desk.see(one, status(0), 0, 4)
            desk.see(one, LOST, 4, 20)
            await until(lambda: one._kept.outbox and one._kept.outbox[0].failures > 2, "it fails")
        (tmp_path / "may").touch()
        async with desk.alerting():
            await until(lambda: desk.got, "it is sent")

    asyncio.run(told())
    assert states(desk) == ["raised"]
    [note] = desk.notes
    assert (note.kind, note.state) == ("note", "warning")
    assert note.text.startswith("alert '1' could not be sent to test -e ")
    assert "it ended with exit code 1; it said: not yet; tried again in 0.05 s" in note.text


def test_it_is_given_up_after_an_hour(tmp_path: Path) -> None:
    desk = Desk(tmp_path, "exit 1")

    async def told() -> None:
        async with desk.alerting() as one:
            desk.see(one, status(0), 0, 4)
            desk.see(one, LOST, 4, 16)
            for waiting in one._kept.outbox:
                waiting.since = datetime.now(UTC) - timedelta(hours=2)
            await until(lambda: desk.notes, "it is noted")
            assert one._kept.outbox == []

    asyncio.run(told())
    assert desk.notes[0].text.endswith("; given up after 1h00m")


def test_what_waits_is_bounded(tmp_path: Path) -> None:
    desk = Desk(tmp_path, more="for: 0")
    one = Alerting(desk.fleet, desk.notes.append, tmp_path / "kept")
    for minute in range(0, 260, 2):
        one.take(snapshot(status(60 * minute, failed("worker@b")), desk.fleet), ())
        one.take(snapshot(status(60 * minute + 60), desk.fleet), ())
    one.follow(desk.fleet)
    assert len(one._kept.outbox) == alerting.MOST_WAITING
    assert "dropped" in desk.notes[0].text


@pytest.mark.parametrize("content", [b"", b"{", b'{"rules": 3}', b"\0" * 100])
def test_a_damaged_file_is_noted_and_replaced(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "kept").write_bytes(content)
    desk = Desk(tmp_path)

    async def told() -> None:
        async with desk.alerting() as one:
            desk.see(one, status(0), 0, 4)
            await until(lambda: not read_kept(tmp_path / "kept")[1], "it is written anew")

    asyncio.run(told())
    assert "is damaged" in desk.notes[0].text


def test_rules_that_are_gone_say_nothing_more(tmp_path: Path) -> None:
    desk = Desk(tmp_path, more="for: 0")

    async def told() -> None:
        async with desk.alerting() as one:
            desk.see(one, status(0), 0, 4)
            desk.see(one, LOST, 4, 8)
            await until(lambda: desk.got, "it is raised")
            one.follow(fleet())
            desk.see(one, status(0, a=link(True)), 100, 200)

    asyncio.run(told())
    assert states(desk) == ["raised"]
    assert read_kept(tmp_path / "kept")[0].rules == {}
