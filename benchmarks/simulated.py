"""A dashboard of many simulated nodes: the real program, with nodes that are values in its process.

``python benchmarks/simulated.py COUNT`` opens it; for dashboard_keys.py. Each node answers anew
every 2 s, as the simulated machines of the tests do; SSH is left out, all else is as ever: looks
are judged, the history is kept, and a log line comes with each answer.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from pathlib import Path

from msgspec.structs import replace

from fleetctl.cli.dashboard import ESCAPE_MS

os.environ.setdefault("ESCDELAY", str(ESCAPE_MS))  # as the command does
sys.path.insert(0, str(Path(__file__).parents[1]))

from fleetctl.cli.terminal import given_back
from fleetctl.logs.events import LogBatch
from fleetctl.model.expectations import derive
from fleetctl.model.look import Look
from fleetctl.model.topology import Node
from fleetctl.observe.attention import Wake
from fleetctl.observe.watch import Watch
from fleetctl.tui.app import FleetApp
from tests.tui.fleets import stage_of
from tests.tui.stage import Stage

EVERY_S = 2.0


def simulated(count: int) -> Stage:
    """All nodes are well but the third from the end, whose instance failed."""
    stage = stage_of(count)
    stage.states[stage.job.instances[-3].name] = "failed"
    looks = {name: stage._look_at(node, "check") for name, node in stage.fleet.nodes.items()}
    place = {name: number for number, name in enumerate(looks)}

    async def attend(node: Node, wake: Wake) -> AsyncGenerator[Look, None]:
        await asyncio.sleep(EVERY_S * place[node.name] / len(place))  # not all at once
        while True:
            look = looks[node.name]
            if look.facts:
                look = replace(look, facts=replace(look.facts, measured_at=datetime.now(UTC)))
            yield look
            now = time.time()
            for instance in stage.job.on(node.name):
                stage._logs.put_nowait(LogBatch(instance.name, 0, b"step 1 loss 2.05\n", now, now))
            await wake.wait(EVERY_S)

    known = stage.fleet, derive(stage.fleet, stage.job)
    stage.watch = lambda interval_s, depth="check": Watch(  # type: ignore[method-assign]  # derived once
        stage.fleet, stage.job, lambda: known, attend, interval_s=interval_s, depth=depth
    )
    return stage


async def main(count: int) -> None:
    stage = simulated(count)
    async with stage:
        await FleetApp(stage, keep_events=True).run_async()


if __name__ == "__main__":
    with given_back():
        asyncio.run(main(int(sys.argv[1])))
