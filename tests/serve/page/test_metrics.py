"""Metrics: their names, their values, and what is left out."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import cast

import pytest
from msgspec.structs import replace
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from fleetctl.health.assess import Checked
from fleetctl.model.node_status import SystemStatus
from fleetctl.model.progress_status import ProgressStatus
from fleetctl.model.samples import INSTANCE_STATES, METRICS
from fleetctl.model.status import ServiceStatus
from fleetctl.serve.page.metrics import LABELS, OLD_S, PLAIN, VALUES, Metrics, OldSnapshot
from fleetctl.undertakings import Snapshot
from tests.health.test_unexplained import CLUSTER
from tests.health.world import World

PAGE = (Path(__file__).parents[3] / "docs/metrics.md").read_text("utf-8")
PARSE = cast(Callable[[str], Iterable[Metric]], text_string_to_metric_families)  # it has no types
OF_FLEET = {
    "fleetctl_info",
    "fleetctl_healthy",
    "fleetctl_seen_timestamp_seconds",
    "fleetctl_problems",
}


class Clock:
    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def told(checked: Checked, accepted: str = "") -> str:
    metrics = Metrics()
    metrics.take(Snapshot(checked, {}))
    return metrics.text(accepted)[0].decode()


def values(text: str) -> Mapping[str, Mapping[tuple[str, ...], float]]:
    """By name of the sample: by the values of its labels, in the order of their names, its own."""
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in PARSE(text):
        for sample in family.samples:
            labels = tuple(sample.labels[name] for name in sorted(sample.labels))
            found.setdefault(sample.name, {})[labels] = sample.value
    return found


def with_worker(checked: Checked, **more: object) -> Checked:
    worker = ServiceStatus("worker", "pi4", 1, "ready", restarts=2)
    status = replace(checked.status, job="train", services={"worker@pi4": replace(worker, **more)})
    return replace(checked, status=status)


def with_memory(checked: Checked) -> Checked:
    """All nodes use a quarter of it."""
    system = SystemStatus(
        memory_total_bytes=8 << 30,
        memory_used_bytes=2 << 30,
        cpu_percent=25.0,
        net_in_bytes_per_s=7000,
    )
    nodes = {name: replace(node, system=system) for name, node in checked.status.nodes.items()}
    return replace(checked, status=replace(checked.status, nodes=nodes))


def test_each_name_is_in_the_page_and_no_other() -> None:
    names = {
        f"fleetctl_{kind}_{one.name}" for kind, all_ in VALUES.items() for one in all_.values()
    }
    documented = set(re.findall(r"^\| `(fleetctl_\w+)", PAGE, re.M))
    assert documented == names | OF_FLEET | {"fleetctl_instance_state"}
    for labels in LABELS.values():
        assert f"`{'`, `'.join(labels)}`" in PAGE


def test_what_is_kept_is_told() -> None:
    for kind, names in METRICS.items():
        assert set(names) - {"state"} == set(VALUES[kind])


def test_values_have_the_base_units() -> None:
    checked = with_worker(
        with_memory(World(CLUSTER).check()),
        progress=ProgressStatus(step=40, steps_per_s=2.5, loss=0.5),
    )
    found = values(told(checked))
    assert found["fleetctl_node_reachable"][checked.status.fleet, "mini1"] == 1
    memory = found["fleetctl_node_memory_used_ratio"][checked.status.fleet, "mini1"]
    assert memory == 0.25
    assert found["fleetctl_node_cpu_busy_ratio"][checked.status.fleet, "mini1"] == 0.25
    received = found["fleetctl_node_network_receive_bytes_per_second"]
    assert received[checked.status.fleet, "mini1"] == 7000
    assert "fleetctl_node_network_transmit_bytes_per_second" not in found, "it is not known"
    row = next(r for r in checked.status.nodes["mini1"].reachability if r.rtt_ms)
    rtt = found["fleetctl_link_rtt_seconds"][checked.status.fleet, "mini1", row.network, row.node]
    assert rtt == pytest.approx((row.rtt_ms or 0) / 1000)
    worker = (checked.status.fleet, "train", "pi4", "worker")
    assert found["fleetctl_instance_step"][worker] == 40
    assert found["fleetctl_instance_steps_per_second"][worker] == 2.5
    assert found["fleetctl_instance_restarts"][worker] == 2
    states = {key[1]: value for key, value in found["fleetctl_instance_state"].items()}
    assert states == {state: float(state == "ready") for state in INSTANCE_STATES}
    assert found["fleetctl_info"]


def test_a_node_that_cannot_be_asked_has_no_values() -> None:
    world = World(CLUSTER)
    before = with_memory(world.check())
    world.hosts["pi4"].powered = False
    lost = with_memory(world.check())
    assert lost.status.nodes["pi4"].system == before.status.nodes["pi4"].system
    found = values(told(with_worker(lost, state="unknown")))
    fleet = lost.status.fleet
    assert found["fleetctl_node_reachable"][fleet, "pi4"] == 0
    assert found["fleetctl_node_reachable"][fleet, "mini1"] == 1
    for name, all_ in found.items():
        if name.startswith("fleetctl_node_") and name != "fleetctl_node_reachable":
            assert (fleet, "pi4") not in all_, name
            assert (fleet, "mini1") in all_, name
        if name.startswith("fleetctl_link_"):
            assert not [key for key in all_ if key[1] == "pi4"], name
    assert "fleetctl_instance_ready" not in found
    assert found["fleetctl_problems"]
    assert found["fleetctl_healthy"] == {(fleet,): 0}


def test_nothing_that_is_old_is_told() -> None:
    clock = Clock()
    metrics = Metrics(clock)
    with pytest.raises(OldSnapshot, match="No node has been asked yet"):
        metrics.text("")
    metrics.take(Snapshot(World(CLUSTER).check(), {}))
    clock.now_s += OLD_S
    metrics.text("")
    clock.now_s += 1
    with pytest.raises(OldSnapshot, match="Nothing was seen of the fleet for 121 s"):
        metrics.text("")


def test_a_program_that_knows_the_older_format_alone_gets_it() -> None:
    text = told(World(CLUSTER).check(), "text/plain;version=0.0.4")
    assert "# EOF" not in text
    assert "# TYPE fleetctl_instance_state gauge" in text
    metrics = Metrics()
    metrics.take(Snapshot(World(CLUSTER).check(), {}))
    assert metrics.text("text/plain")[1] == PLAIN
    both = "application/openmetrics-text;version=1.0.0;q=0.8,text/plain;q=0.5"
    assert metrics.text(both)[0].endswith(b"# EOF\n")
