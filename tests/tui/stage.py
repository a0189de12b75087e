"""A dashboard for tests: the real app on a fleet whose packets are simulated.

The machines are those of tests/health/world.py; the test says what runs on them. Looks, assessment,
diagnosis and watching are the real ones; only SSH is not.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self, TypeVar, cast

from msgspec.structs import replace
from textual.pilot import Pilot

from fleetctl.bench.past import past_bench
from fleetctl.bench.run import Bench
from fleetctl.config import load
from fleetctl.errors import ConnectTimedOut, FleetctlError, LinkError
from fleetctl.health.assess import Checked, assess
from fleetctl.link.links import Links
from fleetctl.logs.events import LogBatch, LogEvent, PastLog, Wanted
from fleetctl.model.actions import Told
from fleetctl.model.bench import PastBench
from fleetctl.model.delivery import Delivery
from fleetctl.model.execution import ExecutionEvent
from fleetctl.model.expectations import derive
from fleetctl.model.jobs import Instance, Job, LogSource
from fleetctl.model.look import Look, RawAnswer
from fleetctl.model.node_status import SystemStatus
from fleetctl.model.pages import Page
from fleetctl.model.past import PastOfNode
from fleetctl.model.plan import PlanStep, plan, stop_order
from fleetctl.model.progress import ActionResult, Progress
from fleetctl.model.questions import Depth
from fleetctl.model.status import FleetStatus, Problem, ServiceState, ServiceStatus
from fleetctl.model.steps import Steps
from fleetctl.model.sudo import SudoPassword
from fleetctl.model.syncing import NodeSync
from fleetctl.model.topology import Fleet, Node
from fleetctl.observe.attention import Wake
from fleetctl.observe.watch import Watch
from fleetctl.port_holders import Holder, PortsTaken, StartRefused
from fleetctl.repair.rounds import Rounds
from fleetctl.service import Action, Answered, Attached, FleetService, Read, Report, WantedOrphans
from fleetctl.tui.app import FleetApp
from fleetctl.undertakings import Benching, Repairs, Tunnel, Watching
from tests.bench.links import FakeLinks
from tests.health.facts import PID, facts, health, listener, pane, record
from tests.health.world import World
from tests.waiting import patient, rest_s

_T = TypeVar("_T")

NODES_YAML = Path(__file__).parents[2] / "nodes.yaml"
FLEET = load(NODES_YAML)
JOB = FLEET.jobs["edp"]


class StageTunnel:
    """A tunnel that leads nowhere."""

    def __init__(self, page: Page, stage: Stage) -> None:
        self.page = page
        self._stage = stage

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.page.port}"

    async def __aenter__(self) -> Self:
        self._stage.tunnels.append(self.page.name)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stage.tunnels.remove(self.page.name)

    async def look(self) -> str:
        return self._stage.pages_away.get(self.page.name, "")


class Stage:
    """The service of the app."""

    def __init__(self, fleet: Fleet = FLEET, job: Job = JOB, beside: Stage | None = None) -> None:
        self.fleet = fleet
        self.job = job
        self.world: World = beside.world if beside else World(fleet)
        self.all: list[Stage] = beside.all if beside else []
        """One for each job that was asked for."""
        self.all.append(self)
        self.states: dict[str, str] = {i.name: "ready" for i in job.instances}
        """The state of each instance: ready, failed or stopped; unhealthy with a liveness."""
        self.began: list[tuple[str, tuple[str, ...]]] = []
        """What the app started, stopped and attached to."""
        self.go_on = asyncio.Event()
        """While this is not set, a start does not go on."""
        self.go_on.set()
        self.refused: tuple[Problem, ...] = ()
        self.holders: tuple[Holder, ...] = ()
        """What has ports of the job, while it runs."""
        self.told: dict[str, str] = {}
        """Facts of nodes that are only shown."""
        self.unasked: set[str] = set()
        """Nodes that have not answered yet."""
        self.steps: dict[str, Steps] = {}
        """What instances of the job print of how far they are."""
        self.orphans: dict[str, Instance] = {}
        """By node: what runs there beside the job's instances."""
        self.stubborn: set[str] = set()
        """Instances that do not end when they are stopped."""
        self.broken: Exception | None = None
        """The error of the next look at any node."""
        self.tunnels: list[str] = []
        """The pages to which tunnels lead now."""
        self.pages_away: dict[str, str] = {}
        """By page: why it cannot be reached."""
        self.bugs: dict[str, Exception] = {}
        """The error of an action: start, fix, attach or raw."""
        self.links = Links(fleet)
        self._changed: dict[str, asyncio.Event] = {n: asyncio.Event() for n in fleet.nodes}
        self._logs: asyncio.Queue[LogEvent] = asyncio.Queue()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.links.close()

    def with_job(self, job: Job) -> Stage:
        """Nothing of another job runs at first."""
        for stage in self.all:
            if stage.job.name == job.name:
                return stage
        other = Stage(self.fleet, job, self)
        other.states = dict.fromkeys(other.states, "stopped")
        return other

    def change(self) -> None:
        """Look at every node again, at once."""
        for event in self._changed.values():
            event.set()

    # what nodes answer

    def _look_at(self, node: Node, depth: Depth) -> Look:
        if self.broken:
            error, self.broken = self.broken, None
            raise error
        found = self.world.look(node.name, depth)
        if node.connection == "none" or found.error:
            return found
        assert found.facts
        parts: list[Any] = []
        of_all = [(i, stage.states[i.name]) for stage in self.all for i in stage.job.instances]
        for instance, state in of_all:
            if instance.node != node.name or state == "stopped":
                continue
            dead = state == "failed"
            phase = "ended" if dead else "running"
            more: dict[str, Any] = {}
            if dead:
                more = {"exit_code": 137, "ended_at": datetime.now(UTC), "pid": None}
            elif instance.liveness:
                well = state != "unhealthy"
                more = {"health": health("ok", 0) if well else health()}
            status = 137 if dead else None
            parts.append(pane(instance, session=self.fleet.name, dead=dead, dead_status=status))
            parts.append(record(instance, phase=phase, ready=not dead, **more))
            if instance.listen and not dead:
                parts.append(listener(str(instance.listen.address), instance.listen.port, PID))
        if orphan := self.orphans.get(node.name):
            parts += [pane(orphan, session=self.fleet.name), record(orphan)]
        steps = {
            (i.job, i.name): stage.steps[i.name]
            for stage in self.all
            for i in stage.job.on(node.name)
            if i.name in stage.steps
        }
        told = facts(*parts, measured_at=datetime.now(UTC), told=self.told, steps=steps)
        system = SystemStatus(
            os=node.os or "linux",
            load1=0.5,
            cpus=4,
            memory_total_bytes=8 << 30,
            memory_used_bytes=2 << 30,
            cpu_percent=12.4,
            net_in_bytes_per_s=19 << 19,
            net_out_bytes_per_s=310 << 10,
        )
        return replace(
            found,
            facts=replace(told, system=system, network=found.facts.network),
        )

    async def observe(self, chosen: Sequence[Instance] | None = None) -> FleetStatus:
        return (await self.check(chosen, depth="status")).status

    async def check(
        self,
        chosen: Sequence[Instance] | None = None,
        answered: Answered | None = None,
        *,
        depth: Depth = "check",
    ) -> Checked:
        looks = {name: self._look_at(node, depth) for name, node in self.fleet.nodes.items()}
        return assess(
            self.fleet,
            self.job,
            derive(self.fleet, self.job),
            looks,
            duration_s=0.0,
            depth=depth,
            chosen=chosen,
        )

    def watch(self, interval_s: float, depth: Depth = "check") -> Watching:
        return Watch(
            self.fleet,
            self.job,
            lambda: (self.fleet, derive(self.fleet, self.job)),
            self._attend,
            interval_s=interval_s,
            depth=depth,
        )

    async def _attend(self, node: Node, wake: Wake) -> AsyncGenerator[Look, None]:
        while True:
            self._changed[node.name].clear()
            if node.name not in self.unasked:
                yield replace(self._look_at(node, "check"), unasked=True)
            waits = [
                asyncio.ensure_future(self._changed[node.name].wait()),
                asyncio.ensure_future(wake.wait(60)),
            ]
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            for task in waits:
                task.cancel()

    async def raw_answers(self, node: str) -> tuple[RawAnswer, ...]:
        self._fail("raw")
        if not self.world.reached(node):
            raise ConnectTimedOut(node, "no answer")
        return (RawAnswer("routes", "ip route", "default via 192.168.1.1", 0),)

    # actions

    def plan(self, chosen: Sequence[Instance]) -> tuple[PlanStep, ...]:
        return plan(self.job, chosen)

    def start(
        self,
        chosen: Sequence[Instance],
        report: Report,
        *,
        check: bool = True,
        again: bool = False,
        anew: bool = False,
    ) -> Action:
        return Action(lambda known: self._start(chosen, report, known))

    def stop(
        self, chosen: Sequence[Instance], report: Report, *, orphans: WantedOrphans | None = None
    ) -> Action:
        return Action(lambda known: self._stop(chosen, report, known))

    def restart(self, chosen: Sequence[Instance], report: Report) -> Action:
        async def work(known: dict[str, ServiceStatus]) -> ActionResult:
            if self.refused:
                raise StartRefused(self.refused)
            stopped = await self._stop(chosen, report, known)
            return stopped if stopped.bad else await self._start(chosen, report, known)

        return Action(work)

    async def _start(
        self, chosen: Sequence[Instance], report: Report, known: dict[str, ServiceStatus]
    ) -> ActionResult:
        self.began.append(("start", tuple(i.name for i in chosen)))
        self._fail("start")
        if self.refused:
            raise StartRefused(self.refused)
        jobs = {stage.job.name: stage for stage in self.all}
        if taken := [h for h in self.holders if jobs[h.job].states[h.instance] == "ready"]:
            problem = Problem("port-in-use", "error", f"a port is taken by {taken[0].instance}")
            raise PortsTaken(self.job.name, (problem,), taken)
        for number, instance in enumerate(chosen):
            report(Progress("start", instance.name, "starting", None, number + 0.5))
            await self.go_on.wait()
            self.states[instance.name] = "ready"
            report(Progress("start", instance.name, "ready", None, number + 1.0))
            known[instance.name] = self._status(instance, "ready")
        self.change()
        return ActionResult("start", dict(known))

    async def _stop(
        self, chosen: Sequence[Instance], report: Report, known: dict[str, ServiceStatus]
    ) -> ActionResult:
        self.began.append(("stop", tuple(i.name for i in chosen)))
        for group in stop_order(self.job, chosen):
            for instance in group:
                await self.go_on.wait()
                state: ServiceState = "failed" if instance.name in self.stubborn else "stopped"
                self.states[instance.name] = state
                report(Progress("stop", instance.name, state, None, 0.5))
                known[instance.name] = self._status(instance, state)
        self.change()
        return ActionResult("stop", dict(known))

    @staticmethod
    def _status(instance: Instance, state: ServiceState) -> ServiceStatus:
        return ServiceStatus(instance.service, instance.node, instance.rank, state)

    def _fail(self, what: str) -> None:
        if what in self.bugs:
            raise self.bugs[what]

    async def attach(
        self,
        instance: Instance,
        *,
        read_only: bool = False,
        lent: AbstractContextManager[object] | None = None,
    ) -> Attached:
        self._fail("attach")
        self.began.append(("attach", (instance.name,)))
        with lent or nullcontext():
            await asyncio.sleep(0)
        return Attached(0, runs=True)

    def tunnel(self, page: Page, port: int | None = None) -> Tunnel:
        self._fail("tunnel")
        return StageTunnel(page, self)

    async def execute(
        self,
        nodes: Sequence[str],
        script: str,
        timeout_s: float,
        took: Callable[[ExecutionEvent], object],
        read: Read | None = None,
        *,
        only_asks: bool = False,
    ) -> None:
        raise NotImplementedError("the dashboard runs no commands of people's")

    async def signal(
        self, chosen: Sequence[Instance], signal: str, *, whole: bool = False
    ) -> Mapping[str, Delivery]:
        raise NotImplementedError("the dashboard sends no signals")

    async def send(self, chosen: Sequence[Instance], text: bytes) -> Mapping[str, Delivery]:
        raise NotImplementedError("the dashboard types nothing")

    async def sync(
        self,
        nodes: Sequence[str],
        took: Callable[[NodeSync], object],
        *,
        dry_run: bool = False,
        force: bool = False,
    ) -> None:
        raise NotImplementedError("the dashboard copies no code")

    async def past(self, since: Mapping[str, datetime]) -> Mapping[str, PastOfNode]:
        return {}

    async def actions(self, sizes: Mapping[str, str] | None = None) -> Mapping[str, Told]:
        return {}

    def fix(
        self,
        nodes: Sequence[str],
        *,
        persistent: bool = False,
        answered: Answered | None = None,
        password: SudoPassword | None = None,
        problems: Sequence[Problem] | None = None,
    ) -> Repairs:
        async def check(depth: Depth) -> Checked:
            self._fail("fix")
            return await self.check(depth=depth)

        return Rounds(
            self.fleet,
            self.links,
            check,
            nullcontext,
            nodes,
            persistent=persistent,
            password=password,
            problems=problems,
        )

    def past_bench(self) -> Mapping[tuple[str, str, str], PastBench]:
        return past_bench(self.fleet)

    def bench(
        self,
        nodes: Sequence[str],
        *,
        everything: bool = False,
        seconds: int = 3,
        answered: Answered | None = None,
    ) -> Benching:
        self._fail("bench")
        return Bench(
            self.fleet,
            self.job,
            derive(self.fleet, self.job),
            cast(Links, FakeLinks()),
            self.check,
            nodes,
            everything=everything,
            seconds=seconds,
        )

    # logs

    def write(self, instance: str, *lines: str) -> None:
        """Let the instance print lines."""
        data = "".join(f"{line}\n" for line in lines).encode()
        self._logs.put_nowait(LogBatch(instance, 0, data, 1e9, 1e9))

    def lines(self) -> list[LogEvent]:
        """Some lines of the server and a worker."""
        return [
            LogBatch(i.name, 0, f"step {n} loss {5 - n}.{n}\n".encode(), 1e9 + n, 1e9 + n)
            for n in range(1, 4)
            for i in self.job.instances[:2]
        ]

    async def past_logs(
        self, chosen: Sequence[LogSource], wanted: Wanted
    ) -> dict[str, PastLog | LinkError]:
        return {}

    async def follow_logs(
        self,
        chosen: Sequence[LogSource],
        wanted: Wanted,
        took: Callable[[LogEvent], object],
        *,
        tails: bool = False,
    ) -> None:
        while True:
            took(await self._logs.get())


