"""A whole run: what is refused, left out, kept and reported."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from msgspec.structs import replace

from fleetctl.bench.history import History
from fleetctl.bench.run import Bench, JobRuns
from fleetctl.errors import UsageError
from fleetctl.model.bench import BenchReport, Measured, PathResult
from fleetctl.model.status import FleetStatus, OrphanStatus, ServiceState, ServiceStatus
from tests.bench.fleets import EDGE, EXPECTATIONS, FLEET, LONG, measured
from tests.bench.runs import bench, figures
from tests.health.world import World

__all__ = ["figures"]
Figures = dict[str, Measured | None]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def run(one: Bench, *, anyway: bool = False) -> BenchReport:
    async def body() -> None:
        await one.look(anyway=anyway)
        await one.measure(lambda _: None)

    asyncio.run(body())
    return one.report


def test_a_sound_cluster_is_measured_and_kept(figures: Figures) -> None:
    report = run(bench())
    assert (report.complete, report.ok, report.problems, report.notes) == (True, True, (), ())
    assert [r.stands_on for r in report.paths] == ["wide"] * 5
    assert set(History("guide").best) == {r.path.key for r in report.paths}
    assert report.all_reduce is not None
    assert (report.all_reduce.ok, len(report.all_reduce.nodes)) == (True, 5)


def test_a_narrow_cable_is_named_and_later_compared_with(figures: Figures) -> None:
    run(bench(["pi4"]))
    figures[EDGE.label] = measured(EDGE, 94, 93)
    report = run(bench(["pi4"]))
    assert not report.ok
    assert report.all_reduce is None  # not for a part of the nodes
    assert [(p.code, p.node) for p in report.problems] == [("bandwidth-low", "pi4")]
    [edge] = [r for r in report.paths if r.path == EDGE]
    assert edge.best.there_mbit_s == 12_000


@pytest.mark.parametrize("state", ["ready", "starting", "restarting", "unknown"])
def test_nothing_is_measured_beside_a_job(figures: Figures, state: ServiceState) -> None:
    def works(status: FleetStatus) -> FleetStatus:
        return replace(
            status, services={"server@mini1": ServiceStatus("server", "mini1", 1, state)}
        )

    with pytest.raises(JobRuns, match=f"nothing was measured: server@mini1 is {state}") as caught:
        run(bench(changed=works))
    assert "--anyway" in caught.value.hint
    report = run(bench(changed=works), anyway=True)
    assert report.ok
    assert report.all_reduce is not None
    assert report.all_reduce.reason == "a job runs"


def test_nor_beside_what_another_job_left(figures: Figures) -> None:
    def left(status: FleetStatus) -> FleetStatus:
        return replace(status, orphans=(OrphanStatus("old", "w", "mini2", "running", "why"),))

    with pytest.raises(JobRuns, match="w@mini2 is running"):
        run(bench(changed=left))
    assert run(bench(["pi4"], changed=left)).ok


def test_stopped_instances_are_in_nobody_s_way(figures: Figures) -> None:
    def stopped(status: FleetStatus) -> FleetStatus:
        own = ServiceStatus("server", "mini1", 1, "stopped")
        return replace(status, services={"server@mini1": own})

    assert run(bench(changed=stopped)).ok


def test_a_node_that_is_off_is_left_out_and_the_others_are_measured(figures: Figures) -> None:
    def off(w: World) -> None:
        w.hosts["pi5"].powered = False

    report = run(bench(fault=off))
    assert [(one.node, one.network) for one in report.left_out] == [("pi5", "edge50")]
    assert report.left_out[0].reason
    assert len(report.paths) == 4
    assert report.all_reduce is not None
    assert report.all_reduce.reason == "pi5 was not asked"
    assert (report.complete, report.ok) == (True, False)


def test_a_node_without_iperf3_is_told_with_the_line_that_installs_it(figures: Figures) -> None:
    one = bench(["pi4"], says={"pi4": b"\n", "mini1": None})
    figures[EDGE.label] = measured(EDGE, None, None)
    report = run(one)
    assert "pi4 has no iperf3 (sudo -n apt-get install -y iperf3)" in report.notes
    assert any("the connection broke" in note for note in report.notes)
    assert (report.ok, report.problems) == (False, ())


def test_an_interruption_keeps_what_is_measured_also_of_the_path_in_work(
    figures: Figures,
) -> None:
    figures[LONG.label] = None
    one = bench(["pi4"])

    async def body() -> None:
        await one.look(anyway=False)
        links_done = asyncio.Event()

        def took(_: PathResult) -> None:
            if len(one.results) == 2:
                links_done.set()

        task = asyncio.create_task(one.measure(took))
        await links_done.wait()
        await asyncio.sleep(0)  # the third path begins
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(body())
    report = one.report
    assert (report.complete, report.ok, len(report.paths)) == (False, False, 3)
    assert report.paths[-1].echoes.received == 100
    assert len(History("guide").best) == 3


def test_nothing_to_measure_is_a_usage_error() -> None:
    async def check() -> None:
        raise AssertionError

    with pytest.raises(UsageError, match=r"there is no path to measure: ipad cannot be logged"):
        Bench(
            FLEET,
            FLEET.jobs["inference"],
            EXPECTATIONS,
            None,  # type: ignore[arg-type]  # it comes to nothing
            check,  # type: ignore[arg-type]
            ["ipad"],
            everything=False,
            seconds=1,
        )
