"""Everything by name: the palette's commands."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from textual.app import SystemCommand

from fleetctl import demo

if TYPE_CHECKING:
    from fleetctl.tui.app import FleetApp

INTERVALS_S = (1.0, 2.0, 5.0, 10.0)


def commands(app: FleetApp) -> Iterator[SystemCommand]:
    """What can be done now."""
    yield SystemCommand("Start the job", "each when what it waits for is ready", app.action_start)
    yield SystemCommand("Stop the job", "dependents first; asks", app.action_stop)
    yield SystemCommand("Restart the job", "stops, then starts; asks", app.action_restart)
    yield SystemCommand("Check", "who reaches whom, expected and observed", app.action_check)
    yield SystemCommand("Fix", "the commands that repair what is wrong", app.action_fix)
    yield SystemCommand("Events", "what changed since this was opened", app.action_events)
    if demo.present():
        yield SystemCommand("Tour", "things to break in the demo", app.action_tour)
        for stop in app.guide.stops:
            yield SystemCommand(stop.title, stop.look, partial(app.guide.break_it, stop))
        for stop in app.guide.broken:
            yield SystemCommand(f"Mend: {stop.title}", stop.remedy, partial(app.guide.mend, stop))
    for instance in app.service.job.instances if app.service.job else ():
        if instance.command:
            what = "its real tmux window in this terminal"
            yield SystemCommand(f"Attach {instance.name}", what, partial(app.attach, instance))
    for node in app.service.fleet.nodes:
        what = "all that is known of the node"
        yield SystemCommand(f"Show {node}", what, partial(app.show_node, node))
    for interval_s in INTERVALS_S:
        what = f"each node; now every {app.interval_s:g} s"
        yield SystemCommand(f"Ask every {interval_s:g} s", what, partial(app.every, interval_s))
    what = "opens the dashboard anew; what runs on the nodes runs on"
    yield SystemCommand("Read nodes.yaml again", what, app.action_reread)
    yield SystemCommand("Theme", "light, dark and others", app.action_change_theme)
    yield SystemCommand("Help", "the keys and the marks", app.action_help)
    yield SystemCommand("Leave", "what runs on the nodes runs on", app.action_leave)
