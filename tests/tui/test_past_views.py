"""The screens that show what was: links, timeline, training."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fleetctl.bench.history import History
from fleetctl.history.store import Store
from fleetctl.model.bench import BenchPath, Hop
from fleetctl.model.events import Event
from fleetctl.model.samples import INSTANCE_STATES, Sample, Series
from fleetctl.tui.widgets.rows import Rows
from tests.bench.fleets import measured
from tests.tui.fleets import moving
from tests.tui.stage import FLEET, JOB, Screen, Stage, opened

BAD = "pi4:mini3/edge51"
WELL = "mini1:mini2/fabric"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))


def remember() -> None:
    """An hour of history, with a cable that lost all for two minutes an hour ago."""
    now = time.time()
    store = Store(FLEET.name)
    for ago in range(4200, 0, -60):
        bad = 3600 <= ago <= 3720
        found = [Sample(Series("node", node, "reachable"), 1.0) for node in ("mini1", "pi4")]
        for link in (BAD, WELL):
            lost = bad and link == BAD
            found.append(Sample(Series("link", link, "loss_percent"), 100.0 if lost else 0.0))
            if not lost:
                found.append(Sample(Series("link", link, "rtt_ms"), 0.4))
        state = INSTANCE_STATES.index("failed" if bad else "ready")
        found.append(Sample(Series("instance", "edp/worker@pi4", "state"), state))
        found.append(Sample(Series("job", "edp", "loss"), 2.0 + ago / 4200))
        store.add(now - ago, found, watched_from_s=now - 4200)
    began, over = (datetime.fromtimestamp(now - ago, UTC) for ago in (3720, 3600))
    said = "the cable edge51 of pi4 is out"
    store.add_events(
        [Event(began, "error", said, "problem", "pi4", "pi4", code="interface-down", until=over)]
    )
    store.close()


def played(
    act: Callable[[Screen], Awaitable[None]], size: tuple[int, int], *, kept: bool = True
) -> None:
    async def body() -> None:
        stage = Stage()
        for place, instance in enumerate(i for i in JOB.instances if i.service == "worker"):
            stage.steps[instance.name] = moving(7739 - 40 * (place == 2), quiet_s=1.0)
        silent = next(i.name for i in JOB.instances if i.node == "pi5")
        stage.steps[silent] = moving(7600, quiet_s=47.0)
        async with opened(size, stage, ready="pi5 silent 47 s", keep_events=kept) as screen:
            await act(screen)

    asyncio.run(asyncio.wait_for(body(), 60))


def line(text: str, *parts: str) -> str:
    found = [one for one in text.splitlines() if all(part in one for part in parts)]
    assert found, (parts, text)
    return found[0]


@pytest.mark.parametrize("size", [(80, 24), (300, 80)])
def test_a_cable_that_was_bad_for_two_minutes_shows_an_hour_later(size: tuple[int, int]) -> None:
    remember()
    path = BenchPath("mini3", "pi4", "edge51", None, "10.10.51.2", (Hop("mini3", "pi4", "edge51"),))
    History(FLEET.name).add(measured(path, 94, 930))

    async def act(screen: Screen) -> None:
        await screen.type("b")
        text = await screen.until("gap: lost", "─ 2 h ─", "94 Mbit/s")
        rows = [one for one in text.splitlines() if "→" in one]
        assert "pi4 → mini3 (edge51)" in rows[0], "what lost something comes first"
        assert re.search("·[▁-█]+ +[▁-█]+", rows[0]), rows[0]
        assert rows[0].count("▲") == (1 if size[0] == 300 else 0), "94 is narrow"
        assert "lost" not in rows[0], "it is well now"
        assert "▲ 94 Mbit/s back" in text, "of the link under the cursor, from its other end"
        await screen.type("enter")
        text = await screen.until("Samples, newest first")
        assert size == (80, 24) or line(text, "all"), "of the two minutes"
        await screen.type("escape", "escape", "e")
        text = await screen.until("interface-down pi4", "━ well", "─ 2 h ─")
        assert "✖" in line(text, "interface-down pi4")
        assert "✖" in line(text, "worker@pi4  ", "━")
        assert line(text, "ssh pi4" if size[0] == 300 else " nodes ")

    played(act, size)


def test_links_are_moved_to_what_was_long_ago() -> None:
    """With the cursor on the gap the samples of then are shown, and not only those of ten minutes
    that end now."""
    remember()

    async def act(screen: Screen) -> None:
        await screen.type("b")
        text = await screen.until("gap: lost", "─ 2 h ─", "now ▼", " for 3m00s")
        assert len(set(re.findall(r"\d\d:\d\d", text.splitlines()[2]))) == 3, "the axis"
        row = line(text, "pi4 → mini3 (edge51)")
        gap = re.search("·[▁-█]+ ", row)
        assert gap
        away = line(text, "now ▼").index("▼") - gap.end() + 1
        await screen.type(*["less_than_sign"] * (away // 10), *["left"] * (away % 10))
        await screen.until("▼", gone="now ▼")
        await screen.type("plus", "plus", "plus")
        text = await screen.until("gap: lost", "─ 10 min ─", gone="now ▼")
        assert re.search("[▁-█·] +[▁-█·]", line(text, "pi4 → mini3 (edge51)")), text
        await screen.type("enter")
        text = await screen.until("Samples, newest first")
        assert line(text, "all"), text
        await screen.type("escape", "0")
        await screen.until("gap: lost", "─ 10 min ─", "now ▼")

    played(act, (130, 42))


def test_the_timeline_takes_the_logs_to_its_moment() -> None:
    async def act(screen: Screen) -> None:
        screen.stage.write("server@mini1", *(f"line {n}" for n in range(3)))
        await screen.until("line 2")
        before = datetime.fromtimestamp(1e9 - 60, UTC)  # the lines are of 1e9
        screen.app.events = (Event(before, "failed", "something broke"),)
        await screen.type("e")
        await screen.until("now ▼", "something broke")
        await screen.type("left", "left")
        await screen.until("not recorded here", gone="now ▼")
        await screen.type("l")
        await screen.until("─ Nodes", "Nothing was printed since")
        await screen.type("e", "down", "enter")
        await screen.until("─ Nodes", "line 0", "What is held here begins")
        await screen.type("e", "left", "0")
        await screen.until("now ▼")

    played(act, (120, 40), kept=False)


def test_the_list_of_events_goes_with_the_cursor_also_before_the_first_one() -> None:
    async def act(screen: Screen) -> None:
        now = time.time()
        screen.app.events = tuple(
            Event(datetime.fromtimestamp(now - ago, UTC), "failed", said)
            for ago, said in ((40, "this broke first"), (20, "that broke then"))
        )
        await screen.type("e")
        await screen.until("this broke first", "that broke then", "10 min · not recorded")
        rows = screen.app.screen.query_one(Rows)
        assert rows.key and "that broke then" in rows.key
        await screen.type("less_than_sign")
        await screen.until("▼", gone="now ▼")
        assert rows.key and "this broke first" in rows.key

    played(act, (130, 42), kept=False)


def test_training_names_the_rank_that_is_silent_and_what_differs_there() -> None:
    remember()

    async def act(screen: Screen) -> None:
        await screen.type("T")
        text = await screen.until("Training · edp", "loss  ", "2 h")
        assert "edp ▲ degraded" in text
        row = line(text, "worker@pi5", "silent 47 s")
        assert row.split()[1] == "▲"
        assert "█" in row
        assert "█" not in line(text, "worker@mini2", "ready")
        assert "worker@pi5 lags behind" in text
        assert "differ" in text
        assert any("⠀" < letter <= "⣿" for letter in text), "a curve"
        assert "✖" in text.split("values")[1], "where the cable was out"
        await screen.type("minus")
        await screen.until("6 h")
        await screen.type("down", "l")
        await screen.until("Logs · worker@")

    played(act, (80, 24))


def test_without_a_history_it_says_what_it_has_seen_itself() -> None:
    async def act(screen: Screen) -> None:
        for key in ("T", "b", "e"):
            await screen.type(key)
            await screen.until("not recorded here: only what was seen here since")
            await screen.type("escape")

    played(act, (130, 42), kept=False)
