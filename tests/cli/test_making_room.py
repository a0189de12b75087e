"""What has the ports of a start is stopped, if the user says so."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest
from msgspec.structs import replace

from fleetctl.cli import making_room
from fleetctl.cli.action import carry_out
from fleetctl.model.jobs import Instance, Job
from fleetctl.model.progress import ActionResult
from fleetctl.model.status import OrphanStatus, Problem, ServiceState, ServiceStatus
from fleetctl.port_holders import Holder, PortsTaken
from fleetctl.service import Action, FleetService, Report
from tests.launch.jobs import job

FIRST = job({"server": (["mini1"], []), "worker": (["pi4"], ["server"])})
SECOND = replace(job({"page": (["mini1"], [])}), name="second")
TAKEN = Problem("port-in-use", "error", "port 80 on mini1 is taken by server@mini1 of job job")
SERVER = Holder("job", "server@mini1", member=True)
OLD = Holder("gone", "old@mini1", member=False)


def orphan(job: str, service: str) -> OrphanStatus:
    return OrphanStatus(job, service, "mini1", "running", "")


class Service:
    """Notes what is stopped."""

    def __init__(self, of: Job = SECOND, *, ends: ServiceState = "stopped") -> None:
        self.fleet = SimpleNamespace(jobs={"job": FIRST, "second": SECOND})
        self.job = of
        self.ends = ends
        self.stopped: list[str] = []

    def with_job(self, of: Job) -> Service:
        other = Service(of, ends=self.ends)
        other.stopped = self.stopped
        return other

    def status(self, name: str) -> ServiceStatus:
        return ServiceStatus(name, "mini1", 1, self.ends)

    def stop(
        self,
        chosen: Sequence[Instance],
        report: Report,
        *,
        orphans: Callable[[OrphanStatus], bool] | None = None,
    ) -> Action:
        async def work(known: dict[str, ServiceStatus]) -> ActionResult:
            known.update({i.name: self.status(i.name) for i in chosen})
            self.stopped += [f"{self.job.name}/{i.name}" for i in chosen]
            runs = (orphan("gone", "old"), orphan("gone", "other"), orphan("job", "server"))
            names = [f"{o.job}/{o.name}" for o in runs if orphans and orphans(o)]
            self.stopped += names
            known.update({name: self.status(name) for name in names})
            return ActionResult("stop", known)

        return Action(work)


def make_room(service: Service, *holders: Holder, stop_others: bool) -> bool:
    taken = PortsTaken("second", (TAKEN,), holders)
    return asyncio.run(making_room.make_room(cast(FleetService, service), taken, stop_others))


def test_the_whole_job_and_only_what_is_left_over(capsys: pytest.CaptureFixture[str]) -> None:
    service = Service()
    assert make_room(service, SERVER, OLD, stop_others=True)
    assert service.stopped == ["job/server@mini1", "job/worker@pi4", "gone/old@mini1"]
    assert "port-in-use: port 80 on mini1 is taken" in capsys.readouterr().err


def test_what_does_not_end_makes_no_room(capsys: pytest.CaptureFixture[str]) -> None:
    assert not make_room(Service(ends="failed"), SERVER, stop_others=True)
    assert "job/server@mini1 is failed" in capsys.readouterr().err


@pytest.mark.parametrize(("terminal", "yes"), [(False, True), (True, False), (True, True)])
def test_it_asks_on_a_terminal(terminal: bool, yes: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    async def agreed(question: str) -> bool:
        asked.append(question)
        return yes

    monkeypatch.setattr(making_room, "can_ask", lambda: terminal)
    monkeypatch.setattr(making_room, "agreed", agreed)
    service = Service()
    assert make_room(service, SERVER, OLD, stop_others=False) == (terminal and yes)
    assert asked == (["Stop job job, old@mini1 of job gone first?"] if terminal else [])
    assert bool(service.stopped) == (terminal and yes)


@pytest.mark.parametrize("room", [True, False])
def test_then_it_is_started(room: bool, capsys: pytest.CaptureFixture[str]) -> None:
    begun = []

    async def work(known: dict[str, ServiceStatus]) -> ActionResult:
        begun.append(1)
        if len(begun) == 1:
            raise PortsTaken("second", (TAKEN,), (SERVER,))
        return ActionResult("start", {"page@mini1": ServiceStatus("page", "mini1", 1, "ready")})

    async def make(taken: PortsTaken) -> bool:
        return room

    async def start() -> int:
        of: Any = (lambda report: Action(work), SECOND.instances, "starting", False)
        return await carry_out(*of, make_room=make)

    assert asyncio.run(start()) == (0 if room else 1)
    said = capsys.readouterr().err
    assert ("fleetctl --job second start --stop-others" in said) == (not room)
    assert ("all 1 ready" in said) == room
