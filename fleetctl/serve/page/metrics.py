"""The newest snapshot as metrics (OpenMetrics 1.0). docs/metrics.md lists them."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import cast

from msgspec import Struct
from prometheus_client.core import (
    CollectorRegistry,
    GaugeMetricFamily,
    InfoMetricFamily,
    StateSetMetricFamily,
)
from prometheus_client.exposition import generate_latest as plain
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from fleetctl import __version__
from fleetctl.health.samples import samples
from fleetctl.model.samples import INSTANCE_STATES, Series, SeriesKind
from fleetctl.model.status import FleetStatus
from fleetctl.undertakings import Snapshot

OPENMETRICS = CONTENT_TYPE_LATEST
PLAIN = "text/plain; version=0.0.4; charset=utf-8"
OLD_S = 120.0
"""A snapshot that is older is not told: whatever made it has ended, or hangs."""
MOST_PROBLEMS = 500

LABELS: Mapping[SeriesKind, tuple[str, ...]] = {
    "node": ("fleet", "node"),
    "link": ("fleet", "from", "to", "network"),
    "instance": ("fleet", "job", "service", "node"),
    "job": ("fleet", "job"),
}


class Told(Struct, frozen=True):
    """How a kept value is told."""

    name: str
    """Without ``fleetctl_`` and its kind."""
    help: str
    factor: float = 1.0


_STEPS = {
    "step": Told("step", "The newest step that the log tells of."),
    "steps_per_s": Told("steps_per_second", "Steps per second lately."),
    "loss": Told("loss", "The model's loss at the newest step."),
    "tokens_per_s": Told("tokens_per_second", "Tokens per second lately."),
    "requests_per_s": Told("requests_per_second", "Requests answered per second lately."),
}
VALUES: Mapping[SeriesKind, Mapping[str, Told]] = {
    "node": {
        "reachable": Told("reachable", "1 if the node can be asked over SSH, else 0."),
        "load1": Told("load1", "Load average of the last minute."),
        "cpu_percent": Told("cpu_busy_ratio", "Busy part of its processors, 0 to 1.", 0.01),
        "memory_percent": Told("memory_used_ratio", "Used part of the memory, 0 to 1.", 0.01),
        "temperature_c": Told("temperature_celsius", "Temperature of the processor."),
        "throttled": Told("throttled", "1 if heat or low voltage slows it down now."),
        "disk_free_bytes": Told("disk_free_bytes", "Free space where the home folder is."),
        "net_in_bytes_per_s": Told(
            "network_receive_bytes_per_second", "Received by its network hardware lately."
        ),
        "net_out_bytes_per_s": Told(
            "network_transmit_bytes_per_second", "Sent by its network hardware lately."
        ),
        "clock_offset_s": Told("clock_offset_seconds", "Its clock minus this machine's."),
    },
    "link": {
        "rtt_ms": Told("rtt_seconds", "Round trip of echo requests, the shortest.", 0.001),
        "jitter_ms": Told("jitter_seconds", "How much round trips differ.", 0.001),
        "loss_percent": Told("loss_ratio", "Lost part of the echo requests, 0 to 1.", 0.01),
    },
    "instance": {
        "ready": Told("ready", "1 if it is ready; absent if that is not known."),
        "restarts": Told("restarts", "Restarts by its supervisor in this run."),
        **_STEPS,
    },
    "job": {"ready": Told("ready_instances", "How many of its instances are ready."), **_STEPS},
}
"""How each of :data:`fleetctl.model.samples.METRICS` is told, but for the state of an instance."""


class OldSnapshot(Exception):
    """Nothing was seen of the fleet lately."""


class Metrics:
    """Tells what was :meth:`taken <take>` last.

    :param clock: seconds that only grow.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._newest: tuple[float, Snapshot] | None = None

    def take(self, snapshot: Snapshot) -> None:
        self._newest = self._clock(), snapshot

    def text(self, accepted: str) -> tuple[bytes, str]:
        """The metrics, and their content type.

        :param accepted: the ``Accept`` of the request.
        :raises OldSnapshot: there is none that is new enough.
        """
        if self._newest is None:
            raise OldSnapshot("No node has been asked yet.")
        age_s = self._clock() - self._newest[0]
        if age_s > OLD_S:
            raise OldSnapshot(f"Nothing was seen of the fleet for {age_s:.0f} s.")
        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Told(self._newest[1]))
        if "text/plain" in accepted and "openmetrics" not in accepted:
            return plain(registry), PLAIN
        encode = cast(Callable[[CollectorRegistry], bytes], generate_latest)  # it has no types
        return encode(registry), OPENMETRICS


