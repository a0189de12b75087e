"""A start on simulated nodes: its order, what waits for what, and the reported progress."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address
from typing import Any

import pytest

from fleetctl.errors import ConnectTimedOut
from fleetctl.launch.node_files import NO_WORKDIR
from fleetctl.launch.runner import LOCK_WAIT_S, Runner
from fleetctl.launch.secrets import Secrets
from fleetctl.model.facts import Listener
from fleetctl.model.jobs import Instance, Job, Until
from fleetctl.model.plan import plan
from fleetctl.model.progress import Progress
from fleetctl.model.ready import Ready
from fleetctl.model.status import ServiceStatus
from tests.clock import jumping
from tests.launch.jobs import Shape, job, listen
from tests.scripted import Script, says
from tests.simulated import FLEET, Process, SimulatedFleet, ends, server

ADDRESS = "10.0.0.1"
LISTENING: dict[str, Any] = {"listen": listen(), "ready": Ready("listening")}
TWO = job({"server": (["mini1"], []), "worker": (["pi4", "pi5"], ["server"])}, server=LISTENING)


class Start:
    """A start of a job or a part of it, and its reported progress."""

    def __init__(self, links: SimulatedFleet, of: Job, only: Iterable[str] = (), **more: Any):
        self.told: list[Progress] = []
        chosen = [i for i in of.instances if not only or i.name in only]
        self.steps = plan(of, chosen)
        self.runner = Runner(
            FLEET, links, links.status, Secrets(chosen), self.told.append, began_s=0.0, **more
        )

    async def run(self) -> Mapping[str, ServiceStatus]:
        return await self.runner.start(self.steps)

    def states(self) -> dict[str, str]:
        return {name: status.state for name, status in self.runner.statuses.items()}

    def reasons(self) -> dict[str, str | None]:
        return {name: status.reason for name, status in self.runner.statuses.items()}

    def first(self, instance: str, state: str) -> float:
        """When a state of an instance was first reported."""
        return next(p.elapsed_s for p in self.told if (p.instance, p.state) == (instance, state))


def nodes(of: Job) -> SimulatedFleet:
    """The nodes of a job; its server listens after five seconds."""
    links = SimulatedFleet(list(dict.fromkeys(i.node for i in of.instances)))
    if "mini1" in links.node:
        links.node["mini1"].programs["server@mini1"] = server(ADDRESS, 6000, after_s=5)
    return links


def named(of: Job, name: str) -> Instance:
    return next(i for i in of.instances if i.name == name)


# order


def test_each_begins_when_what_it_needs_is_ready_and_not_before() -> None:
    async def body() -> None:
        links = nodes(TWO)
        start = Start(links, TWO)
        await start.run()
        assert set(start.states().values()) == {"ready"}
        assert 5 <= start.first("server@mini1", "ready") < 7
        for worker in ("worker@pi4", "worker@pi5"):
            assert start.first("server@mini1", "ready") <= start.first(worker, "starting")
            told = [(p.state, p.reason) for p in start.told if p.instance == worker]
            assert told[0] == ("waiting", "waits for server@mini1")
            assert [state for state, _ in told] == ["waiting", "starting", "running", "ready"]

    jumping(body())


def after(until: Until, **more: dict[str, Any]) -> Job:
    """A server and a worker that waits for it in this way."""
    shape: Shape = {"server": (["mini1"], []), "worker": (["pi4"], ["server"])}
    return job(shape, worker={"until": {"server": until}}, **more)


def test_one_that_waits_until_another_has_started_does_not_wait_until_that_is_ready() -> None:
    early = after("started", server=LISTENING)

    async def body() -> None:
        start = Start(nodes(early), early)
        await start.run()
        assert set(start.states().values()) == {"ready"}
        began = start.first("worker@pi4", "starting")
        assert start.first("server@mini1", "running") <= began < 2
        assert start.first("server@mini1", "ready") >= 5

    jumping(body())


def test_one_that_waits_until_another_has_exited_waits_as_long_as_that_runs() -> None:
    late = after("exited-ok")

    async def body() -> None:
        links = nodes(late)
        links.node["mini1"].programs["server@mini1"] = ends(0, after_s=20)
        start = Start(links, late)
        await start.run()
        assert start.first("server@mini1", "ready") < 5
        assert start.first("worker@pi4", "starting") >= 20
        assert start.states() == {"server@mini1": "exited", "worker@pi4": "ready"}

    jumping(body())


ONCE = job(
    {"fetch": (["mini1"], []), "train": (["pi4"], ["fetch"])},
    fetch={"once": True},
    train={"once": True, "until": {"fetch": "exited-ok"}},
)


def ended(links: SimulatedFleet, **codes: int) -> None:
    """Let the programs of services end with exit codes, after ten seconds."""
    for service, code in codes.items():
        for instance in ONCE.services[service].instances:
            links.node[instance.node].programs[instance.name] = ends(code, after_s=10)


def test_what_is_done_is_started_only_again() -> None:
    async def body() -> None:
        links = nodes(ONCE)
        ended(links, fetch=0, train=3)
        await Start(links, ONCE).run()
        await asyncio.sleep(20)
        assert (await links.status(ONCE.instances[1])).state == "failed"
        ended(links, train=0)
        began_s = asyncio.get_running_loop().time()
        second = Start(links, ONCE)
        await second.run()
        assert second.told[0].state == "exited"
        assert second.reasons()["fetch@mini1"] == "done already; --again runs it once more"
        # it had failed, and waits for nothing
        assert second.first("train@pi4", "ready") < began_s + 3
        await asyncio.sleep(20)
        assert (await links.status(ONCE.instances[1])).state == "exited"
        third = Start(links, ONCE, again=True)
        await third.run()
        fetched_s = third.first("fetch@mini1", "exited")
        assert third.first("train@pi4", "starting") >= fetched_s
        assert fetched_s >= third.first("fetch@mini1", "starting") + 10
        assert [len(node.of("prepare")) for node in links.node.values()] == [2, 3]

    jumping(body())


def test_how_it_ended_is_forgotten_before_its_turn_comes() -> None:
    """Who waits for the end of a job must not take that of its last run for it."""

    async def body() -> None:
        links = nodes(ONCE)
        ended(links, fetch=0, train=0)
        await Start(links, ONCE).run()
        await asyncio.sleep(20)
        assert (await links.status(ONCE.instances[1])).state == "exited"
        again = asyncio.create_task(Start(links, ONCE, again=True).run())
        await asyncio.sleep(5)
        assert (await links.status(ONCE.instances[0])).state == "ready"
        assert (await links.status(ONCE.instances[1])).state == "stopped"
        await again

    jumping(body())


def test_one_that_waits_until_another_has_exited_is_not_started_after_it_failed() -> None:
    late = after("exited-ok")

    async def body() -> None:
        links = nodes(late)
        links.node["mini1"].programs["server@mini1"] = ends(3, after_s=30)
        start = Start(links, late)
        await start.run()
        assert start.reasons()["worker@pi4"] == "server@mini1 is failed (exit code 3)"
        assert links.node["pi4"].of("prepare") == []

    jumping(body())


def test_what_has_started_and_failed_while_others_were_waited_for_does_not_do() -> None:
    shape: Shape = {
        "setup": (["pi5"], []),
        "server": (["mini1"], []),
        "worker": (["pi4"], ["server", "setup"]),
    }
    both = job(
        shape, server=LISTENING, worker={"until": {"server": "started", "setup": "exited-ok"}}
    )

    async def body() -> None:
        links = nodes(both)
        links.node["mini1"].programs["server@mini1"] = ends(3, after_s=5)
        links.node["pi5"].programs["setup@pi5"] = ends(0, after_s=15)
        start = Start(links, both)
        await start.run()
        assert start.reasons()["worker@pi4"] == "server@mini1 is failed (exit code 3)"
        assert links.node["pi4"].of("prepare") == []

    jumping(body())


def test_what_has_started_long_ago_is_not_waited_for() -> None:
    early = after("started", server=LISTENING)

    async def body() -> None:
        links = nodes(early)
        links.node["mini1"].already_runs(named(early, "server@mini1"))
        start = Start(links, early, only={"worker@pi4"})
        await start.run()
        assert start.first("worker@pi4", "ready") < 3

    jumping(body())


def test_instances_without_dependencies_start_in_parallel() -> None:
    shape: Shape = {name: (["mini1"], []) for name in "abcd"}
    many = job({**shape, "e": (["pi4"], [])})

    async def body() -> None:
        links = nodes(many)
        for node in links.node.values():
            node.late_s["prepare"] = 2.0
        start = Start(links, many)
        await start.run()
        assert set(start.states().values()) == {"ready"}
        assert max(p.elapsed_s for p in start.told) < 8

    jumping(body())


def test_a_running_instance_is_not_started_again() -> None:
    async def body() -> None:
        links = nodes(TWO)
        links.node["pi4"].already_runs(named(TWO, "worker@pi4"))
        start = Start(links, TWO)
        await start.run()
        assert set(start.states().values()) == {"ready"}
        assert start.first("worker@pi4", "ready") < 1  # it waits for nothing
        assert links.node["pi4"].of("prepare") == []

    jumping(body())


def test_a_dependency_that_another_controller_starts_is_waited_for() -> None:
    async def body() -> None:
        links = nodes(TWO)
        start = Start(links, TWO, only={"worker@pi4"})
        other = asyncio.create_task(Start(links, TWO, only={"server@mini1"}).run())
        await links.node["mini1"].asked("unlock")
        await start.run()
        assert start.first("worker@pi4", "starting") >= 5
        assert start.states()["worker@pi4"] == "ready"
        await other

    jumping(body())


def test_a_dependency_that_is_not_started_leaves_its_dependents_waiting() -> None:
    async def body() -> None:
        links = nodes(TWO)
        start = Start(links, TWO, only={"worker@pi4"})
        await start.run()
        assert start.states()["worker@pi4"] == "waiting"
        assert start.reasons()["worker@pi4"] == "server@mini1 is stopped"
        assert links.node["pi4"].of("prepare") == []

    jumping(body())


def test_an_instance_that_did_its_work_counts_as_ready() -> None:
    once = job({"fetch": (["mini1"], []), "train": (["pi4"], ["fetch"])})

    async def body(code: int) -> Start:
        links = nodes(once)
        links.node["mini1"].programs["fetch@mini1"] = ends(code, after_s=0.5)
        start = Start(links, once)
        await start.run()
        return start

    assert jumping(body(0)).states() == {"fetch@mini1": "exited", "train@pi4": "ready"}
    assert jumping(body(1)).states() == {"fetch@mini1": "failed", "train@pi4": "waiting"}


# what goes wrong


FOUR = job({"worker": (["pi4", "pi5"], []), "view": (["mini1"], ["worker"])})


@pytest.mark.parametrize(
    ("failing", "elastic", "view"),
    [
        (["worker@pi4"], False, "waiting"),
        (["worker@pi4"], True, "ready"),
        (["worker@pi4", "worker@pi5"], True, "waiting"),
    ],
)
def test_an_elastic_job_goes_on_with_what_is_there(
    failing: list[str], elastic: bool, view: str
) -> None:
    async def body() -> None:
        links = nodes(FOUR)
        for name in failing:
            links.node[name.partition("@")[2]].programs[name] = ends(3)
        start = Start(links, FOUR, elastic=elastic)
        await start.run()
        assert start.states()["view@mini1"] == view
        assert {start.states()[name] for name in failing} == {"failed"}

    jumping(body())


def test_nothing_is_started_on_a_node_that_lacks_a_program() -> None:
    async def lacks(instance: Instance) -> str:
        return "pi4 lacks what the job requires: uv" if instance.node == "pi4" else ""

    async def body() -> None:
        start = Start(nodes(TWO), TWO, lacks=lacks)
        await start.run()
        assert start.states() == {
            "server@mini1": "ready", "worker@pi4": "failed", "worker@pi5": "ready",
        }  # fmt: skip
        assert start.reasons()["worker@pi4"] == "pi4 lacks what the job requires: uv"
        assert not start.first("worker@pi4", "failed")  # at once, not after the server

    jumping(body())


def test_what_is_left_out_says_why_and_is_not_waited_for() -> None:
    async def body() -> None:
        start = Start(nodes(FOUR), FOUR, elastic=True, left_out={"worker@pi4": "it has no route"})
        await start.run()
        assert start.states() == {
            "worker@pi4": "waiting", "worker@pi5": "ready", "view@mini1": "ready",
        }  # fmt: skip
        assert start.reasons()["worker@pi4"] == "left out: it has no route"

    jumping(body())


def test_what_can_never_start_is_not_waited_for() -> None:
    """Of several needs one fails at once, while the one before it would take its time."""
    of = job({"slow": (["mini1"], []), "bad": (["pi4"], []), "last": (["pi5"], ["slow", "bad"])},
             slow={"ready": Ready("delay", "50", timeout_s=100)})  # fmt: skip

    async def body() -> None:
        links = nodes(of)
        links.node["pi4"].programs["bad@pi4"] = ends(3)
        start = Start(links, of)
        await start.run()
        assert start.states() == {"slow@mini1": "ready", "bad@pi4": "failed", "last@pi5": "waiting"}
        [told] = [
            p for p in start.told if p.instance == "last@pi5" and "bad@pi4 is" in str(p.reason)
        ]
        assert told.elapsed_s < 10

    jumping(body())


def test_dependents_of_a_failed_instance_wait_and_say_why() -> None:
    three = job(
        {"server": (["mini1"], []), "worker": (["pi4"], ["server"]), "view": (["pi5"], ["worker"])},
        server=LISTENING,
    )

    async def body() -> None:
        links = nodes(three)
        links.node["mini1"].programs["server@mini1"] = ends(3, after_s=2)
        start = Start(links, three)
        await start.run()
        assert start.states() == {
            "server@mini1": "failed", "worker@pi4": "waiting", "view@pi5": "waiting",
        }  # fmt: skip
        assert start.reasons() == {
            "server@mini1": "exit code 3",
            "worker@pi4": "server@mini1 is failed (exit code 3)",
            "view@pi5": "worker@pi4 is waiting",
        }
        assert links.node["pi4"].of("prepare") == links.node["pi5"].of("prepare") == []

    jumping(body())


def test_a_refusal_has_a_hint_and_leaves_nothing_behind() -> None:
    async def body() -> None:
        links = nodes(TWO)
        mini1, pi4 = links.node["mini1"], links.node["pi4"]
        mini1.listeners.append(Listener(ADDRESS, 6000, (77,), "nginx"))
        pi4.answers["prepare"] = says(status=NO_WORKDIR)
        start = Start(links, TWO)
        await start.run()
        assert start.states()["server@mini1"] == "failed"
        said = start.reasons()["server@mini1"] or ""
        assert said.startswith("port 6000 on mini1 is taken by nginx (pid 77, user root)")
        assert said.endswith("End it, or give the service another port in nodes.yaml.")
        begun = mini1.has(named(TWO, "server@mini1"))
        assert (begun.spec, begun.locked, mini1.panes) == ("", False, {})

    jumping(body())


@pytest.mark.parametrize("when", ["never reached", "lost in a birth", "lost afterwards"])
def test_a_lost_node_affects_its_instances_and_those_that_wait_for_them(when: str) -> None:
    four = job(
        {
            "server": (["mini1"], []),
            "other": (["mini1"], []),
            "worker": (["pi4"], ["server"]),
            "free": (["pi4", "pi5"], []),
        },
        server=LISTENING,
    )

    async def body() -> None:
        links = nodes(four)
        mini1 = links.node["mini1"]
        why = ConnectTimedOut("mini1", "no answer from 10.0.0.1 within 10 s")
        match when:
            case "never reached":
                mini1.unreachable = why
            case "lost in a birth":
                mini1.cut_at("tmux")
            case "lost afterwards":
                mini1.cut_at("look", after=6)
        start = Start(links, four)
        await start.run()
        assert start.states()["server@mini1"] == "unknown"
        assert start.states()["worker@pi4"] == "waiting"
        reason = why.reason if when == "never reached" else "the connection broke"
        assert start.reasons()["worker@pi4"] == f"server@mini1 is unknown ({reason})"
        assert start.states()["free@pi4"] == start.states()["free@pi5"] == "ready"
        assert max(start.first(f"free@{node}", "ready") for node in ("pi4", "pi5")) < 5

    jumping(body())


# paths


def test_a_path_that_opens_is_waited_for() -> None:
    async def body() -> None:
        links = nodes(TWO)
        pi4 = links.node["pi4"]
        closed = True

        async def answer(script: Script) -> int:
            assert ADDRESS in script.text
            return 1 if closed else 0

        pi4.answers["path"] = answer
        start = Start(links, TWO)
        running = asyncio.create_task(start.run())
        await pi4.asked("path", times=9)
        assert start.states()["worker@pi5"] == "ready"
        assert start.states()["worker@pi4"] == "waiting"
        reason = f"no path from pi4 to {ADDRESS} and back (server@mini1)"
        assert start.reasons()["worker@pi4"] == reason
        closed = False
        await running
        assert start.states()["worker@pi4"] == "ready"

    jumping(body())


def test_each_waits_for_the_address_that_it_will_use() -> None:
    shape: Shape = {"server": (["mini1"], []), "worker": (["pi4"], ["server"])}
    cable = {"server@mini1": listen(address="10.0.1.1")}
    of = job(shape, server=LISTENING, worker={"endpoints": cable})

    async def body() -> None:
        links = nodes(of)
        links.node["pi4"].answers["path"] = says(status=1)
        run = Start(links, of)
        running = asyncio.create_task(run.run())
        await links.node["pi4"].asked("path", times=2)
        assert run.reasons()["worker@pi4"] == "no path from pi4 to 10.0.1.1 and back (server@mini1)"
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    jumping(body())


def test_the_ways_to_peers_are_waited_for_until_the_deadline() -> None:
    far = IPv4Address("10.0.2.4")
    of = job({"peer": (["pi4"], [])}, peer={"peers": {"pi5": far}})

    async def body() -> None:
        links = nodes(of)
        pi4 = links.node["pi4"]
        pi4.answers["path"] = says(status=1)
        start = Start(links, of)
        await start.run()
        assert start.states() == {"peer@pi4": "waiting"}
        assert start.reasons()["peer@pi4"] == f"no path from pi4 to {far} and back (peer@pi5)"
        assert start.runner.statuses["peer@pi4"].started_at is None
        pi4.answers["path"] = says(status=0)
        again = Start(links, of)
        await again.run()
        assert again.states() == {"peer@pi4": "ready"}

    jumping(body())


def test_waiting_for_a_path_ends_with_what_is_at_its_other_end() -> None:
    async def body() -> None:
        links = nodes(TWO)

        async def short(process: Process) -> int:
            process.listens(ADDRESS, 6000)
            await asyncio.sleep(5)
            return 3

        links.node["mini1"].programs["server@mini1"] = short
        links.node["pi4"].answers["path"] = says(status=1)
        start = Start(links, TWO)
        statuses = await start.run()
        assert start.reasons()["worker@pi4"] == "server@mini1 is failed (exit code 3)"
        assert statuses["server@mini1"].state == "failed"
        assert statuses["worker@pi4"].state == "waiting"
        assert asyncio.get_running_loop().time() < 15

    jumping(body())


def test_waiting_for_a_path_outlasts_a_node_that_is_lost() -> None:
    async def body() -> None:
        links = nodes(TWO)
        mini1 = links.node["mini1"]
        closed = True

        async def answer(script: Script) -> int:
            return 1 if closed else 0

        links.node["pi4"].answers["path"] = answer
        start = Start(links, TWO)
        running = asyncio.create_task(start.run())
        await links.node["pi4"].asked("path", times=2)
        mini1.cut_at("look")
        await links.node["pi4"].asked("path", times=9)
        assert not running.done()
        closed = False
        await running
        assert start.states()["worker@pi4"] == "ready"

    jumping(body())


def test_waiting_for_a_path_ends_after_the_ready_timeout() -> None:
    async def body() -> None:
        late = job(
            {"server": (["mini1"], []), "worker": (["pi4"], ["server"])},
            server=LISTENING,
            worker={"ready": Ready("alive", timeout_s=20)},
        )
        links = nodes(late)
        links.node["pi4"].answers["path"] = says(status=1)
        start = Start(links, late)
        await start.run()
        assert start.states()["worker@pi4"] == "waiting"
        reason = f"no path from pi4 to {ADDRESS} and back (server@mini1)"
        assert start.reasons()["worker@pi4"] == reason
        assert 25 < asyncio.get_running_loop().time() < 35
        assert links.node["pi4"].of("prepare") == []

    jumping(body())


@pytest.mark.parametrize("why", ["not wanted", "same node", "loopback"])
def test_when_no_path_is_checked(why: str) -> None:
    address = "127.0.0.1" if why == "loopback" else ADDRESS
    node = "mini1" if why == "same node" else "pi4"
    shape = job(
        {"server": (["mini1"], []), "worker": ([node], ["server"])},
        server={"listen": listen(address=address), "ready": Ready("listening")},
    )

    async def body() -> None:
        links = nodes(shape)
        links.node["mini1"].programs["server@mini1"] = server(address, 6000)
        links.node[node].answers["path"] = says(status=1)
        start = Start(links, shape, check_paths=why != "not wanted")
        await start.run()
        assert set(start.states().values()) == {"ready"}
        assert links.node[node].of("path") == []

    jumping(body())


# what is started by hand

BY_HAND = job(
    {"tablet": (["ipad"], []), "worker": (["pi4"], ["tablet"])},
    tablet={"command": None, "ready": Ready("connect", "10.0.0.9:8080", timeout_s=30)},
)


def test_what_is_started_by_hand_is_waited_for() -> None:
    async def body() -> None:
        links = nodes(BY_HAND)
        start = Start(links, BY_HAND)
        running = asyncio.create_task(start.run())
        await asyncio.sleep(10)
        assert start.states() == {"tablet@ipad": "waiting", "worker@pi4": "waiting"}
        reason = "waits for 10.0.0.9:8080 on ipad, which is started by hand"
        assert start.reasons()["tablet@ipad"] == reason
        links.here.servers["10.0.0.9", 8080] = lambda _: None
        await running
        assert start.states() == {"tablet@ipad": "ready", "worker@pi4": "ready"}
        assert links.node["ipad"].scripts == []

    jumping(body())


def test_waiting_for_what_is_started_by_hand_ends_after_its_timeout() -> None:
    async def body() -> None:
        start = Start(nodes(BY_HAND), BY_HAND)
        await start.run()
        assert start.states() == {"tablet@ipad": "waiting", "worker@pi4": "waiting"}
        assert start.reasons()["worker@pi4"] == "tablet@ipad is waiting"
        assert 30 < asyncio.get_running_loop().time() < 32

    jumping(body())


# cancelling


def test_a_cancelled_start_lets_running_instances_run_and_reports_them() -> None:
    async def body() -> None:
        shape = job(
            {"server": (["mini1"], []), "fast": (["pi5"], []), "worker": (["pi4"], ["server"])},
            server=LISTENING,
        )
        links = nodes(shape)
        start = Start(links, shape)
        running = asyncio.create_task(start.run())
        await asyncio.sleep(3)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert start.states() == {
            "server@mini1": "running", "fast@pi5": "ready", "worker@pi4": "waiting",
        }  # fmt: skip
        await asyncio.sleep(10)
        after = {i.name: (await links.status(i)).state for i in shape.instances}
        assert after == {"server@mini1": "ready", "fast@pi5": "ready", "worker@pi4": "stopped"}

    jumping(body())


@pytest.mark.parametrize("stage", ["prepare", "tmux", "unlock"])
def test_a_begun_start_of_an_instance_is_finished(stage: Any) -> None:
    async def body() -> None:
        one = job({"worker": (["pi4"], [])})
        links = nodes(one)
        pi4 = links.node["pi4"]
        go_on = pi4.hold(stage)
        start = Start(links, one)
        running = asyncio.create_task(start.run())
        await pi4.asked(stage)
        for _ in range(3):  # even if the user cancels again
            running.cancel()
            await asyncio.sleep(0)
        assert not running.done()
        go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await running
        worker = one.instances[0]
        (pane,) = pi4.panes.values()
        assert (pane.instance, pane.dead) == ("worker@pi4", False)
        assert not pi4.has(worker).locked
        assert (await links.status(worker)).state == "running"
        assert start.states() == {"worker@pi4": "starting"}

    jumping(body())


# another controller


def test_the_lock_of_another_controller_is_waited_for() -> None:
    async def body() -> None:
        one = job({"worker": (["pi4"], [])})
        links = nodes(one)
        begun = links.node["pi4"].has(one.instances[0])
        begun.locked = True
        start = Start(links, one)
        running = asyncio.create_task(start.run())
        await links.node["pi4"].asked("prepare", times=20)
        assert start.states() == {"worker@pi4": "starting"}
        assert start.reasons() == {"worker@pi4": "another fleetctl is starting or stopping it"}
        assert links.node["pi4"].of("tmux") == []
        begun.locked = False
        await running
        assert start.states() == {"worker@pi4": "ready"}
        assert start.reasons() == {"worker@pi4": None}

    jumping(body())


def test_waiting_for_the_lock_of_another_controller_ends() -> None:
    async def body() -> None:
        one = job({"worker": (["pi4"], [])})
        links = nodes(one)
        links.node["pi4"].has(one.instances[0]).locked = True
        start = Start(links, one)
        await start.run()
        assert start.states() == {"worker@pi4": "failed"}
        assert start.reasons() == {
            "worker@pi4": f"another fleetctl has been starting or stopping it for {LOCK_WAIT_S:g} "
            "s. See what that one says, or where it hangs."
        }
        assert LOCK_WAIT_S < asyncio.get_running_loop().time() < LOCK_WAIT_S + 1

    jumping(body())


def test_two_controllers_start_it_once() -> None:
    async def body() -> None:
        one = job({"worker": (["pi4"], [])})
        links = nodes(one)
        both = [Start(links, one), Start(links, one)]
        await asyncio.gather(*(start.run() for start in both))
        assert [start.states() for start in both] == [{"worker@pi4": "ready"}] * 2
        assert len(links.node["pi4"].panes) == 1

    jumping(body())
