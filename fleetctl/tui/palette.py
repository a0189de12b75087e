"""The commands of the palette."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from textual.app import SystemCommand

from fleetctl import demo
from fleetctl.tui.guide import Guide
from fleetctl.tui.host import Host

INTERVALS_S = (1.0, 2.0, 5.0, 10.0)
_FIRST = (
    ("Start the job", "each when what it waits for is ready", "start"),
    ("Stop the job", "dependents first; asks", "stop"),
    ("Restart the job", "stops, then starts; asks", "restart"),
    ("Check", "which node reaches which, expected and observed", "check"),
    ("Training", "how far each rank is, which lags, and what the loss did", "training"),
    ("Links", "every link and path over time: round trips, loss, bandwidth", "links"),
    ("Bench", "measures what the links carry; asks", "bench"),
    ("Fix", "the commands that repair what the cursor is on", "fix"),
    ("Fix all", "the commands that repair all that is wrong", "fix_all"),
    ("Undo", "the commands that undo repairs of the node under the cursor", "undo"),
    ("Undo all", "the commands that undo repairs of all nodes", "undo_all"),
    ("Web page", "opens a web page of the job in the browser of this machine", "web_page"),
    ("Jobs", "chooses the job that is shown, of those in nodes.yaml", "jobs"),
    ("Timeline", "events: what changed, who asked for it, and the logs of that time", "events"),
)
_WINDOWS = (
    ("Look at", "its real tmux window in this terminal; keys are not sent to it", True),
    ("Attach", "its real tmux window in this terminal; keys are sent to it", False),
)
"""Title, what it shows, and whether it is read-only."""
_LAST = (
    ("Read nodes.yaml again", "opens the dashboard anew; what runs on the nodes runs on", "reread"),
    ("Theme", "light, dark and others", "change_theme"),
    ("Help", "the keys and the marks", "help"),
    ("Leave", "what runs on the nodes runs on", "leave"),
)
"""Title, what it does, and the app's action."""


def commands(app: Host, guide: Guide) -> Iterator[SystemCommand]:
    """The commands that are possible now."""
    for title, what, action in _FIRST:
        yield SystemCommand(title, what, partial(app.run_action, f"app.{action}"))
    if demo.present():
        tour = partial(app.run_action, "app.tour")
        yield SystemCommand("Tour", "things to break in the demo", tour)
        for scenario in guide.scenarios:
            yield SystemCommand(scenario.title, scenario.look, partial(guide.break_it, scenario))
        for scenario in guide.broken:
            yield SystemCommand(
                f"Mend: {scenario.title}", scenario.remedy, partial(guide.mend, scenario)
            )
    for instance in app.service.job.instances if app.service.job else ():
        if instance.command:
            for title, what, read_only in _WINDOWS:
                attach = partial(app.attach, instance, read_only=read_only)
                yield SystemCommand(f"{title} {instance.name}", what, attach)
    for node in app.service.fleet.nodes:
        what = "all that is known of the node"
        yield SystemCommand(f"Show {node}", what, partial(app.show_node, node))
    for interval_s in INTERVALS_S:
        what = f"each node; now every {app.interval_s:g} s"
        yield SystemCommand(f"Ask every {interval_s:g} s", what, partial(app.every, interval_s))
    for title, what, action in _LAST:
        yield SystemCommand(title, what, partial(app.run_action, f"app.{action}"))
