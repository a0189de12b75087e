"""Waiting until a started instance is ready, on a simulated node."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import groupby, pairwise
from typing import Any

import pytest
from msgspec.structs import replace

from fleetctl.errors import LinkHung, LinkLost
from fleetctl.launch.birth import Birth
from fleetctl.launch.secrets import Secrets
from fleetctl.launch.settling import STOPPED_MEANWHILE, Settling
from fleetctl.launch.stopper import Stopper
from fleetctl.model.jobs import Instance, Restart
from fleetctl.model.liveness import Liveness
from fleetctl.model.ready import Ready
from fleetctl.model.status import ServiceStatus
from tests.clock import jumping
from tests.launch.jobs import instance, listen
from tests.scripted import Script, says
from tests.simulated import FLEET, Process, Program, SimulatedFleet, SimulatedNode, ends, forever
from tests.simulated import server as listening


class Waited:
    """Waits for an instance that was just started, and keeps its statuses."""

    def __init__(self, of: Instance) -> None:
        self.instance = of
        self.links = SimulatedFleet(["pi4"])
        self.seen: list[ServiceStatus] = []
        self.took_s = 0.0

    @property
    def node(self) -> SimulatedNode:
        return self.links.node["pi4"]

    async def wait(self, program: Program = forever) -> ServiceStatus:
        self.node.programs[self.instance.name] = program
        birth = Birth(FLEET, await self.links.get("pi4"), Secrets([]))
        assert await birth.start(self.instance)
        birth.close()
        return await self.again()

    async def again(self) -> ServiceStatus:
        """Wait as another controller does, while it runs already."""
        began_s = asyncio.get_running_loop().time()
        status = await Settling(FLEET, self.instance, self.links, self.seen.append).wait()
        self.took_s = asyncio.get_running_loop().time() - began_s
        return status

    @property
    def states(self) -> list[str]:
        """The states that were seen, without repetitions."""
        return [state for state, _ in groupby(status.state for status in self.seen)]


def worker(ready: Ready, **more: Any) -> Instance:
    return instance(ready=ready, **more)


# an answer that was cut


@pytest.mark.parametrize("missing", ["tmux", "records"])
def test_an_answer_that_was_cut_is_asked_again(missing: str) -> None:
    async def body() -> None:
        waited = Waited(worker(Ready("delay", "5")))
        probe, asked = waited.node.probe, 0

        def torn(name: str) -> tuple[str, int] | None:
            nonlocal asked
            asked += name == missing
            return None if name == missing and asked < 4 else probe(name)

        waited.node.probe = torn  # type: ignore[method-assign]
        assert (await waited.wait()).state == "ready"
        assert waited.states == ["unknown", "running", "ready"]

    jumping(body())


# each condition


def test_ready_by_listening() -> None:
    async def body() -> None:
        waited = Waited(worker(Ready("listening"), listen=listen()))
        status = await waited.wait(listening("10.0.0.1", 6000, after_s=7))
        assert (status.state, status.listening) == ("ready", ("10.0.0.1:6000",))
        assert waited.states == ["running", "ready"]
        assert 7 <= waited.took_s < 8
        assert waited.seen[0].reason == "does not listen on 10.0.0.1:6000 yet"

    jumping(body())


def test_ready_by_a_line_of_the_log() -> None:
    async def prints(process: Process) -> int:
        process.prints("almost rea")
        await asyncio.sleep(6)
        process.prints("\nready in 42 s\nmore\n")
        return await forever(process)

    async def body() -> None:
        waited = Waited(worker(Ready("log", r"^ready in \d+ s$")))
        status = await waited.wait(prints)
        assert (status.state, status.reason) == ("ready", None)
        assert 6 <= waited.took_s < 7
        assert waited.seen[0].reason == "its log has no line matching '^ready in \\\\d+ s$' yet"

    jumping(body())


def test_what_an_earlier_run_printed_does_not_count() -> None:
    async def body() -> None:
        waited = Waited(worker(Ready("log", "up", timeout_s=5)))
        waited.node.log_of(waited.instance).write(b"up\n")
        assert (await waited.wait()).state == "running"

    jumping(body())


def http(status: str, body: str = "") -> Callable[[bytes], bytes]:
    def answer(request: bytes) -> bytes:
        assert request.startswith(b"GET /health?full HTTP/1.0\r\nHost: 127.0.0.1:8080\r\n")
        return f"HTTP/1.1 {status}\r\n\r\n{body}".encode()

    return answer


def test_ready_by_http() -> None:
    async def serves(process: Process) -> int:
        servers = waited.node.servers
        for answer in (http("503 Not Yet"), lambda _: b"220 mail ready\r\n", http("200 OK")):
            await asyncio.sleep(4)
            servers["127.0.0.1", 8080] = answer
        return await forever(process)

    waited = Waited(worker(Ready("http", "http://127.0.0.1:8080/health?full")))

    async def body() -> None:
        assert (await waited.wait(serves)).state == "ready"
        assert 12 <= waited.took_s < 13

    jumping(body())


def test_a_url_that_never_answers_is_asked_again() -> None:
    async def body() -> None:
        waited = Waited(worker(Ready("http", "http://127.0.0.1:8080/", timeout_s=12)))
        waited.node.servers["127.0.0.1", 8080] = lambda _: None
        status = await waited.wait()
        reason = "not ready after 12 s: http://127.0.0.1:8080/ does not answer with success yet"
        assert (status.state, status.reason) == ("running", reason)
        assert 12 <= waited.took_s < 18

    jumping(body())


def test_ready_by_a_connection() -> None:
    async def serves(process: Process) -> int:
        await asyncio.sleep(4)
        waited.node.servers["127.0.0.1", 8080] = lambda _: None
        return await forever(process)

    waited = Waited(worker(Ready("connect", "127.0.0.1:8080")))

    async def body() -> None:
        assert (await waited.wait(serves)).state == "ready"
        assert 4 <= waited.took_s < 5

    jumping(body())


def test_ready_by_a_command() -> None:
    waited = Waited(worker(Ready("command", "test -e it"), env={"WHERE": "a b"}, workdir="~/job"))

    async def exists(script: Script) -> int:
        assert script.text.startswith('cd "$HOME"/job || exit 1\n')
        assert "export WHERE='a b'\n" in script.text
        assert script.text.endswith(" 'test -e it' </dev/null")
        return 0 if len(waited.node.of("command")) == 5 else 1

    async def body() -> None:
        waited.node.answers["command"] = exists
        assert (await waited.wait()).state == "ready"
        assert len(waited.node.of("command")) == 5

    jumping(body())


def test_a_command_that_hangs_is_not_a_lost_node() -> None:
    async def body() -> None:
        waited = Waited(worker(Ready("command", "cat", timeout_s=12)))
        waited.node.answers["command"] = says(100.0)
        status = await waited.wait()
        reason = "not ready after 12 s: its ready command does not succeed yet: cat"
        assert (status.state, status.reason) == ("running", reason)

    jumping(body())


def test_a_met_condition_is_noted_on_the_node() -> None:
    async def body() -> None:
        waited = Waited(worker(Ready("connect", "127.0.0.1:8080")))
        waited.node.servers["127.0.0.1", 8080] = lambda _: None
        assert (await waited.wait()).state == "ready"
        del waited.node.servers["127.0.0.1", 8080]
        assert (await waited.again()).state == "ready"
        assert waited.took_s < 1

    jumping(body())


# time


@pytest.mark.parametrize("interval_s", [0.1, 5.0])
def test_polling_is_fast_at_first_and_then_at_the_given_interval(interval_s: float) -> None:
    async def body() -> None:
        ready = Ready("listening", timeout_s=50, interval_s=interval_s)
        waited = Waited(worker(ready, listen=listen()))
        at: list[float] = []
        real = waited.node.answers["look"]

        async def look(script: Script) -> int:
            at.append(asyncio.get_running_loop().time())
            return await real(script)

        waited.node.answers["look"] = look
        await waited.wait()
        pauses = [after - before for before, after in pairwise(at)]
        assert pauses[0] < 0.1
        assert max(pauses[:-1]) == pytest.approx(interval_s)
        assert pauses[-2] == pytest.approx(interval_s)
        assert 50 <= waited.took_s < 50.5

    jumping(body())


def test_a_timeout_says_what_was_waited_for() -> None:
    async def body() -> None:
        waited = Waited(worker(Ready("listening", timeout_s=9), listen=listen()))
        status = await waited.wait(listening("127.0.0.1", 6000))
        assert (status.state, status.reason) == (
            "running",
            "not ready after 9 s: does not listen on 10.0.0.1:6000 yet; "
            "it listens on 127.0.0.1:6000",
        )

    jumping(body())


@pytest.mark.parametrize("ready", [Ready("alive"), Ready("delay", "8")])
def test_ready_after_some_time(ready: Ready) -> None:
    async def body() -> None:
        waited = Waited(worker(ready))
        assert (await waited.wait()).state == "ready"
        assert float(ready.value or 1) - 0.5 <= waited.took_s < float(ready.value or 1) + 0.5

    jumping(body())


# ends and restarts


@pytest.mark.parametrize(("code", "state"), [(3, "failed"), (0, "exited")])
def test_an_end_of_the_instance_ends_the_waiting(code: int, state: str) -> None:
    async def body() -> None:
        waited = Waited(worker(Ready("listening"), listen=listen()))
        status = await waited.wait(ends(code, after_s=3))
        assert (status.state, status.exit_code) == (state, code)
        assert waited.states == ["running", state]
        assert waited.took_s < 4

    jumping(body())


def test_an_end_between_two_readings_of_one_look_is_told_by_the_next() -> None:
    """The record was read before it, and tmux does not know the exit code yet."""

    async def body() -> None:
        waited = Waited(worker(Ready("listening"), listen=listen()))
        node = waited.node
        probe = node.probe
        before: list[tuple[str, int] | None] = []

        def late(name: str) -> tuple[str, int] | None:
            if name == "tmux":
                node.panes = {key: replace(p, dead_status=None) for key, p in node.panes.items()}
            if name == "records":
                before.append(probe(name))
                return before[-2:][0]
            return probe(name)

        node.probe = late  # type: ignore[method-assign]
        status = await waited.wait(ends(3, after_s=3))
        assert (status.state, status.reason) == ("failed", "exit code 3")
        assert waited.states == ["running", "failed"]

    jumping(body())


def test_a_later_attempt_may_become_ready() -> None:
    async def third(process: Process) -> int:
        attempts.append(process.pid)
        process.prints(f"attempt {len(attempts)}\n")
        await asyncio.sleep(3)
        if len(attempts) < 3:
            return 9
        process.prints("up\n")
        return await forever(process)

    attempts: list[int] = []

    async def body() -> None:
        restart = Restart("on-failure", delay_s=2)
        waited = Waited(worker(Ready("log", "^up$"), restart=restart))
        status = await waited.wait(third)
        assert (status.state, status.restarts, status.pid) == ("ready", 2, attempts[2])
        assert waited.states == [*["running", "restarting"] * 2, "running", "ready"]
        told = next(s for s in waited.seen if s.state == "restarting")
        assert told.reason == "ended with exit code 9"
        assert 15 <= waited.took_s < 16  # three attempts of 3 s, pauses of 2 s and 4 s

    jumping(body())


def test_readiness_of_one_attempt_does_not_count_for_the_next() -> None:
    async def once(process: Process) -> int:
        attempts.append(process.pid)
        if len(attempts) > 1:
            return await forever(process)
        process.prints("up\n")
        await asyncio.sleep(5)
        return 1

    attempts: list[int] = []

    async def body() -> None:
        restart = Restart("always", delay_s=1)
        waited = Waited(worker(Ready("log", "^up$", timeout_s=20), restart=restart))
        assert (await waited.wait(once)).state == "ready"
        await asyncio.sleep(7)
        status = await waited.again()
        assert (status.state, status.restarts) == ("running", 1)
        assert (status.reason or "").startswith("not ready after 20 s: its log has no line")

    jumping(body())


def test_an_instance_that_is_restarted_too_often_has_failed() -> None:
    async def body() -> None:
        restart = Restart("on-failure", delay_s=1, max=3)
        waited = Waited(worker(Ready("listening"), listen=listen(), restart=restart))
        status = await waited.wait(ends(1, after_s=1))
        assert (status.state, status.restarts) == ("failed", 3)
        assert status.reason == "exit code 1, after 3 restarts"

    jumping(body())


def test_an_instance_that_another_controller_stops_was_not_stopped_by_this_start() -> None:
    async def body() -> None:
        waited = Waited(worker(Ready("listening"), listen=listen()))
        waiting = asyncio.create_task(waited.wait())
        await waited.node.asked("look", times=3)
        other = Stopper(FLEET, waited.links, waited.links.status, lambda _: None)
        assert (await other.stop([[waited.instance]]))["worker@pi4"].reason is None
        status = await waiting
        assert (status.state, status.reason) == ("stopped", STOPPED_MEANWHILE)

    jumping(body())


# liveness


def test_an_unhealthy_instance_may_yet_become_ready() -> None:
    async def body() -> None:
        asked = Liveness("connect", "x:1")
        waited = Waited(worker(Ready("log", "up", timeout_s=20), liveness=asked))
        record = waited.node.already_runs(waited.instance)
        files = waited.node.has(waited.instance).files
        files["ready"], files["asks"] = f"{record.run} 0", "yes"
        files["health"] = f"{record.run} 0 1 failing 3 3 1000 x:1 refused the connection"
        status = await waited.again()
        assert status.state == "unhealthy"
        assert status.reason == "not ready after 20 s: x:1 refused the connection"
        waiting = asyncio.create_task(waited.again())
        await asyncio.sleep(5)
        files["health"] = f"{record.run} 0 1 ok 0 0 1000 x:1 accepted a connection"
        assert (await waiting).state == "ready"

    jumping(body())


def test_an_instance_that_cannot_be_asked_is_not_ready_though_its_condition_holds() -> None:
    async def body() -> None:
        asked = Liveness("connect", "x:1")
        waited = Waited(worker(Ready("log", "up", timeout_s=20), liveness=asked))
        record = waited.node.already_runs(waited.instance)
        waited.node.log_of(waited.instance).write(b"up\n")
        files = waited.node.has(waited.instance).files
        files["health"] = f"{record.run} 0 1 unknown 0 0 1000 its node has no curl"
        files["asks"] = "yes"
        status = await waited.again()
        assert status.state == "running"
        assert "whether it works is not known: its node has no curl" in (status.reason or "")

    jumping(body())


# the node


def test_a_node_that_is_lost_ends_the_waiting() -> None:
    async def body() -> None:
        waited = Waited(worker(Ready("log", "up")))
        waited.node.cut_at("log", after=3)
        with pytest.raises(LinkLost):
            await waited.wait()

    jumping(body())


def test_a_node_that_does_not_answer_ends_the_waiting() -> None:
    async def body() -> None:
        waited = Waited(worker(Ready("alive")))
        waited.node.hold("look")
        with pytest.raises(LinkHung):
            await waited.wait()

    jumping(body())


def test_a_node_that_answers_again_is_waited_for() -> None:
    async def body() -> None:
        waited = Waited(worker(Ready("alive")))
        held = waited.node.hold("look")
        waiting = asyncio.create_task(waited.wait())
        await waited.node.asked("look", 2)  # the first had no answer
        held.set()
        assert (await waiting).state == "ready"

    jumping(body())
