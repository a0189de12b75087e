"""A program for tests in a real terminal: the dashboard on a simulated fleet with two problems."""

from __future__ import annotations

from fleetctl.tui.app import FleetApp
from fleetctl.tui.kept import Kept
from tests.tui.stage import Stage


def main() -> None:
    stage = Stage()
    stage.states["worker@pi4"] = "failed"
    stage.world.hosts["mini3"].forwarding = False
    stage.write("worker@pi4", "RuntimeError: out of memory")
    FleetApp(stage, kept=Kept()).run()


if __name__ == "__main__":
    main()
