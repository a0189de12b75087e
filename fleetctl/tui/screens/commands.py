"""Base of the screens that show commands for nodes, and run the chosen ones when ``y`` is typed."""

from __future__ import annotations

from collections.abc import Collection, Coroutine, Iterable, Iterator, Sequence
from typing import Any, ClassVar

from msgspec import Struct
from textual import on
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widget import Widget
from textual.widgets import OptionList

from fleetctl.errors import FleetctlError, RepairRefused
from fleetctl.marks import mark
from fleetctl.model.repairs import StepOutcome
from fleetctl.model.sudo import SudoPassword
from fleetctl.quantities import count
from fleetctl.tui.background import in_background
from fleetctl.tui.counting import named
from fleetctl.tui.host import Host
from fleetctl.tui.keymap import with_ids
from fleetctl.tui.screens.page import Page
from fleetctl.tui.sheets import joined
from fleetctl.tui.tones import drawn, toned
from fleetctl.tui.widgets.rows import Rows
from fleetctl.words.repairs import RepairLine, outcome_line


class Part(Struct, frozen=True):
    """A row of the page."""

    said: Content
    box: str = ""
    """The key of the box that it belongs to; empty: to none."""
    head: bool = False
    """Whether the box is drawn before it."""


class CommandsPage(Page):
    """Shows what is being done, the outcomes so far, and then the commands, each with the box of
    what it is for: Space takes it out, or in again."""

    app: Host
    BINDINGS: ClassVar[list[BindingType]] = with_ids(
        [
            Binding("y", "apply", "run these commands"),
            Binding("space", "choose", "in or out"),
            Binding("P", "password", "sudo's password"),
        ],
        "fix.",
    )
    takes_back: ClassVar[bool] = False
    """Whether what it runs undoes repairs."""
    DEFAULT_CSS = """
    CommandsPage Rows { text-wrap: wrap; }
    CommandsPage Rows:focus > .option-list--option-highlighted {
        text-style: none; color: $foreground; background: transparent; }
    """

    def __init__(self, title: str) -> None:
        super().__init__()
        self._title = title
        self.said: list[Content] = []
        """The outcomes so far, oldest first."""
        self.busy = ""
        self.failed = ""
        """Why the last check or command failed."""
        self.password: SudoPassword | None = None
        """For the next run alone."""
        self._wants_password = False
        """Whether a node refused commands for lack of it."""
        self._left_out: set[str] = set()
        """Boxes that are empty."""
        self._parts: dict[str, Part] = {}
        """By key of the row."""

    # what a screen says of itself

    def parts(self) -> Iterator[Part]:
        """What is shown while nothing is being done."""
        raise NotImplementedError

    def can_apply(self) -> bool:
        """Whether there is something that could be run."""
        raise NotImplementedError

    async def look(self) -> None:
        """Find out what could be run."""
        raise NotImplementedError

    async def apply(self) -> None:
        """Run what is shown, and has its box."""
        raise NotImplementedError

    # the page

    def chosen(self, box: str) -> bool:
        """Whether ``box`` is not empty."""
        return box not in self._left_out

    def body(self) -> Widget:
        rows = Rows()
        rows.border_title = self._title
        return rows

    def on_mount(self) -> None:
        self.query_one(Rows).focus()
        self.begin(self.look())

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer only what can be done now."""
        boxes = any(part.box for part in self._parts.values())
        if action == "choose":
            return bool(not self.busy and boxes)
        if action == "password":
            return bool(not self.busy and (boxes or self._wants_password))
        return bool(not self.busy and self.can_apply()) if action == "apply" else True

    def action_back(self) -> None:
        """Go back, unless a command is running."""
        if self.busy == "running":
            self.notify("A command is running; one moment.")
            return
        self.dismiss()

    def action_apply(self) -> None:
        """Run the commands that are shown."""
        self.begin(self._apply())

    async def _apply(self) -> None:
        try:
            await self.apply()
        finally:
            self.password = None

    def action_choose(self) -> None:
        """Take the row's box out, or in again."""
        part = self._parts.get(self.query_one(Rows).key or "")
        if part and part.box:
            self._left_out ^= {part.box}
            self.refresh_bindings()
            self.draw()

    @on(OptionList.OptionSelected)
    def _selected(self) -> None:
        """Enter does nothing here: only ``y`` runs commands."""

    @on(OptionList.OptionHighlighted)
    def _moved(self) -> None:
        self._show_rows()

    def action_password(self) -> None:
        """Ask for the password of sudo in the terminal, for the next run alone."""
        self.begin(self._ask_password())

    async def _ask_password(self) -> None:
        self.password = await self.app.ask_password()
        await self.look()

    def begin(self, work: Coroutine[Any, Any, None]) -> None:
        self.failed = ""
        in_background(
            self, work, title=self._title, group="commands", exclusive=True, failed=self._broke
        )

    def _broke(self, why: str) -> None:
        self.failed = why
        self.work("")

    def work(self, doing: str) -> None:
        """Show what is being done; empty: nothing."""
        self.busy = doing
        self.draw()
        self.call_after_refresh(self.refresh_bindings)  # by when the footer is there

    def done(self, outcome: StepOutcome) -> None:
        """Show the outcome of a command."""
        self.said += map(content, [outcome_line(outcome)])
        self.app.repair_ended(outcome, undone=self.takes_back)
        self.draw()

    def node_failed(self, error: FleetctlError) -> None:
        """Show why nothing can be run on a node."""
        self.said.append(Content.assemble(drawn(mark("failed")), f" {error}"))
        if isinstance(error, RepairRefused) and error.wants_password:
            self._wants_password = True
            key = self.app.key_of("fix.password")
            self.said.append(toned(f"{key}: type its password, in this terminal", "busy"))

    def draw(self) -> None:
        """Show all rows anew."""
        said = [Part(line) for line in self.said]
        parts = [*said, *([Part(Content(""))] if said else []), *self._now()]
        self._parts = {f"{number} {part.box}": part for number, part in enumerate(parts)}
        self._show_rows()

    def _show_rows(self) -> None:
        rows = self.query_one(Rows)
        here = rows.key
        rows.show([(key, self._line(part, key == here)) for key, part in self._parts.items()])

    def _line(self, part: Part, here: bool) -> Content:
        boxes = any(p.box for p in self._parts.values())
        cursor = ("▸ " if here else "  ") if boxes else ""
        if not part.head:
            return indented(part.said, f"{cursor}    " if part.box else cursor)
        box = "[x] " if self.chosen(part.box) else "[ ] "
        said = part.said if self.chosen(part.box) else toned(part.said.plain, "quiet")
        return Content.assemble(cursor, (box, "bold"), said)

    def _now(self) -> Iterator[Part]:
        if self.failed:
            yield Part(
                Content.assemble(drawn(mark("unknown")), f" not known what is wrong: {self.failed}")
            )
            yield Part(toned("esc, then the same key: look again", "quiet"))
        elif self.busy:
            yield Part(toned(f"◐ {self.busy} …", "busy"))
        else:
            yield from self.parts()

    def offer(self, commands: int, nodes: Collection[str]) -> Part:
        """The row that says what ``y`` does."""
        where = named(list(nodes), "node")
        key = self.app.key_of
        what = f"{key('fix.apply')} runs {count(commands, 'command')} on {where}; esc runs nothing"
        if not commands:
            what = f"nothing is chosen: {key('fix.choose')} takes in what the cursor is on"
            what += "; esc runs nothing"
        elif self.password:
            what += "; sudo gets the password that you typed, once"
        return Part(Content.assemble("\n", toned(f"→ {what}", "busy")))


def indented(said: Content, before: str) -> Content:
    """Each line of ``said`` behind ``before``."""
    return joined(Content.assemble(before, line) for line in said.split("\n")) if before else said


def content(line: RepairLine) -> Content:
    """A line with its mark and indentation."""
    sign = Content.assemble(drawn(line.mark), " ") if line.mark else Content("")
    words = Content.assemble(line.text, (line.strong, "bold"), line.after)
    if line.weight != "plain":
        words = toned(line.text, line.weight)
    return Content.assemble("    " * line.depth, sign, words)


def rows_of(lines: Iterable[RepairLine], box: str = "") -> Iterator[Part]:
    """Rows of the page: what is deeper than a command belongs to its row.

    :param box: that of the first line.
    """
    rows: list[list[RepairLine]] = []
    for line in lines:
        if line.depth > 1 and rows:
            rows[-1].append(line)
        else:
            rows.append([line])
    for number, row in enumerate(rows):
        yield Part(_together(row), box, head=bool(box) and number == 0)


def _together(lines: Sequence[RepairLine]) -> Content:
    return joined(map(content, lines))
