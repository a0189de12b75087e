"""Failures for tests: a job of three workers and a server, and what was found out of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from msgspec.structs import replace

from fleetctl.config import load_text
from fleetctl.errors import ConnectTimedOut
from fleetctl.health.assess import Checked, assess
from fleetctl.logs.lines import LogLine
from fleetctl.model.expectations import derive
from fleetctl.model.look import Look
from fleetctl.model.node_status import SystemStatus
from fleetctl.model.records import Record
from fleetctl.postmortem.collected import Collected, History
from fleetctl.postmortem.ends import ends, unknown
from fleetctl.postmortem.kernel import Kernel
from fleetctl.postmortem.story import story
from tests.health.facts import NOW, ago, facts, pane, record

FLEET = load_text(
    """
fleet: fleet
internet: null
networks: {lan: {cidr: 192.168.1.0/24, control: true}}
nodes:
  hub: {ssh: {host: 192.168.1.1}, addresses: {lan: 192.168.1.1}}
  a: {ssh: {host: 192.168.1.2}, addresses: {lan: 192.168.1.2}}
  b: {ssh: {host: 192.168.1.3}, addresses: {lan: 192.168.1.3}}
  c: {ssh: {host: 192.168.1.4}, addresses: {lan: 192.168.1.4}}
jobs:
  job:
    services:
      server: {on: hub, command: serve}
      worker: {on: [a, b, c], command: work, after: [server]}
""",
    "nodes.yaml",
)
JOB = FLEET.jobs["job"]
BY_NAME = {instance.name: instance for instance in JOB.instances}
QUIET = Kernel(source="dmesg")


def ended(name: str, ago_s: float, code: int, error_s: float | None = 0.1, **more: Any) -> Record:
    """The record of an instance that ended so long ago."""
    end: dict[str, Any] = {"phase": "ended", "exit_code": code, "ended_at": ago(ago_s)}
    return record(BY_NAME[name], **{**end, "ended_error_s": error_s, **more})


def checked(*records: Record, lost: Sequence[str] = ()) -> Checked:
    """A look in which what is not named runs, and the nodes ``lost`` do not answer."""
    told = {one.instance: one for one in records}
    looks = {}
    for name, instance in BY_NAME.items():
        if instance.node in lost:
            looks[instance.node] = Look(error=ConnectTimedOut(instance.node, "no answer"))
            continue
        one = told.get(name, record(instance))
        over = one.phase == "ended"
        seen = facts(pane(instance, dead=over, dead_status=one.exit_code if over else None), one)
        system = SystemStatus(os="linux", uptime_s=9000, disk_free_bytes=10**11)
        looks[instance.node] = Look(facts=replace(seen, system=system), connect_ms=1.0)
    expected = derive(FLEET, JOB)
    return assess(FLEET, JOB, expected, looks, duration_s=0.1)


def collected(
    *records: Record,
    lost: Sequence[str] = (),
    logs: Mapping[str, Sequence[str]] | None = None,
    kernels: Mapping[str, Kernel | str] | None = None,
    history: History | None = None,
    named: Sequence[str] = (),
    around: datetime | None = None,
) -> Collected:
    """What is known of a failure.

    :param logs: lines without a time, by instance.
    """
    history = history or History(why_none="nothing watched")
    look = checked(*records, lost=lost)
    lines = {
        name: [LogLine(name, place, text) for place, text in enumerate(said)]
        for name, said in (logs or {}).items()
    }
    found = ends(JOB, look, lines, history.events)
    lacks = unknown(JOB, look)
    told = story(found, lacks, named=named, around=around, events=history.events)
    quiet = dict.fromkeys(look.facts, QUIET)
    return Collected(
        JOB, NOW, around, look, told, lines, {}, {**quiet, **(kernels or {})}, history, (), {}
    )
