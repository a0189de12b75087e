"""The dashboard inside a demo: a tour of things to break, and mending them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fleetctl.demo import VARIABLE, Demo, Scenario
from fleetctl.errors import LabError
from fleetctl.lab.requests import serving
from tests.tui.stage import Screen, played

CABLE = Scenario(
    id="cable",
    title="Pull pi4's cable",
    node="pi4",
    fault="edge-down",
    look="The line of edge51 breaks off.",
    code="interface-down",
    repair="heal",
    remedy="No command plugs in a cable.",
)
FORWARDING = Scenario(
    id="forwarding",
    title="mini3 stops forwarding",
    node="mini3",
    fault="forwarding-off",
    look="pi4 reaches nothing behind mini3.",
    code="forwarding-off",
    repair="fix",
    remedy="f shows the command.",
)


class Outside:
    """The demo's process: records requests."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self.refuses = ""

    def answer(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        if request["do"] == "list":
            return {"scenarios": json.loads(msgspec.json.encode([CABLE, FORWARDING]))}
        if self.refuses:
            raise LabError(self.refuses)
        self.asked.append((request["do"], request["scenario"]))
        return {"said": f"{request['scenario']}: {request['do']} done."}


@pytest.fixture
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Outside]:
    place, about = tmp_path / "s", tmp_path / "demo.json"
    about.write_bytes(msgspec.json.encode(Demo(str(place), "demo-1", "no cables here")))
    monkeypatch.setenv(VARIABLE, str(about))
    demo = Outside()
    with serving(place, demo.answer):
        yield demo


def test_the_tour_breaks_says_what_to_look_for_and_mends(outside: Outside) -> None:
    async def act(screen: Screen) -> None:
        await screen.until("This is a demo fleet", "d: a tour", "no cables here")
        assert "h mend" not in screen.text
        await screen.type("d")
        await screen.until("1. Pull pi4's cable", "2. mini3 stops forwarding")
        await screen.type("enter")
        await screen.until("cable: fault done.", "The line of edge51 breaks off.", "h: mend it")
        await screen.type("h")
        await screen.until("This is a demo fleet", "cable: heal done.", gone="h mend")
        assert outside.asked == [("fault", "cable"), ("heal", "cable")]

    played(act)


def test_the_tour_teaches_keys(outside: Outside) -> None:
    async def act(screen: Screen) -> None:
        await screen.until("This is a demo fleet", "d: a tour")
        await screen.type("d")
        await screen.until("Keys: one cursor", "l its log", "Keys: problems")
        await screen.type("end", "up", "up", "up", "enter")
        await screen.until("problems: each line ends with the keys that help; f shows commands")
        assert outside.asked == []

    played(act)


def test_in_few_rows_the_guide_is_one_line_that_ends(outside: Outside) -> None:
    async def act(screen: Screen) -> None:
        text = await screen.until("no cables here · d: a tour of things to break · q: leave")
        assert text.splitlines()[1].endswith("it is gone")
        assert text.splitlines()[2].startswith("╭─ Nodes")
        await screen.type("d", "enter")
        await screen.until("cable: fault done. · h: mend it · d: the tour")

    played(act, (80, 24))


@pytest.mark.parametrize(("kept", "then"), [(False, "all of it is gone"), (True, "it runs on")])
def test_what_leaving_means_is_true(outside: Outside, kept: bool, then: str) -> None:
    about = Path(os.environ[VARIABLE])
    told = msgspec.json.decode(about.read_bytes(), type=Demo)
    about.write_bytes(msgspec.json.encode(msgspec.structs.replace(told, kept=kept)))

    async def act(screen: Screen) -> None:
        await screen.until("This is a demo fleet", f"q: leave, and {then}.")

    played(act)


def test_each_scenario_is_in_the_palette(outside: Outside) -> None:
    async def act(screen: Screen) -> None:
        await screen.until("This is a demo fleet")
        while not screen.app.guide.scenarios:
            await screen.pilot.pause()
        await screen.type("ctrl+p", *"pull pi4")
        await screen.until("Pull pi4's cable")
        await screen.type("down", "enter")
        await screen.until("cable: fault done.")

    played(act)


def test_what_cannot_be_broken_is_said(outside: Outside) -> None:
    outside.refuses = "pi4 has no cable"

    async def act(screen: Screen) -> None:
        await screen.until("This is a demo fleet")
        await screen.type("d", "enter")
        await screen.until("pi4 has no cable", "This is a demo fleet")
        assert "h mend" not in screen.text

    played(act)


def test_without_a_demo_there_is_no_tour() -> None:
    async def act(screen: Screen) -> None:
        await screen.type("d")
        text = await screen.until("nothing is wrong")
        assert "demo" not in text
        assert "a tour" not in text

    played(act)
