"""A stop on simulated nodes: its order, and how the output of stop.sh is read."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from fleetctl.errors import ConnectTimedOut
from fleetctl.health.services import unknown_status
from fleetctl.launch.stopper import Stopper
from fleetctl.model.facts import Listener
from fleetctl.model.jobs import Instance, Stop
from fleetctl.model.plan import stop_order
from fleetctl.model.progress import Progress
from fleetctl.model.ready import Ready
from fleetctl.model.status import ServiceStatus
from tests.clock import jumping
from tests.launch.jobs import instance, job, listen
from tests.scripted import Script, says
from tests.simulated import FLEET, SimulatedFleet

ONE = instance(listen=listen(), ready=Ready("listening"), stop=Stop(grace_s=7))


class Stopping:
    """Running instances, each on its own node, to be stopped."""

    def __init__(self, *instances: Instance) -> None:
        self.links = SimulatedFleet(list(dict.fromkeys(i.node for i in instances)))
        self.told: list[Progress] = []
        for one in instances:
            if one.command is not None:
                self.runs(one)

    def runs(self, one: Instance) -> None:
        node = self.links.node[one.node]
        record = node.already_runs(one)
        if one.listen:
            pids = node.runs[record.run]
            node.listeners.append(Listener(str(one.listen.address), one.listen.port, pids, "it"))

    async def stop(self, *groups: Sequence[Instance]) -> dict[str, ServiceStatus]:
        stopper = Stopper(FLEET, self.links, self.links.status, self.told.append, began_s=0.0)
        return await stopper.stop(groups)

    def said(self, *parts: str | float, status: int = 0) -> None:
        """Let the stop script of ONE print something, and end nothing."""
        self.links.node["pi4"].answers["stop"] = says(*parts, status=status)


async def stop_one(stopping: Stopping) -> ServiceStatus:
    return (await stopping.stop([ONE]))[ONE.name]


# order


def test_dependents_are_stopped_before_what_they_need() -> None:
    three = job(
        {
            "server": (["mini1"], []),
            "worker": (["pi4", "pi5"], ["server"]),
            "view": (["mini1"], ["worker"]),
            "tablet": (["ipad"], []),
        },
        tablet={"command": None, "ready": Ready("connect", "10.0.0.9:1")},
    )

    async def body() -> None:
        stopping = Stopping(*three.instances)
        order: list[str] = []
        for node in stopping.links.node.values():
            stop = node.answers["stop"]

            async def answer(script: Script, stop: Any = stop) -> int:
                name = next(i.name for i in three.instances if f"instance={i.name} " in script.text)
                order.append(f"{name} begins")
                await asyncio.sleep(3 if name == "worker@pi4" else 1)
                order.append(f"{name} ends")
                return int(await stop(script))

            node.answers["stop"] = answer
        results = await stopping.stop(*stop_order(three, three.instances))
        assert order == [
            "view@mini1 begins", "view@mini1 ends",
            "worker@pi4 begins", "worker@pi5 begins", "worker@pi5 ends", "worker@pi4 ends",
            "server@mini1 begins", "server@mini1 ends",
        ]  # fmt: skip
        assert {name: status.state for name, status in results.items()} == dict.fromkeys(
            ["view@mini1", "worker@pi4", "worker@pi5", "server@mini1"], "stopped"
        )
        assert stopping.links.node["ipad"].scripts == []
        assert not any(node.panes for node in stopping.links.node.values())

    jumping(body())


def test_a_lost_node_does_not_keep_others_from_being_stopped() -> None:
    async def body() -> None:
        gone, cut, last = (instance(node=node) for node in ("gone", "cut", "last"))
        stopping = Stopping(gone, cut, last)
        stopping.links.node["gone"].unreachable = ConnectTimedOut("gone", "no answer")
        stopping.links.node["cut"].cut_at("stop")
        results = await stopping.stop([gone, cut], [last])
        assert {name: (s.state, s.reason) for name, s in results.items()} == {
            "worker@gone": ("unknown", "no answer"),
            "worker@cut": ("unknown", "the connection broke"),
            "worker@last": ("stopped", None),
        }
        assert [p.instance for p in stopping.told if p.state == "unknown"] == [gone.name, cut.name]

    jumping(body())


# what stop.sh says


def test_progress_is_reported_while_it_happens() -> None:
    async def body() -> None:
        stopping = Stopping(ONE)
        real = stopping.links.node["pi4"].answers["stop"]

        async def answer(script: Script) -> int:
            await says("signalled 3\n", 7.0, "kil", 0.5, "led 2\n")(script)
            return await real(script)

        stopping.links.node["pi4"].answers["stop"] = answer
        status = await stop_one(stopping)
        assert (status.state, status.exit_code) == ("stopped", 143)
        told = [(p.state, p.reason) for p in stopping.told]
        assert told == [
            ("ready", "TERM sent to 3 processes, which have 7 s to end"),
            ("ready", "KILL sent to 2 processes that did not end within 7 s"),
            ("ready", "TERM sent to 1 process, which has 7 s to end"),
            ("stopped", None),
        ]
        assert stopping.told[1].elapsed_s - stopping.told[0].elapsed_s == pytest.approx(7.5)

    jumping(body())


def test_an_instance_that_even_kill_does_not_end_has_failed() -> None:
    async def body() -> None:
        stopping = Stopping(ONE)
        stopping.said("signalled 2\n", "killed 2\n", "left 17 18\n")
        status = await stop_one(stopping)
        assert status.state == "failed"
        assert status.reason == "processes 17, 18 do not end, even by KILL"

    jumping(body())


def test_its_windows_are_closed_and_no_others() -> None:
    async def body() -> None:
        other = instance("other")
        stopping = Stopping(ONE, other)
        await stop_one(stopping)
        left = [pane.instance for pane in stopping.links.node["pi4"].panes.values()]
        assert left == ["other@pi4"]

    jumping(body())


@pytest.mark.parametrize("said", [[], ["signalled 1\n"], ["signalled 1\nleft"]])
def test_a_script_that_ends_early_is_a_failure(said: list[str]) -> None:
    async def body() -> None:
        stopping = Stopping(ONE)

        async def answer(script: Script) -> int:
            script.prints("".join(said))
            script.complains("sh: fork: Resource temporarily unavailable\n")
            return 2

        stopping.links.node["pi4"].answers["stop"] = answer
        status = await stop_one(stopping)
        assert status.state == "failed"
        assert status.reason == (
            "the stop script ended early: sh: fork: Resource temporarily unavailable"
        )
        stopping.said(*said, status=1)
        assert (await stop_one(stopping)).reason == "the stop script ended early: no output"

    jumping(body())


@pytest.mark.parametrize(
    ("said", "named"), [("unread 42\n", " (its record names process 42)"), ("unread\n", "")]
)
def test_a_process_list_that_cannot_be_read_is_a_failure(said: str, named: str) -> None:
    async def body() -> None:
        stopping = Stopping(ONE)

        async def answer(script: Script) -> int:
            script.prints(said)
            script.complains("sh: 1: Cannot fork\n")
            return 2

        stopping.links.node["pi4"].answers["stop"] = answer
        status = await stop_one(stopping)
        assert status.state == "failed"
        assert status.reason == (
            f"whether its processes on pi4 have ended is not known{named}: sh: 1: Cannot fork"
        )

    jumping(body())


@pytest.mark.parametrize(("answered", "state"), [(True, "stopped"), (False, "unknown")])
def test_what_is_unknown_is_stopped_where_the_node_answers(answered: bool, state: str) -> None:
    """Such as an instance with a damaged record."""

    async def body() -> None:
        stopping = Stopping(ONE)

        async def known(one: Instance) -> ServiceStatus:
            return unknown_status(one, "its record is damaged")

        stopper = Stopper(
            FLEET, stopping.links, known, stopping.told.append, answered=lambda _: answered
        )
        assert (await stopper.stop([[ONE]]))[ONE.name].state == state
        assert len(stopping.links.node["pi4"].of("stop")) == answered

    jumping(body())


def test_waiting_for_a_silent_script_ends() -> None:
    async def body() -> None:
        stopping = Stopping(ONE)
        stopping.said("signalled 1\n", 3000.0)
        status = await stop_one(stopping)
        assert (status.state, status.reason) == ("unknown", "nothing came within 37 s")

    jumping(body())


def test_a_node_that_never_stops_talking_is_given_up() -> None:
    async def body() -> None:
        stopping = Stopping(ONE)
        stopping.said(*[part for _ in range(500) for part in ("killed 1\nyes yes\n" * 9, 1.0)])
        status = await stop_one(stopping)
        reason = "its stop on the node did not end within 74 s"
        assert (status.state, status.reason) == ("unknown", reason)

    jumping(body())


def test_a_mistake_of_ours_is_told_of_its_instance_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    other = instance("other", node="pi5", stop=Stop(grace_s=7))

    async def body() -> None:
        stopping = Stopping(ONE, other)

        def fails(_: object) -> None:
            raise ZeroDivisionError("secret")

        stopping.links.node["pi4"].answers["stop"] = fails  # type: ignore[assignment]
        found = await stopping.stop([ONE, other])
        assert (found[ONE.name].state, found[other.name].state) == ("unknown", "stopped")
        assert "a mistake in fleetctl (ZeroDivisionError" in str(found[ONE.name].reason)

    jumping(body())


def test_tmux_that_refuses_to_close_a_window_is_a_failure() -> None:
    async def body() -> None:
        stopping = Stopping(ONE)

        async def refuses(script: Script) -> int:
            script.complains("error connecting to /tmp/tmux-1/fleetctl (Permission denied)\n")
            return 1

        stopping.links.node["pi4"].answers["tmux"] = refuses
        status = await stop_one(stopping)
        assert status.state == "failed"
        assert "Permission denied" in (status.reason or "")

    jumping(body())


# what remains


def test_a_port_that_another_process_has_now_is_a_failure() -> None:
    async def body() -> None:
        stopping = Stopping(ONE)
        pi4 = stopping.links.node["pi4"]
        pi4.listeners.append(Listener("0.0.0.0", 6000, (9,), "escaped"))
        status = await stop_one(stopping)
        assert status.state == "failed"
        assert status.reason == (
            "its processes are gone, but escaped still listens on 0.0.0.0:6000"
        )

    jumping(body())


def test_a_port_that_it_never_had_does_not_count() -> None:
    async def body() -> None:
        stopping = Stopping(ONE)
        stopping.links.node["pi4"].listeners[:] = [Listener("10.0.0.1", 6000, (9,), "nginx")]
        assert (await stop_one(stopping)).state == "stopped"

    jumping(body())


def test_a_port_of_which_nothing_is_known_is_a_failure() -> None:
    async def body() -> None:
        stopping = Stopping(ONE)
        pi4 = stopping.links.node["pi4"]
        real = pi4.probe

        def probe(name: str) -> tuple[str, int] | None:
            return ("sh: ss: not found\n", 127) if name == "listeners" else real(name)

        pi4.probe = probe  # type: ignore[method-assign]  # without ss
        status = await stop_one(stopping)
        assert status.state == "failed"
        assert status.reason == (
            "its processes are gone, but whether its port :6000 is free is not known: "
            "sh: ss: not found (exit status 127)"
        )

    jumping(body())


def test_a_tmux_server_that_is_exiting_is_asked_again() -> None:
    """It has just lost its last window, and does not list windows."""

    async def body() -> None:
        stopping = Stopping(ONE)
        pi4 = stopping.links.node["pi4"]
        real = pi4.probe

        def probe(name: str) -> tuple[str, int] | None:
            leaving = name == "tmux" and pi4.of("tmux") and len(pi4.of("look")) == 2
            return ("server exited unexpectedly\ntmux 3.3a\n", 1) if leaving else real(name)

        pi4.probe = probe  # type: ignore[method-assign]  # for one answer
        assert (await stop_one(stopping)).state == "stopped"
        assert len(pi4.of("look")) == 3

    jumping(body())


def test_an_instance_without_a_record_is_stopped() -> None:
    async def body() -> None:
        stopping = Stopping()
        stopping.links = SimulatedFleet(["pi4"])
        assert (await stop_one(stopping)).state == "stopped"

    jumping(body())