class _Told(Collector):
    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    def collect(self) -> Iterator[Metric]:
        status = self._snapshot.status
        yield from _of_fleet(status)
        yield _states(status)
        families: dict[tuple[SeriesKind, str], GaugeMetricFamily] = {}
        for sample in samples(self._snapshot.checked):
            series = sample.series
            told = VALUES[series.kind].get(series.metric)
            if told is None or not _can_be_asked(status, series):
                continue
            family = families.get((series.kind, series.metric))
            if family is None:
                name = f"fleetctl_{series.kind}_{told.name}"
                family = GaugeMetricFamily(name, told.help, labels=LABELS[series.kind])
                families[series.kind, series.metric] = family
            family.add_metric(_labels(status.fleet, series), sample.value * told.factor)
        yield from families.values()


def _can_be_asked(status: FleetStatus, series: Series) -> bool:
    """A node that cannot be asked has no values: what it said before is not true now."""
    if series.kind == "node":
        return series.metric == "reachable" or _reached(status, series.subject)
    if series.kind == "link":
        return _reached(status, series.subject.partition(":")[0])
    if series.kind == "instance":
        return _reached(status, series.subject.rpartition("@")[2])
    return True


def _reached(status: FleetStatus, node: str) -> bool:
    found = status.nodes.get(node)
    return found is not None and (found.ssh.reachable is True or found.state == "external")


def _labels(fleet: str, series: Series) -> list[str]:
    subject = series.subject
    if series.kind == "link":
        start, _, rest = subject.partition(":")
        end, _, network = rest.partition("/")
        return [fleet, start, end, network]
    if series.kind == "instance":
        job, _, instance = subject.partition("/")
        service, _, node = instance.rpartition("@")
        return [fleet, job, service, node]
    return [fleet, subject]


def _of_fleet(status: FleetStatus) -> Iterator[Metric]:
    about = {"version": __version__, "fleet": status.fleet, "job": status.job or ""}
    yield InfoMetricFamily("fleetctl", "What serves these metrics.", about)
    healthy = GaugeMetricFamily("fleetctl_healthy", "1 if nothing is wrong.", labels=["fleet"])
    healthy.add_metric([status.fleet], status.healthy)
    yield healthy
    seen = GaugeMetricFamily(
        "fleetctl_seen_timestamp_seconds", "When these values were put together.", labels=["fleet"]
    )
    seen.add_metric([status.fleet], status.generated_at.timestamp())
    yield seen
    problems = GaugeMetricFamily(
        "fleetctl_problems", "Problems now.", labels=["fleet", "code", "severity", "node", "job"]
    )
    found = Counter(
        (one.code, one.severity, one.node or "", one.job or "") for one in status.problems
    )
    for labels, count in list(found.items())[:MOST_PROBLEMS]:
        problems.add_metric([status.fleet, *labels], count)
    yield problems


def _states(status: FleetStatus) -> Metric:
    states = StateSetMetricFamily(
        "fleetctl_instance_state",
        "The state of an instance: 1 for the one that it is in.",
        labels=LABELS["instance"],
    )
    for job, known in status.asked_jobs.items():
        for service in known.services.values():
            labels = [status.fleet, job, service.service, service.node]
            states.add_metric(labels, {state: state == service.state for state in INSTANCE_STATES})
    return states
