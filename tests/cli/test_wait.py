"""fleetctl wait, over simulated nodes: when it returns, with what, and what it says."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from typing import cast

import pytest
from msgspec.structs import replace

from fleetctl.cli.context import Context
from fleetctl.cli.wait import _wait as wait
from fleetctl.errors import ConnectTimedOut, UsageError
from fleetctl.fleet import LiveFleet
from fleetctl.model.awaiting import Aim
from fleetctl.model.jobs import Job
from fleetctl.model.ready import Ready
from fleetctl.model.topology import Fleet
from tests.clock import jumping
from tests.launch.jobs import job, listen
from tests.simulated import SimulatedFleet, ends, server

JOB = job(
    {"server": (["mini1"], []), "worker": (["pi4"], [])},
    server={"listen": listen(), "ready": Ready("listening")},
)


_PAGE = job({"page": (["pi4"], [])}).services["page"]
OTHER = Job(
    "other",
    {"page": replace(_PAGE, instances=tuple(replace(i, job="other") for i in _PAGE.instances))},
)


class Given:
    """A :class:`Context` whose file says ``job``, or with ``--job all`` ``others``, too, and whose
    nodes are simulated."""

    def __init__(self, links: SimulatedFleet, job: Job, others: Sequence[Job] = ()) -> None:
        self._links, self._job, self._others = links, job, others

    def service(self, *, several: bool) -> LiveFleet:
        assert several
        return self._links.service(self._job)

    def means_all(self, _: Fleet) -> bool:
        return bool(self._others)

    def each_job(self, service: LiveFleet) -> list[LiveFleet]:
        return [service, *map(service.with_job, self._others)]


def waited(
    aim: Aim,
    *,
    timeout_s: float | None = None,
    targets: tuple[str, ...] = (),
    of: Job = JOB,
    others: Sequence[Job] = (),
    prepare: Callable[[SimulatedFleet], object] = lambda _: None,
    meanwhile: Callable[[SimulatedFleet], object] = lambda _: None,
    start: bool = True,
) -> int:
    """The exit code; ``meanwhile`` is called 7 s after the job was started."""
    code = 0

    async def body() -> None:
        nonlocal code
        links = SimulatedFleet(["mini1", "pi4"])
        links.node["mini1"].programs["server@mini1"] = server("10.0.0.1", 6000, after_s=5)
        prepare(links)
        starting = None
        async with links.service(of) as service:
            if start:
                action = service.start(of.instances, lambda _: None, check=False)
                starting = asyncio.create_task(action.run())
            asyncio.get_running_loop().call_later(7, meanwhile, links)
            given = cast(Context, Given(links, of, others))
            code = await wait(given, targets, aim, timeout_s, as_json=True)
            if starting:
                starting.cancel()
                await asyncio.gather(starting, return_exceptions=True)

    jumping(body())
    return code


def test_it_returns_once_all_are_ready(capsys: pytest.CaptureFixture[str]) -> None:
    assert waited("ready") == 0
    said, err = capsys.readouterr()
    told = json.loads(said)
    assert (told["schema"], told["for"], told["outcome"]) == ("fleetctl.wait/1", "ready", "so")
    assert {name: one["state"] for name, one in told["services"].items()} == {
        "server@mini1": "ready",
        "worker@pi4": "ready",
    }
    assert 5 <= told["waited_s"] < 10
    assert "  server@mini1  ◐ running  does not listen on 10.0.0.1:6000 yet\n" in err


def test_the_time_may_be_over_before(capsys: pytest.CaptureFixture[str]) -> None:
    assert waited("ready", timeout_s=3) == 124
    assert json.loads(capsys.readouterr().out)["outcome"] == "timed out"


def test_what_fails_ends_it(capsys: pytest.CaptureFixture[str]) -> None:
    def fails(links: SimulatedFleet) -> None:
        links.node["mini1"].programs["server@mini1"] = ends(3, after_s=2)

    assert waited("ready", prepare=fails) == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["outcome"], told["services"]["server@mini1"]["state"]) == ("never", "failed")
    assert waited("ready", prepare=fails, targets=("worker",)) == 0


def test_the_exit_code_of_what_exited_is_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    def end(links: SimulatedFleet) -> None:
        links.node["mini1"].programs["server@mini1"] = ends(0, after_s=9)
        links.node["pi4"].programs["worker@pi4"] = ends(42, after_s=4)

    assert waited("exited", prepare=end) == 42
    told = json.loads(capsys.readouterr().out)
    assert (told["outcome"], told["exit_code"], told["ok"]) == ("so", 42, False)
    assert told["waited_s"] >= 9


def test_of_a_job_with_services_that_run_once_only_these_exit(
    capsys: pytest.CaptureFixture[str],
) -> None:
    once = job(
        {"server": (["mini1"], []), "worker": (["pi4"], [])},
        server={"listen": listen(), "ready": Ready("listening")},
        worker={"once": True},
    )

    def end(links: SimulatedFleet) -> None:
        links.node["pi4"].programs["worker@pi4"] = ends(0, after_s=4)

    assert waited("exited", prepare=end, of=once) == 0
    told = json.loads(capsys.readouterr().out)
    assert list(told["services"]) == ["worker@pi4"]
    assert told["exit_code"] == 0
    assert waited("ready", prepare=end, of=once) == 0


def test_a_lost_link_is_neither_ready_nor_stopped(capsys: pytest.CaptureFixture[str]) -> None:
    def runs(links: SimulatedFleet) -> None:
        links.node["pi4"].already_runs(JOB.services["worker"].instances[0])

    def lose(links: SimulatedFleet) -> None:
        links.node["pi4"].unreachable = ConnectTimedOut("pi4", "no answer")
        links.node["pi4"].cut()

    def come_back(links: SimulatedFleet) -> None:
        links.node["pi4"].unreachable = None

    def lost_at_first(links: SimulatedFleet) -> None:
        links.node["pi4"].unreachable = ConnectTimedOut("pi4", "no answer")

    assert waited("stopped", timeout_s=20, prepare=runs, meanwhile=lose, start=False) == 124
    assert json.loads(capsys.readouterr().out)["services"]["worker@pi4"]["state"] == "unknown"
    back = waited("stopped", prepare=lost_at_first, meanwhile=come_back, start=False)
    assert back == 0
    assert json.loads(capsys.readouterr().out)["waited_s"] > 7


def test_what_is_started_by_hand_has_no_exit_code() -> None:
    by_hand = job({"app": (["pi4"], [])}, app={"command": None})
    with pytest.raises(UsageError, match="started by hand has no exit code"):
        waited("exited", of=by_hand, start=False)


def test_all_jobs_are_waited_for_side_by_side(capsys: pytest.CaptureFixture[str]) -> None:
    def runs(links: SimulatedFleet) -> None:
        links.node["pi4"].already_runs(OTHER.instances[0])

    assert waited("ready", others=[OTHER], prepare=runs) == 0
    said, err = capsys.readouterr()
    told = json.loads(said)
    assert (told["schema"], told["ok"]) == ("fleetctl.results/1", True)
    assert {name: one["outcome"] for name, one in told["jobs"].items()} == {
        "job": "so",
        "other": "so",
    }
    assert told["jobs"]["other"]["waited_s"] < 5 <= told["jobs"]["job"]["waited_s"]
    assert "  other/page@pi4    ● ready\n" in err
    assert "  job/server@mini1  ◐ running  does not listen on 10.0.0.1:6000 yet\n" in err


def test_what_fails_in_one_job_ends_it_for_all(capsys: pytest.CaptureFixture[str]) -> None:
    def fails(links: SimulatedFleet) -> None:
        links.node["mini1"].programs["server@mini1"] = ends(3, after_s=2)

    assert waited("ready", others=[OTHER], prepare=fails) == 1  # nobody starts the other
    told = json.loads(capsys.readouterr().out)["jobs"]
    assert [told[name]["outcome"] for name in ("job", "other")] == ["never", "undecided"]
    only = waited("ready", others=[OTHER], prepare=fails, targets=("page",), timeout_s=3)
    assert only == 124
    assert list(json.loads(capsys.readouterr().out)["jobs"]) == ["other"]
