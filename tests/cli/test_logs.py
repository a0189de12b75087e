"""logs: lines of nodes whose clocks differ."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import cast

import pytest

from fleetctl.cli.logs import _Asked, _past, _Printer
from fleetctl.logs.events import PastLog, Wanted
from fleetctl.logs.lines import TimeIndex
from fleetctl.model.jobs import Instance
from fleetctl.service import FleetService
from tests.launch.jobs import job

JOB = job({"server": (["mini1"], []), "worker": (["pi4"], []), "other": (["pi4"], [])})


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
    assert asyncio.run(_past(service, JOB.instances, printer, asked)) == 0
    out, err = capfdbinary.readouterr()
    assert [line.split(b" | ")[1] for line in out.splitlines()] == [b"1", b"2", b"3", b"4"]
    assert err.decode() == (
        "fleetctl: the clock of pi4 is 1m00s ahead of this machine's; the times of its lines are "
        "corrected by that\n"
    )
