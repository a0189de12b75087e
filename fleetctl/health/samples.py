"""The values of a status that are kept over time. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

from fleetctl.model.network import EchoRound
from fleetctl.model.node_status import NodeStatus
from fleetctl.model.progress_status import JobProgress, ProgressStatus
from fleetctl.model.samples import INSTANCE_STATES, Sample, Series, SeriesKind
from fleetctl.model.status import ServiceStatus

if TYPE_CHECKING:
    from fleetctl.health.assess import Checked  # which judges: much more than is needed here


def samples(checked: Checked) -> Iterator[Sample]:
    """What is known now; what is not known has no sample."""
    status = checked.status
    for name, node in status.nodes.items():
        if node.state == "external" or node.ssh.unasked:
            continue
        facts = checked.facts.get(name)
        offset_s = facts.reliability.clock_offset_s if facts else None
        yield from _known("node", name, {**_of_node(node), "clock_offset_s": offset_s})
        yield from link_samples(checked, name)
    for job, found in status.asked_jobs.items():
        for name, service in found.services.items():
            yield from _known("instance", f"{job}/{name}", _of_instance(service))
        ready = found.counts.get("ready", 0) if found.services else None
        yield from _known("job", job, {"ready": ready, **_of_work(found.progress)})


def link_samples(checked: Checked, node: str) -> Iterator[Sample]:
    """Those of :func:`samples` that the newest look at ``node`` tells of its links."""
    facts = checked.facts.get(node)
    silent = facts.network.unheard if facts else {}
    cut_off = {one.to for one in checked.broken if one.node == node} if silent else set()
    for row in checked.status.nodes[node].reachability:
        if row.observed is None:
            continue
        to = IPv4Address(row.to)
        rounds = facts.network.rounds.get(to, ()) if facts else ()
        # an echo that is lost on a way of which a finding says that it is broken is no chance
        lost = row.expected and (not row.observed or (to in cut_off and silent.get(to)))
        measured = {
            "rtt_ms": row.rtt_ms,
            "jitter_ms": _jitter_ms(rounds),
            "loss_percent": 100.0 if lost else row.loss_percent,
        }
        yield from _known("link", f"{node}:{row.node}/{row.network}", measured)


def _jitter_ms(rounds: Sequence[EchoRound]) -> float | None:
    """How much round trips differ: by ping's own words, else by the shortest of each round, since
    BusyBox does not tell it."""
    told = [r.deviation_ms for r in rounds if r.deviation_ms is not None]
    if told:
        return told[-1]
    times = [r.rtt_min_ms for r in rounds if r.rtt_min_ms is not None]
    from statistics import pstdev  # slow to import

    return pstdev(times) if len(times) > 1 else None


def _known(kind: SeriesKind, subject: str, values: dict[str, float | None]) -> Iterator[Sample]:
    for metric, value in values.items():
        if value is not None:
            yield Sample(Series(kind, subject, metric), float(value))


def _of_node(node: NodeStatus) -> dict[str, float | None]:
    found: dict[str, float | None] = {"reachable": node.ssh.reachable}
    if system := node.system:
        found |= {
            "load1": system.load1,
            "cpu_percent": system.cpu_percent,
            "memory_percent": system.memory_percent,
            "temperature_c": system.temperature_c,
            "throttled": system.throttled,
            "disk_free_bytes": system.disk_free_bytes,
            "net_in_bytes_per_s": system.net_in_bytes_per_s,
            "net_out_bytes_per_s": system.net_out_bytes_per_s,
        }
    return found


def _of_instance(service: ServiceStatus) -> dict[str, float | None]:
    state = INSTANCE_STATES.index(service.state)
    if service.state == "unknown":
        return {"state": state}
    ready = service.state == "ready"
    return {
        "state": state,
        "ready": ready,
        "restarts": service.restarts,
        **_of_work(service.progress),
    }


def _of_work(work: ProgressStatus | JobProgress | None) -> dict[str, float | None]:
    if work is None:
        return {}
    return {
        "step": work.step,
        "steps_per_s": work.steps_per_s,
        "loss": work.loss,
        "tokens_per_s": work.tokens_per_s,
        "requests_per_s": work.requests_per_s,
    }
