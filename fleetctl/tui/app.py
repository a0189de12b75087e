"""The dashboard's app: it owns all state, and the actions of keys."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterable
from typing import Any, ClassVar

from msgspec.structs import replace
from rich.text import Text
from textual import on
from textual.app import SystemCommand
from textual.binding import Binding, BindingType
from textual.css.query import NoMatches
from textual.driver import Driver
from textual.drivers.linux_driver import LinuxDriver
from textual.events import AppBlur, Event, Key
from textual.screen import Screen
from textual.theme import BUILTIN_THEMES

from fleetctl import demo
from fleetctl.link.mistakes import told
from fleetctl.model.jobs import Instance, Job
from fleetctl.model.sudo import SudoPassword
from fleetctl.quantities import count
from fleetctl.service import FleetService
from fleetctl.tui import clipboard, own_keys
from fleetctl.tui.background import in_background
from fleetctl.tui.changing import Changing
from fleetctl.tui.driver import KeyDriver
from fleetctl.tui.following import Following
from fleetctl.tui.guide import Guide
from fleetctl.tui.host import Host, Left
from fleetctl.tui.kept import Kept
from fleetctl.tui.known import Known
from fleetctl.tui.lending import Lending
from fleetctl.tui.limits import Limits
from fleetctl.tui.messages import (
    LogsArrived,
    SnapshotTaken,
    SourceFailed,
)
from fleetctl.tui.opening import Opening
from fleetctl.tui.palette import MostUsed, commands, with_one_more
from fleetctl.tui.palettes import OURS, visible
from fleetctl.tui.past.stretch import Stretch, Wanted
from fleetctl.tui.preferences import FILE, Preferences, read
from fleetctl.tui.recording import Recording
from fleetctl.tui.rereading import NodesFile, Rereading
from fleetctl.tui.screen_text import write_screen
from fleetctl.tui.screens.dashboard import Dashboard
from fleetctl.tui.seen import Seen
from fleetctl.tui.sixteen import SIXTEEN
from fleetctl.tui.switching import Switching
from fleetctl.tui.theming import Theming
from fleetctl.tui.under_cursor import UnderCursor
from fleetctl.tui.web_pages import WebPages

INTERVAL_S = 2.0
GARBAGE = 10_000
"""So many new objects are searched for garbage at once. A screen that is drawn makes thousands, of
which nearly all are gone by themselves: Python's 700 is a tenth of a key's time."""


SCREENS_S = 1.5
"""After the first drawing: then the modules of the other screens are imported."""


def preferences(path: str = FILE) -> Preferences:
    """What stands in tui.toml; see :func:`fleetctl.tui.preferences.read`."""
    themes = {*BUILTIN_THEMES, *(theme.name for theme in (SIXTEEN, *OURS))}
    return read(themes, own_keys.of_all, path)


class FleetApp(Opening, Changing):
    """The dashboard of one fleet.

    :param service: is not closed here.
    :param interval_s: seconds between two looks at a node.
    :param kept: how it was left the last time; None: it looks the same in every terminal.
    :param write: keeps how it looks now.
    :param keep_events: whether events and samples are kept on this machine.
    :param limits: what is not done here.
    :param preferences: what stands in tui.toml.
    :param seen: see :class:`Host`.
    :param known: what a `fleetctl serve` knows, until all nodes have been asked; None: nothing.
    """

    TITLE = "fleetctl"
    ENABLE_COMMAND_PALETTE = True
    COMMANDS = {MostUsed}  # noqa: RUF012 - as in the base
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+q", "leave", "leave", show=False, priority=True),
        Binding("ctrl+c", "interrupt", show=False),
        Binding("ctrl+z", "suspend_process", "back to the shell; fg returns", show=False),
        *own_keys.EVERYWHERE,
    ]

    def __init__(
        self,
        service: FleetService,
        interval_s: float = INTERVAL_S,
        *,
        file: NodesFile | None = None,
        kept: Kept | None = None,
        write: Callable[[Kept], object] = lambda kept: None,
        keep_events: bool = False,
        limits: Limits | None = None,
        preferences: Preferences | None = None,
        seen: Seen | None = None,
        known: Known | None = None,
    ) -> None:
        super().__init__(
            service, interval_s, kept, limits=limits, preferences=preferences, seen=seen
        )
        self.rereading = Rereading(self, file) if file else None
        self._write = write
        self.set_keymap(self.preferences.keys)
        self.theming = Theming(self)
        if kept is not None:
            self.theming.take(self.preferences.theme or kept.theme)
        self.following = Following(self, known)
        self.guide = Guide(self)
        self.lending = Lending(self)
        self.web_pages = WebPages(self)
        self.switching = Switching(self)
        self.recording = Recording(self, keep=keep_events)
        self.set_reactive(Host.repaired, self.seen.repaired)

    def get_driver_class(self) -> type[Driver]:
        """That of the terminal reads keys at once; others, such as a browser's, stay."""
        found = super().get_driver_class()
        return KeyDriver if found is LinuxDriver else found

    def get_default_screen(self) -> Screen[Any]:
        """The dashboard is the bottom screen."""
        return Dashboard()

    def get_css_variables(self) -> dict[str, str]:
        return visible(self.current_theme, super().get_css_variables())

    def keep(self, kept: Kept) -> None:
        if kept != self.kept:
            self.kept = kept
            self._write(kept)

    def on_app_blur(self, event: AppBlur) -> None:
        """A browser has lost the keyboard, or never had one: keys are named for fingers, too."""
        if self.limits.in_browser:
            event.prevent_default()

    async def on_event(self, event: Event) -> None:
        """Note when keys are pressed."""
        if isinstance(event, Key):
            self.following.between_keys.key()
        await super().on_event(event)

    def on_mount(self) -> None:
        self.theme_changed_signal.subscribe(self, self.theming.chosen)
        self.app_resume_signal.subscribe(self, lambda _: self.screen.refresh())  # after Ctrl-z, fg
        self.call_after_refresh(self._begin)

    def _begin(self) -> None:
        """Begin the work that takes long, after the first drawing."""
        # what is there now stays: collecting it again and again would delay keys
        gc.freeze()
        gc.set_threshold(GARBAGE)
        gc.enable()
        self.guide.greet()
        self.recording.begin()
        self.following.watch()
        self.following.follow()
        if self.rereading:
            self.rereading.begin()
        self.set_timer(SCREENS_S, own_keys.of_all)

    def _handle_exception(self, error: Exception) -> None:
        """A widget that is filled while all is closed finds nothing in itself: no mistake."""
        if not (isinstance(error, NoMatches) and (self._exit or self._closed)):
            super()._handle_exception(error)

    def _fatal_error(self) -> None:
        """A bug ends the dashboard with a sentence; its traceback is in a file."""
        error = sys.exception()
        sentence = f"fleetctl: this is {told(error or RuntimeError())}"
        self._exit_renderables.append(Text(sentence))
        self._close_messages_no_wait()

    # jobs

    def action_jobs(self) -> None:
        """Choose the job that is shown."""
        self.switching.ask()

    def switch(self, job: Job) -> None:
        self.service = self.service.with_job(job)
        self.snapshot = None
        self.job_action = None
        self._dashboard.take_job()
        self.following.watch()
        self.following.follow()

    @property
    def _job(self) -> str | None:
        return self.service.job.name if self.service.job else None

    # sources

    @on(SourceFailed)
    def _source_failed(self, message: SourceFailed) -> None:
        self.following.failed(message)

    @on(SnapshotTaken)
    def _snapshot_taken(self, message: SnapshotTaken) -> None:
        new, known = message.snapshot, self.snapshot
        if new.status.job != self._job:
            return  # of the job that was shown before
        if new.as_of:
            if known is None or not known.complete:
                self.snapshot = new
            return
        if known:
            if known.complete and not (new.complete or new.waking):
                return  # a new watch has not asked every node yet
            if new.complete and not known.complete:
                gc.freeze()  # as in _begin: connections stay, too
        self.recording.take(new)
        self.snapshot = new

    @on(LogsArrived)
    def _logs_arrived(self, message: LogsArrived) -> None:
        if self.screen_stack:  # it is empty while the app closes
            self._dashboard.take_logs(message.job, message.events)

    @property
    def _dashboard(self) -> Dashboard:
        bottom = self.screen_stack[0]
        assert isinstance(bottom, Dashboard)
        return bottom

    @property
    def under_cursor(self) -> UnderCursor:
        return self._dashboard.under_cursor

    def key_of(self, action: str) -> str:
        key = self.preferences.keys.get(action) or own_keys.key(action)
        return self.get_key_display(Binding(key.split(",")[0], "")) if key else ""

    def hurry(self) -> None:
        """Ask every node everything at once."""
        self.following.hurry()

    action_hurry = hurry

    def every(self, interval_s: float) -> None:
        """Ask each node every ``interval_s`` seconds from now on."""
        self.interval_s = interval_s
        self.following.watch()

    # looking closer

    def choose_node(self, node: str) -> None:
        self._dashboard.choose_node(node)

    async def past(self, since_s: float, until_s: float, wanted: Wanted) -> Stretch:
        return await self.recording.past(since_s, until_s, wanted)

    def show_logs_at(self, at_s: float) -> None:
        self._to_dashboard().logs_at(at_s)

    def show_log(self, instance: str) -> None:
        self._to_dashboard().show_log(instance)

    def _to_dashboard(self) -> Dashboard:
        """Close what lies over it."""
        while len(self.screen_stack) > 1:
            self.pop_screen()
        return self._dashboard

    def action_write_screen(self) -> None:
        """Write what is on the screen into a new file, as plain text."""
        in_background(self, write_screen(self), title="screen", group="screen")

    def copy_to_clipboard(self, text: str) -> None:
        """Copy ``text``, and say by what."""
        self._clipboard = text
        in_background(self, self._copy(text), title="clipboard", group="clipboard", exclusive=True)

    async def _copy(self, text: str) -> None:
        way = await clipboard.copy(text)
        if not way:
            super().copy_to_clipboard(text)
        lines = count(text.count("\n") + 1, "line")
        self.notify(f"{lines} copied by {way or clipboard.OSC_52}", markup=False)

    # attach

    def action_look_at(self) -> None:
        """Show the tmux window of the instance under the cursor; keys are not sent to it."""
        self.lending.ask_which(read_only=True)

    def action_attach(self) -> None:
        """Type into the tmux window of the instance under the cursor."""
        self.lending.ask_which(read_only=False)

    def attach(self, instance: Instance, *, read_only: bool) -> None:
        self.lending.attach(instance, read_only=read_only)

    def count_use(self, command: str) -> None:
        self.keep(replace(self.kept, used=with_one_more(self.kept.used, command)))

    async def ask_password(self) -> SudoPassword:
        return await self.lending.ask_password()

    def action_web_page(self) -> None:
        """Open a web page of the job in the browser."""
        self.web_pages.ask_which()

    # the demo

    def action_tour(self) -> None:
        """Show what can be broken in a demo."""
        self.guide.show_tour()

    def action_mend(self) -> None:
        """Mend what the tour broke last."""
        if self.guide.broken:
            self.guide.mend(self.guide.broken[-1])

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer the demo's keys in a demo only, and where something may be broken."""
        if action in ("tour", "mend") and self.limits.read_only:
            return False
        if action == "tour":
            return demo.present()
        if action == "mend":
            return bool(self.guide.broken)
        return True

    # nodes.yaml

    def action_reread(self) -> None:
        """Open the dashboard again with nodes.yaml as it is now."""
        if self.rereading:
            self.rereading.reread()

    # leaving

    def action_leave(self) -> None:
        """Leave; what runs on the nodes goes on. Asks first during a stop or restart."""
        self.acting.ask_to_leave()

    def leave(self, return_code: int = 0) -> None:
        """Leave at once, without asking."""
        self.exit(Left(self.going_on), return_code)

    @property
    def going_on(self) -> tuple[str, ...]:
        """The instances of a start that is not over; the caller has to finish it."""
        action = self.job_action
        if action is None or action.ended or action.kind != "start":
            return ()
        return action.targets

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """The commands of the palette."""
        return commands(self, self.guide)
