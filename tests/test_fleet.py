"""The service of both front ends, over simulated nodes: what it refuses, what it leaves if it is
interrupted, and how it is closed."""

from __future__ import annotations

import asyncio
from ipaddress import IPv4Address, IPv4Network
from typing import Any

import pytest
from msgspec.structs import replace

from fleetctl.errors import ConnectTimedOut, LaunchError
from fleetctl.launch.launcher import STRAGGLERS_WAIT_S
from fleetctl.launch.runner import DONE_ALREADY
from fleetctl.link.protocol import Link
from fleetctl.model.progress import Progress
from fleetctl.model.ready import Ready
from fleetctl.model.requirements import Requirement
from fleetctl.model.topology import SSH, Fleet, Network, Node
from fleetctl.port_holders import StartRefused
from fleetctl.service import Action
from tests.clock import jumping
from tests.launch.jobs import job, listen
from tests.scripted import says
from tests.simulated import FLEET, SimulatedFleet, ends, server

FABRIC = Network("fabric", IPv4Network("10.0.0.0/24"))
JOB = job(
    {"server": (["mini1"], []), "worker": (["pi4"], ["server"])},
    server={"listen": listen(), "ready": Ready("listening")},
)


def nodes() -> SimulatedFleet:
    """A server at 10.0.0.1, which listens after five seconds, and instances that need it."""
    addresses = {"mini1": "10.0.0.1", "pi4": "10.0.0.4", "pi5": "10.0.0.5"}
    fleet = Fleet(
        FLEET,
        {"fabric": FABRIC},
        {n: Node(n, SSH(n), addresses={"fabric": IPv4Address(a)}) for n, a in addresses.items()},
    )
    links = SimulatedFleet(list(addresses), fleet)
    links.node["mini1"].programs["server@mini1"] = server("10.0.0.1", 6000, after_s=5)
    return links


async def started(links: SimulatedFleet) -> None:
    """Start all of the job."""
    async with links.service(JOB) as service:
        assert not (await service.start(JOB.instances, lambda _: None).run()).bad


def states(action: Action) -> dict[str, str]:
    return {name: status.state for name, status in action.known.items()}


def changed(links: SimulatedFleet) -> list[str]:
    """The scripts that were run and change something."""
    return [
        f"{script.kind} {node.name}"
        for node in links.node.values()
        for script in node.scripts
        if script.kind in ("prepare", "stop")
    ]


def silent(*_: object) -> None:
    """A report that is ignored."""


# start


def test_a_start_succeeds_and_returns_each_status() -> None:
    async def body() -> None:
        links = nodes()
        told: list[Progress] = []
        async with links.service(JOB) as service:
            action = service.start(JOB.instances, told.append)
            result = await action.run()
        assert (result.stage, result.bad) == ("start", ())
        assert states(action) == {"server@mini1": "ready", "worker@pi4": "ready"}
        assert [p.instance for p in told if p.state == "ready"] == ["server@mini1", "worker@pi4"]

    jumping(body())


def test_a_start_that_the_network_would_break_is_refused() -> None:
    async def body() -> None:
        links = nodes()
        links.node["mini1"].told["interfaces"] = "[]\n" * 9  # so it has not its address
        async with links.service(JOB) as service:
            action = service.start(JOB.instances, silent)
            with pytest.raises(StartRefused) as refused:
                await action.run()
            assert [p.code for p in refused.value.problems] == ["address-missing"]
            assert changed(links) == []
            assert states(action) == {}
            anyhow = service.start(JOB.instances, silent, check=False)
            assert (await anyhow.run()).bad == ()

    jumping(body())


def test_what_is_done_needs_no_network() -> None:
    async def body() -> None:
        once = job({"server": (["mini1"], [])}, server={"listen": listen(), "once": True})
        links = nodes()
        links.node["mini1"].programs["server@mini1"] = ends(0)
        async with links.service(once) as service:
            await service.start(once.instances, silent).run()
            links.node["mini1"].told["interfaces"] = "[]\n" * 9  # so it has not its address
            result = await service.start(once.instances, silent).run()
            assert result.services["server@mini1"].reason == DONE_ALREADY
            with pytest.raises(StartRefused):
                await service.start(once.instances, silent, again=True).run()

    jumping(body())


def test_a_slow_node_delays_a_start_only_a_little() -> None:
    async def body() -> None:
        links = nodes()
        answer = links.node["pi5"].hold("look")
        async with links.service(JOB) as service:
            told: list[Progress] = []
            action = service.start(JOB.instances, told.append)
            result = await action.run()
            began_s = next(p.elapsed_s for p in told if p.state == "starting")
            assert result.bad == ()
            assert began_s < 1  # without the check before
            took_s = asyncio.get_running_loop().time()
            assert STRAGGLERS_WAIT_S + 5 < took_s < 2 * STRAGGLERS_WAIT_S + 5
            answer.set()

    jumping(body())


def test_a_lost_node_affects_only_its_instances() -> None:
    async def body() -> None:
        links = nodes()
        links.node["pi4"].unreachable = ConnectTimedOut("pi4", "no answer")
        async with links.service(JOB) as service:
            result = await service.start(JOB.instances, silent).run()
            assert result.bad == ("worker@pi4",)
            seen = await service.observe()
        found = {name: (status.state, status.reason) for name, status in seen.services.items()}
        assert found == {"server@mini1": ("ready", None), "worker@pi4": ("unknown", "no answer")}

    jumping(body())


# restart


