"""The last line of a screen: the keys that work where the cursor is, each with what it does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from msgspec import Struct
from rich.cells import cell_len
from textual.content import Content
from textual.events import Leave, MouseDown, MouseMove
from textual.screen import Screen
from textual.style import Style
from textual.widget import Widget

from fleetctl.tui.host import Host

_ALWAYS = ("app.help", "app.leave", "back")
"""Actions whose keys show the way where there is room for few."""


class NamedKey(Struct, frozen=True):
    """A key on the line."""

    key: str
    """As Textual names it."""
    shown: str
    words: str
    action: str
    enabled: bool = True


class KeyLine(Widget):
    """Names the keys of its screen; a click presses one.

    It is one widget and draws its line anew. Textual's ``Footer`` has a widget for each key, which
    it makes, styles and lays out again whenever the focus moves: more work than all else that a
    key causes.
    """

    app: Host
    ALLOW_SELECT = False
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "key-line--key",
        "key-line--words",
        "key-line--hovered",
    }
    DEFAULT_CSS = """
    KeyLine { dock: bottom; height: 1; text-wrap: nowrap; color: $footer-foreground;
              background: $footer-background; }
    KeyLine > .key-line--key { color: $footer-key-foreground; background: $footer-key-background;
                               text-style: bold; }
    KeyLine > .key-line--words { color: $footer-description-foreground;
                                 background: $footer-description-background; }
    KeyLine > .key-line--hovered { background: $block-hover-background; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._named: tuple[NamedKey, ...] = ()
        self._hovered = ""

    def on_mount(self) -> None:
        self.screen.bindings_updated_signal.subscribe(self, self._bindings_changed)

    def _bindings_changed(self, screen: Screen[object]) -> None:
        if screen is self.screen and self.app.app_focus:
            self.renew()

    def renew(self) -> None:
        """Name the keys anew; draws only where another or another word stands."""
        if (named := tuple(self.named())) != self._named:
            self._named = named
            self.refresh()

    def named(self) -> Iterator[NamedKey]:
        """The keys to be named, from the left: of those with the same action the first."""
        actions = set[str]()
        for _, binding, enabled, _ in self.screen.active_bindings.values():
            if binding.show and binding.action not in actions:
                actions.add(binding.action)
                shown = self.app.get_key_display(binding)
                yield NamedKey(binding.key, shown, binding.description, binding.action, enabled)

    @property
    def _fitting(self) -> Iterator[NamedKey]:
        """The keys for which there is room, each whole; help and leaving before all others."""
        room = self.size.width
        found = set[str]()
        for one in sorted(self._named, key=lambda one: one.action not in _ALWAYS):
            room -= cell_len(f" {one.shown} {one.words} ")
            if room < 0:
                break
            found.add(one.action)
        return (one for one in self._named if one.action in found)

    def render(self) -> Content:
        """The line."""
        key_style = self.get_visual_style("key-line--key")
        words_style = self.get_visual_style("key-line--words")
        parts = []
        for one in self._fitting:
            part = Content.assemble((f" {one.shown} ", key_style), (f"{one.words} ", words_style))
            if not one.enabled:
                part = part.stylize("dim")
            elif one.key == self._hovered:
                part = part.stylize(self.get_visual_style("key-line--hovered", partial=True))
            parts.append(part.stylize(Style.from_meta({"key": one.key})))
        return Content.assemble(*parts)

    def on_mouse_down(self, event: MouseDown) -> None:
        key = event.style.meta.get("key", "")
        for one in self._named:
            if one.key == key:
                if one.enabled:
                    self.app.simulate_key(key)
                else:
                    self.app.bell()

    def on_mouse_move(self, event: MouseMove) -> None:
        self._hover(event.style.meta.get("key", ""))

    def on_leave(self, event: Leave) -> None:
        self._hover("")

    def _hover(self, key: str) -> None:
        if key != self._hovered:
            self._hovered = key
            self.refresh()
