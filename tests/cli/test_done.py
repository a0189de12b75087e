"""How what has done its work is shown: it is not counted against ready."""

from __future__ import annotations

import pytest

from fleetctl.cli.render import status_lines
from fleetctl.model.jobs import Job
from fleetctl.model.status import FleetStatus
from fleetctl.tui.widgets.headline import headline
from tests.clock import jumping
from tests.launch.jobs import job
from tests.simulated import SimulatedFleet, ends


def status_of(of: Job, code: int) -> FleetStatus:
    """After a start of ``of``, whose instances on pi4 end with an exit code."""
    found: list[FleetStatus] = []

    async def body() -> None:
        links = SimulatedFleet(["mini1", "pi4"])
        for instance in of.on("pi4"):
            links.node["pi4"].programs[instance.name] = ends(code)
        async with links.service(of) as service:
            await service.start(of.instances, lambda _: None, check=False).run()
            found.append(await service.observe())

    jumping(body())
    return found[0]


@pytest.mark.parametrize(
    ("on", "code", "counted", "word"),
    [
        (["mini1", "pi4"], 0, "1/1 ready · 1 done", "● done"),
        (["pi4"], 0, "1 done", "● done"),
        (["mini1", "pi4"], 3, "1/2 ready", "✖ failed"),
    ],
)
def test_what_is_done_is_counted_by_itself(
    on: list[str], code: int, counted: str, word: str
) -> None:
    of = job({"fetch": (on, [])}, fetch={"once": True})
    status = status_of(of, code)
    lines = status_lines(status)
    assert f" · {counted} · " in lines[0]
    assert any("fetch@pi4" in line and word in line for line in lines)
    assert status.services["fetch@pi4"].once
    assert f" · {counted} " in headline("fleet", "job", status, 200).plain