def test_a_restart_stops_everything_and_then_starts_it() -> None:
    async def body() -> None:
        links = nodes()
        await started(links)
        before = {node.name: set(node.panes) for node in links.node.values()}
        for node in links.node.values():
            node.scripts.clear()
        async with links.service(JOB) as service:
            told: list[Progress] = []
            result = await service.restart(JOB.instances, told.append).run()
        assert (result.stage, result.bad) == ("start", ())
        assert [p.stage for p in told] == sorted((p.stage for p in told), reverse=True)
        assert sorted(changed(links)) == ["prepare mini1", "prepare pi4", "stop mini1", "stop pi4"]
        assert not any(set(node.panes) & before[node.name] for node in links.node.values())

    jumping(body())


def test_a_restart_that_does_not_stop_everything_starts_nothing() -> None:
    async def body() -> None:
        links = nodes()
        await started(links)
        for node in links.node.values():
            node.scripts.clear()
        links.node["pi4"].answers["stop"] = says("signalled 1\nkilled 1\nleft 77\n")
        async with links.service(JOB) as service:
            action = service.restart(JOB.instances, silent)
            result = await action.run()
        assert (result.stage, result.bad) == ("stop", ("worker@pi4",))
        assert states(action) == {"worker@pi4": "failed", "server@mini1": "stopped"}
        assert sorted(changed(links)) == ["stop mini1", "stop pi4"]

    jumping(body())


def test_instances_that_could_not_be_started_again_are_not_stopped() -> None:
    async def body() -> None:
        links = nodes()
        await started(links)
        for node in links.node.values():
            node.scripts.clear()
        links.node["mini1"].told["interfaces"] = "[]\n" * 9
        async with links.service(JOB) as service:
            with pytest.raises(StartRefused):
                await service.restart(JOB.instances, silent).run()
            assert changed(links) == []
            seen = await service.observe()
        assert {s.state for s in seen.services.values()} == {"ready"}

    jumping(body())


def test_nor_are_those_whose_node_lacks_what_the_job_requires() -> None:
    async def body() -> None:
        links = nodes()
        await started(links)
        for node in links.node.values():
            node.scripts.clear()
        links.node["pi4"].told["programs"] = "program uv -\n"
        needs = replace(JOB, requires=(Requirement("uv"),))
        async with links.service(needs) as service:
            with pytest.raises(
                StartRefused, match="because nodes lack what the job requires"
            ) as no:
                await service.restart(needs.instances, silent).run()
            assert [(p.code, p.node) for p in no.value.problems] == [("requirement-missing", "pi4")]
            assert changed(links) == []
            # what runs may go on, and a start has nothing to do there
            assert (await service.start(needs.instances, silent).run()).bad == ()

    jumping(body())


@pytest.mark.parametrize("lost", [True, False])
def test_nor_are_those_that_start_after_what_is_not_there(lost: bool) -> None:
    async def body() -> None:
        links = nodes()
        await started(links)
        one = JOB.instances
        worker = [i for i in one if i.service == "worker"]
        async with links.service(JOB) as service:
            if lost:
                links.node["mini1"].unreachable = ConnectTimedOut("mini1", "no answer")
            else:
                await service.stop([i for i in one if i not in worker], silent).run()
            for node in links.node.values():
                node.scripts.clear()
            how = r"unknown \(no answer\)" if lost else "stopped"
            why = rf"^worker@pi4: it is not stopped, for .*: server@mini1 is {how}"
            with pytest.raises(LaunchError, match=why):
                await service.restart(worker, silent).run()
            assert changed(links) == []

    jumping(body())


# cancelling and leaving


def test_statuses_are_known_after_a_start_was_cancelled() -> None:
    async def body() -> None:
        links = nodes()
        async with links.service(JOB) as service:
            action = service.start(JOB.instances, silent)
            running = asyncio.create_task(action.run())
            await links.node["mini1"].asked("unlock")
            await asyncio.sleep(2)
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running
            assert states(action) == {"server@mini1": "running", "worker@pi4": "waiting"}
            reasons = [status.reason for status in action.known.values()]
            assert reasons == [
                "does not listen on 10.0.0.1:6000 yet", "waits for server@mini1",
            ]  # fmt: skip
            await asyncio.sleep(5)
            again = (await service.observe()).services
        assert {name: s.state for name, s in again.items()} == {
            "server@mini1": "ready", "worker@pi4": "stopped",
        }  # fmt: skip

    jumping(body())


@pytest.mark.parametrize("stage", ["prepare", "tmux", "unlock"])
def test_closing_waits_until_nothing_is_half_done(stage: Any) -> None:
    async def body() -> None:
        links = nodes()
        mini1 = links.node["mini1"]
        go_on = mini1.hold(stage)
        link: Link = await links.get("mini1")
        closed_early: list[bool] = []

        def let_go() -> None:
            closed_early.append(link.closed)
            go_on.set()

        async with links.service(JOB) as service:
            running = asyncio.create_task(service.start(JOB.instances, silent).run())
            await mini1.asked(stage)
            asyncio.get_running_loop().call_later(0.2, let_go)
        assert closed_early == [False]
        assert link.closed
        assert running.cancelled()
        (pane,) = mini1.panes.values()
        assert (pane.instance, pane.dead) == ("server@mini1", False)
        assert not mini1.has(JOB.instances[0]).locked

    jumping(body())


def test_closing_does_not_wait_for_questions() -> None:
    async def body() -> None:
        links = nodes()
        links.node["pi5"].hold("look")
        began_s = asyncio.get_running_loop().time()
        before = asyncio.all_tasks()
        async with links.service(JOB) as service:
            running = asyncio.create_task(service.start(JOB.instances, silent).run())
            await links.node["pi5"].asked("look")
        assert asyncio.get_running_loop().time() == began_s
        assert not asyncio.all_tasks() - before - {running}  # nor leaves any behind
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        assert changed(links) == []

    jumping(body())
