"""logs: lines of nodes whose clocks differ."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from types import SimpleNamespace
from typing import cast

import pytest
from msgspec.structs import replace

from fleetctl.cli.logs import _Asked, _chosen, _past, _Printer, _Source
from fleetctl.errors import UsageError
from fleetctl.logs.events import PastLog, Wanted
from fleetctl.logs.lines import TimeIndex
from fleetctl.model.jobs import Instance, Job, Prepare
from fleetctl.model.topology import SSH, Fleet, Node
from fleetctl.service import FleetService
from tests.launch.jobs import job

JOB = job({"server": (["mini1"], []), "worker": (["pi4"], []), "other": (["pi4"], [])})


def test_what_prepares_a_node_is_a_log() -> None:
    prepare = Prepare("uv sync", (), {"mini1": "~/c", "pi4": "~/c"})
    prepared = replace(JOB, prepare=prepare)

    def chosen(*targets: str, job: Job = prepared, following: bool = False) -> list[str]:
        fleet = Fleet("f", {}, {n: Node(n, SSH(n)) for n in ("mini1", "pi4")}, {job.name: job})
        service = cast(FleetService, SimpleNamespace(fleet=fleet, job=job))
        return [log.name for log in _chosen(service, targets, following=following)]

    own = [i.name for i in JOB.instances]
    assert chosen() == own
    assert chosen(following=True) == [*own, "prepare@mini1", "prepare@pi4"]
    assert chosen("prepare@pi4") == ["prepare@pi4"]
    assert chosen("server", "prepare", following=True) == [
        "server@mini1",
        "prepare@mini1",
        "prepare@pi4",
    ]
    with pytest.raises(UsageError, match="what is prepared is mini1, pi4"):
        chosen("prepare@mini2")
    with pytest.raises(UsageError, match="no node, service or instance"):
        chosen("prepare", job=JOB)


class Logs:
    """mini1's clock is right, pi4's a minute ahead; their lines were written in turn."""

    async def past_logs(self, chosen: list[Instance], wanted: Wanted) -> Mapping[str, PastLog]:
        found = {
            "server@mini1": PastLog(0, b"1\n3\n", TimeIndex("1001 2\n1003 4\n")),
            "worker@pi4": PastLog(0, b"2\n4\n", TimeIndex("1062 2\n1064 4\n", 60.0), 60.0),
            "other@pi4": PastLog(0, b"", TimeIndex("", 60.0), 60.0),
        }
        return {i.name: found[i.name] for i in chosen}


def test_lines_of_several_nodes_are_in_the_order_in_which_they_were_written(
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    asked = _Asked(False, None, None, None, False, False)
    printer = _Printer([i.name for i in JOB.instances], asked)
    service = cast(FleetService, Logs())
    assert asyncio.run(_past([_Source(service, JOB.instances)], printer, asked)) == 0
    out, err = capfdbinary.readouterr()
    assert [line.split(b" | ")[1] for line in out.splitlines()] == [b"1", b"2", b"3", b"4"]
    assert err.decode() == (
        "fleetctl: the clock of pi4 is 1m00s ahead of this machine's; the times of its lines are "
        "corrected by that\n"
    )