class EditedFile:
    """nodes.yaml in an editor."""

    def __init__(self) -> None:
        self.written = False
        self.mistake: FleetctlError | None = None
        self.says: FleetService = Stage()
        self.noted: list[str] = []

    def news(self) -> bool:
        written, self.written = self.written, False
        return written

    def read(self) -> FleetService:
        if self.mistake:
            raise self.mistake
        return self.says

    def notes(self) -> list[str]:
        notes, self.noted = self.noted, []
        return notes


class Screen:
    """The screen as text, and keys to type."""

    def __init__(self, app: FleetApp, pilot: Pilot[Any], stage: Stage) -> None:
        self.app = app
        self.pilot = pilot
        self.stage = stage

    def lines(self) -> list[str]:
        """The screen as text."""
        width, height = self.app.size
        # every widget is drawn as for a terminal, without styles
        screen = self.app.screen
        strips = screen._compositor.render_strips(self.app.size)
        return ["".join(s.text for s in strip)[:width].rstrip() for strip in strips[:height]]

    @property
    def text(self) -> str:
        return "\n".join(self.lines())

    async def until(self, *parts: str, gone: str = "", timeout_s: float = 8.0) -> str:
        """Wait until the screen holds all ``parts``, and not ``gone``."""
        now = asyncio.get_running_loop().time
        deadline = now() + patient(timeout_s)
        while True:
            began = now()
            await self.pilot.pause()
            text = self.text
            if all(part in text for part in parts) and not (gone and gone in text):
                return text
            assert now() < deadline, f"{parts} not in:\n{text}"
            await asyncio.sleep(rest_s(now() - began))

    async def type(self, *keys: str) -> None:
        await self.pilot.press(*keys)


@asynccontextmanager
async def opened(
    size: tuple[int, int] = (120, 40),
    stage: Stage | None = None,
    file: EditedFile | None = None,
    ready: str = "5/5 ready",
    *,
    keep_events: bool = False,
) -> AsyncIterator[Screen]:
    """The dashboard, after one look at every node."""
    stage = stage or Stage()
    app = FleetApp(stage, file=file, keep_events=keep_events)
    async with app.run_test(size=size, notifications=True) as pilot:
        screen = Screen(app, pilot, stage)
        await screen.until(ready)
        yield screen


def played(act: Callable[[Screen], Awaitable[_T]], size: tuple[int, int] = (120, 40)) -> _T:
    """Play one act on a dashboard of that size."""

    async def body() -> _T:
        async with opened(size) as screen:
            return await act(screen)

    return asyncio.run(asyncio.wait_for(body(), 40))
