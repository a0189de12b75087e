"""The screen that measures links."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleetctl.bench.history import History
from fleetctl.model.bench import BenchPath, Measured
from tests.bench.fleets import measured
from tests.bench.runs import figures
from tests.tui.stage import Screen, played

__all__ = ["figures"]
Figures = dict[str, Measured | None]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))


def test_it_is_refused_while_the_job_runs() -> None:
    async def act(screen: Screen) -> None:
        screen.app.action_bench()
        await screen.until("y measures every path")
        await screen.type("y")
        await screen.until("nothing was measured: server@mini1 is ready")
        await screen.type("escape")
        await screen.until("Topology")

    played(act)


def test_rows_come_and_what_is_wrong_follows(figures: Figures) -> None:
    async def act(screen: Screen) -> None:
        screen.stage.states = dict.fromkeys(screen.stage.states, "stopped")
        figures["pi4 → mini3 (edge51)"] = measured(_edge(screen), 94, 93)
        await screen.type("b", "b")
        text = await screen.until("mini2 → mini1 (fabric)", "bandwidth-low", "all-reduce round")
        assert "pi4 → mini3 (edge51): not as wide as expected: 94 Mbit/s there" in text

    played(act)


def test_leaving_ends_it_and_keeps_what_is_measured(figures: Figures) -> None:
    async def act(screen: Screen) -> None:
        screen.stage.states = dict.fromkeys(screen.stage.states, "stopped")
        figures["pi4 → mini3 (edge51)"] = None
        await screen.type("b", "b")
        await screen.until("pi5 → mini1 (edge50)", "measuring 5 paths, one after the other: ")
        await screen.type("escape")
        await screen.until("over time", "bandwidth")  # the links
        kept = History(screen.stage.fleet.name).best
        assert ("pi5", "mini1", "edge50") in kept
        assert ("pi4", "mini3", "edge51") in kept  # its echoes

    played(act)


def _edge(screen: Screen) -> BenchPath:
    bench = screen.stage.bench(list(screen.stage.fleet.nodes))
    paths = bench._chosen.paths  # type: ignore[attr-defined]
    found: BenchPath = next(p for p in paths if p.network == "edge51")
    return found
