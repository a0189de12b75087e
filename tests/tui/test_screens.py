"""The screens over the dashboard: node, problem, check, fix, events, help; and the first run."""

from __future__ import annotations

import asyncio
from pathlib import Path

from fleetctl.errors import LinkError
from fleetctl.link.protocol import ANSWER_BYTES, Completed
from fleetctl.tui.welcome import WelcomeApp
from tests.tui.stage import Screen, Stage, played


def test_a_node_expected_beside_observed_and_the_commands_behind_it() -> None:
    async def act(screen: Screen) -> None:
        del screen.stage.world.hosts["mini1"].routes[
            next(iter(screen.stage.world.hosts["mini1"].routes))
        ]
        screen.stage.change()
        await screen.until("return-route-missing")
        await screen.type("enter")
        text = await screen.until("expected", "observed", "return route")
        assert "192.168.51.0/24 via 10.10.0.3" in text
        assert "heard 0s ago" in text
        assert "after a reboot" in text
        assert "✖  return route" in text
        await screen.type("o")
        text = await screen.until("ip route", "default via 192.168.1.1", "exit status 0")
        await screen.type("o")
        await screen.until("expected", "observed")
        await screen.type("escape")
        await screen.until("Topology")

    played(act)


def test_facts_of_a_node_are_shown_by_their_labels() -> None:
    async def act(screen: Screen) -> None:
        screen.stage.told = {"hardware": "Raspberry Pi 5 Model B"}
        screen.stage.change()
        await screen.type("enter", "end")
        text = await screen.until(
            "hardware     Raspberry Pi 5 Model B", "memory       2.0G of 8.0G"
        )
        assert "throttled    not told" in text

    played(act)


def test_a_lost_node_says_since_when_and_why() -> None:
    async def act(screen: Screen) -> None:
        screen.stage.world.hosts["pi4"].powered = False
        screen.stage.change()
        await screen.until("5/6 nodes")
        await screen.type("end", "up", "up", "enter")
        text = await screen.until("✖ unreachable", "no answer")
        assert "ago" in text
        await screen.type("o")
        await screen.until("pi4: no answer")

    played(act)


def test_a_problem_explained() -> None:
    async def act(screen: Screen) -> None:
        screen.stage.world.hosts["mini3"].forwarding = False
        screen.stage.change()
        await screen.until("forwarding-off")
        await screen.type("tab", "tab", "enter")
        text = await screen.until("shown by", "What repairs it, on mini3")
        assert "measured  by mini3 at" in text
        assert "sudo sysctl -w net.inet.ip.forwarding=1" in text
        assert "[f] runs it, after asking" in text
        await screen.type("escape")
        await screen.until("Topology")

    played(act)


def test_the_check_shows_which_node_reaches_which() -> None:
    async def act(screen: Screen) -> None:
        screen.stage.world.hosts["pi4"].carrier["edge51"] = False
        screen.stage.change()
        await screen.until("interface-down")
        await screen.type("c")
        text = await screen.until("fabric: rows ask, columns answer", "✖ silent")
        assert "○" in text  # an address that must not answer does not
        assert "interface-down" in text

    played(act)


def test_events_tell_what_changed() -> None:
    async def act(screen: Screen) -> None:
        await screen.type("e")
        await screen.until("nothing has changed yet")
        screen.stage.states["worker@pi4"] = "failed"
        screen.stage.change()
        await screen.until("worker@pi4 is failed")
        screen.stage.states["worker@pi4"] = "ready"
        screen.stage.change()
        await screen.until("ready again after")
        [event] = screen.app.events  # one cause is one event
        assert event.code == "service-failed"
        screen.stage.states["worker@pi4"] = "stopped"
        screen.stage.change()
        text = await screen.until("worker@pi4 is stopped")
        assert text.index("is stopped") < text.index("is failed")  # newest first

    played(act)


def test_asking_more_seldom_is_no_event() -> None:
    async def act(screen: Screen) -> None:
        await screen.until("nothing is wrong")
        screen.app.every(5.0)
        screen.stage.states["worker@pi4"] = "failed"
        await screen.until("4/5 ready")
        await screen.type("e")
        text = await screen.until("worker@pi4 is failed")
        assert "unknown" not in text
        assert "is over" not in text

    played(act)


class OneNode:
    """A link on which sudo sets forwarding in the simulation."""

    def __init__(self, stage: Stage, node: str) -> None:
        self.node = node
        self.via = ""
        self._stage = stage
        self.ran = 0

    async def run(
        self, script: str, *, stdin: bytes = b"", timeout_s: float, most_bytes: int = ANSWER_BYTES
    ) -> Completed:
        if "sudo -n sysctl -w net.ipv4.ip_forward=1" in script:
            self.ran += 1
            self._stage.world.hosts[self.node].forwarding = True
            return Completed(b"net.ipv4.ip_forward = 1\n", b"", 0)
        return Completed(b"", b"", 0)


class Links:
    """Only mini3 can be reached."""

    def __init__(self, stage: Stage) -> None:
        self.mini3 = OneNode(stage, "mini3")

    async def get(self, node: str, lane: int = 0) -> OneNode:
        if node != "mini3":
            raise LinkError(node, "is not on the stage")
        return self.mini3

    def carried(self, node: str) -> frozenset[str]:
        return frozenset()

    async def close(self) -> None:
        pass


def test_fix_shows_the_commands_and_runs_them_when_told() -> None:
    async def act(screen: Screen) -> None:
        stage = screen.stage
        links = Links(stage)
        stage.links = links  # type: ignore[assignment]  # no node is to be connected to

        async def check(*_: object, **__: object) -> object:
            return stage.world.check()

        stage.check = check  # type: ignore[method-assign, assignment]
        stage.world.hosts["mini3"].forwarding = False
        stage.change()
        await screen.until("forwarding-off")
        await screen.type("F")
        text = await screen.until("on mini3: sudo sysctl -w net.ipv4.ip_forward=1", "undo:")
        assert "until the next boot" in text
        assert "y runs 1 command on mini3; esc runs nothing" in text
        await screen.type("enter", "F", "escape")  # whatever is typed but y
        await screen.until("Topology")
        assert links.mini3.ran == 0
        await screen.type("F")
        await screen.until("y runs 1 command on mini3")
        await screen.type("y")
        text = await screen.until("● mini3: sudo sysctl", "done", "To bring back", gone="y runs")
        assert "fleetctl fix --undo" in text
        assert links.mini3.ran == 1

    played(act)


def test_help_tells_keys_and_marks() -> None:
    async def act(screen: Screen) -> None:
        await screen.type("question_mark")
        await screen.until("start, stop, restart", "attach")
        await screen.type("end")
        await screen.until("✖", "failed, or cannot be reached")
        await screen.type("q")  # back, and not out
        await screen.until("Topology")

    played(act)


def first_run(*keys: str) -> str | None:
    async def body() -> str | None:
        app = WelcomeApp("there is no nodes.yaml", Path("nodes.yaml"))
        async with app.run_test(size=(80, 24)) as pilot:
            await pilot.press(*keys)
            await pilot.pause()
        return app.return_value

    return asyncio.run(asyncio.wait_for(body(), 20))


def test_a_first_run_offers_the_demo_and_an_example() -> None:
    assert first_run("enter") == "demo"
    assert first_run("down", "enter") == "example"
    assert first_run("down", "down", "enter") is None
    assert first_run("q") is None
