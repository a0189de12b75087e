"""The commands of the palette: every action, with what it would act on, the most used first."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from textual.app import SystemCommand
from textual.binding import Binding
from textual.command import DiscoveryHit, Hit, Hits, Provider

from fleetctl import demo
from fleetctl.tui.guide import Guide
from fleetctl.tui.host import Host
from fleetctl.tui.selection import fix_words, stop_words
from fleetctl.tui.under_cursor import UnderCursor

INTERVALS_S = (1.0, 2.0, 5.0, 10.0)
_FIRST = (
    ("Start", "each when what it waits for is ready", "start"),
    ("Stop", "dependents first; asks", "stop"),
    ("Restart", "stops, then starts; asks", "restart"),
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


MOST_COUNTED = 50
"""So many commands have their uses counted."""


def target(action: str, app: Host, under: UnderCursor) -> str:
    """What ``action`` would be about now; empty: it has no target."""
    if action in ("start", "stop", "restart"):
        return stop_words(under, app.service.job)
    if action == "fix":
        return fix_words(under)
    if action == "undo":
        return ", ".join(under.nodes)
    return under.name if action in ("logs", "mark", "look_at", "attach") else ""


def commands(app: Host, guide: Guide) -> Iterator[SystemCommand]:
    """The commands that are possible now."""
    under = app.under_cursor
    told = {action for _, _, action in (*_FIRST, *_LAST)} | {"tour", "mend", "look_at", "attach"}
    for title, what, action in _FIRST:
        yield _of_key(app, under, action, title, what)
    dashboard = app.screen_stack[0]
    for binding in dashboard.BINDINGS:
        if not isinstance(binding, Binding) or not binding.id or binding.id in told:
            continue
        title = (binding.description or binding.id.replace("_", " ")).capitalize()
        run = partial(app.run_action, binding.action, dashboard)
        yield _of_key(app, under, binding.id, title, "", run)
    write = partial(app.run_action, "app.write_screen")
    yield SystemCommand("Screen as text", "D · into a new file, for a screen reader", write)
    if demo.present() and not app.limits.read_only:
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


def _of_key(
    app: Host,
    under: UnderCursor,
    action: str,
    title: str,
    what: str,
    run: Callable[[], Any] | None = None,
) -> SystemCommand:
    """The command of a key: its title names the target, its help the key."""
    about = target(action, app, under)
    said = " · ".join(filter(None, (app.key_of(action), what)))
    run = run or partial(app.run_action, f"app.{action}")
    return SystemCommand(f"{title}: {about}" if about else title, said, run)


class MostUsed(Provider):
    """Offers the app's commands, the most used first, and the others in their order."""

    def _commands(self) -> list[tuple[int, SystemCommand]]:
        app = self.app
        assert isinstance(app, Host)
        found = list(app.get_system_commands(self.screen))
        used = app.kept.used
        found.sort(key=lambda command: -used.get(_name(command.title), 0))  # it is stable
        return [(used.get(_name(c.title), 0), c) for c in found]

    def _counted(self, command: SystemCommand) -> Callable[[], Any]:
        def run() -> Any:
            app = self.app
            assert isinstance(app, Host)
            app.count_use(_name(command.title))
            return command.callback()

        return run

    async def discover(self) -> Hits:
        """What is shown before anything is typed."""
        for _, command in self._commands():
            if command.discover:
                yield DiscoveryHit(command.title, self._counted(command), help=command.help)

    async def search(self, query: str) -> Hits:
        """What fits ``query``; of what fits equally, the most used first."""
        matcher = self.matcher(query)
        for used, command in self._commands():
            if (match := matcher.match(command.title)) > 0:
                score = match * (1 + min(used, 9) / 10)
                title = matcher.highlight(command.title)
                yield Hit(score, title, self._counted(command), help=command.help)


def _name(title: str) -> str:
    """A command whatever it is about."""
    return title.partition(":")[0]


def with_one_more(used: Mapping[str, int], name: str) -> dict[str, int]:
    """``used`` after another use of ``name``: what is used most is kept."""
    now = {**used, name: used.get(name, 0) + 1}
    most = sorted(now, key=lambda one: (one == name, now[one]), reverse=True)[:MOST_COUNTED]
    return {one: now[one] for one in sorted(most)}
