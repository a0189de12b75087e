"""The theme of the dashboard: the one of tui.toml, the one chosen last, or one that fits."""

from __future__ import annotations

from msgspec.structs import replace
from textual.theme import Theme

from fleetctl.tui.host import Host
from fleetctl.tui.palettes import COLOURS_256, OURS, has_256
from fleetctl.tui.sixteen import SIXTEEN, has_sixteen


class Theming:
    """Of one dashboard; begins by making ours known."""

    def __init__(self, app: Host) -> None:
        self._app = app
        for theme in (SIXTEEN, *OURS):
            app.register_theme(theme)

    def take(self, name: str) -> None:
        """Take the theme of that name, where the terminal has its colours."""
        app = self._app
        known = app.available_themes.get(name)
        if known and (known.ansi or not has_sixteen(app.console)):
            app.theme = name
        elif has_sixteen(app.console):
            app.theme = SIXTEEN.name
        elif has_256(app.console):
            app.theme = COLOURS_256.name

    def chosen(self, theme: Theme) -> None:
        """Keep it for the next time, unless tui.toml names one."""
        if not self._app.preferences.theme:
            self._app.keep(replace(self._app.kept, theme=theme.name))
