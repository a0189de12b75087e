"""Installing a program may take minutes, other steps may not."""

from __future__ import annotations

import asyncio
from typing import Any

from fleetctl.link.protocol import Completed
from fleetctl.model.repairs import KeptRecord
from fleetctl.model.status import RepairStep
from fleetctl.repair.applying import Repairer
from fleetctl.repair.root import INSTALL_TIMEOUT_S, STEP_TIMEOUT_S


class Node:
    """A link to a node on which every command succeeds."""

    node = "pi5"

    def __init__(self) -> None:
        self.limits: dict[str, float] = {}

    async def run(self, script: str, *, timeout_s: float, **_: Any) -> Completed:
        for word in ("install x", "remove x", "sysctl"):
            if f"( {word}" in script or f"-n {word}" in script:
                self.limits[word] = timeout_s
        return Completed(b"", b"", 0)


def test_a_step_that_installs_has_more_time() -> None:
    node: Any = Node()
    steps = [
        RepairStep("install x", "installs x", "remove x", lasts=True, installs=True),
        RepairStep("sudo sysctl", "switches something on"),
    ]
    kept: list[Any] = []

    async def body() -> None:
        repairer = Repairer(node, "fleet", frozenset(), kept.append)
        for step in steps:
            assert (await repairer.apply("requirement-missing", step)).state == "done"
        record: Any = type("Record", (), {"code": "requirement-missing", "step": steps[0]})
        assert (await repairer.undo(KeptRecord("1.json", record))).state == "done"

    asyncio.run(body())
    assert node.limits == {
        "install x": INSTALL_TIMEOUT_S,
        "sysctl": STEP_TIMEOUT_S,
        "remove x": INSTALL_TIMEOUT_S,
    }
