"""`fleetctl top`: the table of ranks, and the screen that is given back."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

import click
import pytest
from msgspec.structs import replace

from fleetctl.cli.progress_table import tables, top_lines
from fleetctl.health.kinds.instances import STRAGGLER
from fleetctl.model.node_status import SystemStatus
from fleetctl.model.progress_status import JobProgress, ProgressStatus
from fleetctl.model.status import SCHEMA, FleetStatus, ServiceStatus
from fleetctl.tui.sheets import service_words
from fleetctl.tui.widgets.headline import headline
from fleetctl.words.progress import rate
from tests.e2e.terminal import Outside, Terminal
from tests.health.test_unexplained import CLUSTER
from tests.health.world import World

TOP = [sys.executable, "-m", "fleetctl", "top"]
LOCAL = """\
fleet: here
nodes: {here: {connection: local}}
jobs: {job: {services: {worker: {on: here, command: "true"}}}}
"""


def worker(node: str, rank: int, progress: ProgressStatus | None) -> ServiceStatus:
    return ServiceStatus("worker", node, rank, "ready", progress=progress)


RANKS = {
    "worker@a": worker("a", 1, ProgressStatus(100, 3.912, 2, -2, 2.0534, cpus_busy=0.987)),
    "worker@b": worker("b", 2, ProgressStatus(60, 0.04, 75, 38, 2.1)),
    "worker@c": worker("c", 3, ProgressStatus(reason="its last lines name no step")),
    "worker@d": ServiceStatus("worker", "d", 4, "unknown", "d has not answered yet"),
}
STATUS = FleetStatus(
    schema=SCHEMA,
    fleet="fleet",
    job="job",
    generated_at=datetime(2026, 1, 31, 12, 0, tzinfo=UTC),
    duration_s=0.1,
    healthy=True,
    nodes={},
    services=RANKS,
    problems=(STRAGGLER.problem("b", instance="worker@b", how="", affects=("worker@b",)),),
    progress=JobProgress("worker", 100, 3.9, 2.05),
)


def lines(status: FleetStatus, rows: int | None = None) -> list[str]:
    return [click.unstyle(line) for line in top_lines(status, rows=rows, foot="q leaves")]


def words(line: str) -> str:
    return " ".join(line.split())


def test_a_row_for_each_rank_and_unknown_is_never_a_number() -> None:
    first, _, head, a, b, c, d = lines(STATUS)
    assert first.startswith(
        "fleet/job · worker: step 100 · 3.9 it/s · loss 2.05 · 3/4 ready · 1 problem · "
    )
    assert words(head) == "INSTANCE STATE STEP BEHIND RATE LAST STEP LOSS CPU NOTE"
    assert words(a) == "worker@a ● ready 100 -2 3.91 it/s 2s ago 2.053 0.99"
    assert words(b) == "worker@b ● ready 60 38 25 s/it 1m15s ago 2.1 - ▲ lags"
    assert c.split()[3:9] == ["-"] * 6
    assert c.endswith("its last lines name no step")
    assert d.split()[3:9] == ["-"] * 6
    assert d.endswith("d has not answered yet")
    assert max(len(head), len(a), len(b)) <= 80


@pytest.mark.parametrize(("rows", "ranks"), [(16, 8), (12, 4), (6, 1)])
def test_all_jobs_share_the_screen(rows: int, ranks: int) -> None:
    both = [STATUS, replace(STATUS, job="other")]
    shown = [click.unstyle(line) for line in tables(both, rows=rows, foot="q leaves")]
    assert len(shown) <= rows
    assert shown[-1].endswith("q leaves")
    assert sum(line.startswith("worker@") for line in shown) == ranks
    assert sum(line.startswith("fleet/") for line in shown) == (2 if rows > 6 else 1)
    assert len(tables(both)) == 2 * 7 + 1


def test_how_busy_nodes_are_stands_beside_their_ranks_where_it_is_known() -> None:
    node = World(CLUSTER).check().status.nodes["mini1"]
    busy = SystemStatus(cpu_percent=87.4, net_in_bytes_per_s=5000, net_out_bytes_per_s=0)
    nodes = {"a": replace(node, system=busy), "b": replace(node, system=SystemStatus())}
    _, _, head, a, b, c, _ = lines(replace(STATUS, nodes=nodes))
    assert words(head).endswith("LOSS CPU NODE CPU IN/OUT B/S NOTE")
    assert words(a).endswith(" 0.99 87% 4.9K/0B")
    assert words(b).endswith(" - - - ▲ lags")
    assert " - - its last" in words(c)


def test_on_a_small_screen_those_that_lag_come_first() -> None:
    shown = lines(STATUS, rows=6)
    assert len(shown) == 6
    assert [row.split()[0] for row in shown[3:5]] == ["worker@b", "worker@d"]
    assert shown[-1] == "2 more, which lag less; q leaves"
    assert lines(STATUS, rows=24)[-1] == "q leaves"


def test_without_a_job_that_runs_it_says_so() -> None:
    still = replace(STATUS, progress=None, services={})
    assert "fleet/job · nothing of it runs · 0/0 ready" in lines(still)[0]


@pytest.mark.parametrize(
    ("value", "text"), [(None, "-"), (0.0, "0 it/s"), (3.912, "3.91 it/s"), (0.05, "20 s/it")]
)
def test_slow_rates_are_seconds_for_a_step(value: float | None, text: str) -> None:
    assert rate(value) == text


def test_the_screen_of_a_node_has_its_ranks() -> None:
    assert "step 60 1m15s ago, 25 s/it, 38 behind the median" in service_words(RANKS["worker@b"])
    assert service_words(RANKS["worker@a"]) == "step 100 2s ago, 3.91 it/s"
    assert service_words(RANKS["worker@c"]) == ""


@pytest.mark.parametrize(
    ("width", "shown"), [(120, "· step 100 · 3.9 it/s · loss 2.05 ·"), (50, "· step 100 ")]
)
def test_the_dashboard_s_first_line_shows_as_much_as_fits(width: int, shown: str) -> None:
    line = headline("fleet", "job", STATUS, width).plain
    assert shown in line
    assert len(line) <= width
    assert "step" not in headline("fleet", "job", STATUS, 25).plain


@pytest.mark.parametrize(("how", "code"), [("q", 0), ("\x03", 130)])
def test_it_is_drawn_and_the_terminal_is_given_back(tmp_path: Path, how: str, code: int) -> None:
    (tmp_path / "nodes.yaml").write_text(LOCAL)
    with Terminal(Outside(tmp_path, HOME=str(tmp_path)), TOP) as run:
        run.wait_for("nothing of it runs")
        run.type(how)
        assert run.wait_for_end() == code
        assert run.raw.count("\x1b[?1049h") == 1
        assert "\x1b[?1049l" in run.raw.rpartition("\x1b[?1049h")[2]
