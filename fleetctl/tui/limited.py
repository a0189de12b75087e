"""The dashboard where not all of it is possible: read-only, or in a browser."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct
from textual import actions
from textual.actions import ActionParseResult
from textual.app import SystemCommand
from textual.dom import DOMNode
from textual.events import AppBlur
from textual.screen import Screen

from fleetctl.model.jobs import Instance
from fleetctl.service import FleetService
from fleetctl.tui.app import FleetApp
from fleetctl.tui.read_only import SENTENCE, read_only

_LENT = "a terminal can be lent to tmux, and a browser's cannot: fleetctl attach, in a terminal"
_THERE = "it would open on the machine that serves this page: fleetctl open, in a terminal"
_SAVED = "it would be saved on the machine that serves this page: fleetctl logs, in a terminal"
CHANGES = (
    *("start", "stop", "restart", "end", "apply", "measure", "attach", "web_page", "save"),
    *("tour", "mend"),
)
"""Actions that a read-only dashboard does not do, of the app and of its screens."""
NOT_IN_A_BROWSER = {"attach": _LENT, "look_at": _LENT, "web_page": _THERE, "save": _SAVED}
"""Actions that a browser cannot have, and why."""
_READ_ONLY_TITLE = "Read-only"


class Limits(Struct, frozen=True):
    """What a dashboard may not."""

    read_only: bool = False
    in_browser: bool = False

    def refusal(self, action: str) -> str:
        """Why ``action`` is not done here; empty: it is."""
        if self.in_browser and (why := NOT_IN_A_BROWSER.get(action)):
            return f"Not in a browser: {why}."
        if self.read_only and action in CHANGES:
            return f"{SENTENCE}."
        return ""


class LimitedApp(FleetApp):
    """The dashboard within ``limits``. Its keys are those of the whole one; those that are refused
    say why."""

    def __init__(self, service: FleetService, limits: Limits, **given: Any) -> None:
        given |= {"read_only": limits.read_only}
        super().__init__(read_only(service) if limits.read_only else service, **given)
        self.limits = limits

    def on_app_blur(self, event: AppBlur) -> None:
        """A browser has lost the keyboard, or never had one: keys are named for fingers, too."""
        if self.limits.in_browser:
            event.prevent_default()

    async def run_action(
        self,
        action: str | ActionParseResult,
        default_namespace: DOMNode | None = None,
        namespaces: Mapping[str, DOMNode] | None = None,
    ) -> bool:
        name = (actions.parse(action) if isinstance(action, str) else action)[1]
        if self._refused(name):
            return True
        return await super().run_action(action, default_namespace, namespaces)

    def attach(self, instance: Instance, *, read_only: bool) -> None:
        if not self._refused("look_at" if read_only else "attach"):
            super().attach(instance, read_only=read_only)

    def _refused(self, action: str) -> bool:
        why = self.limits.refusal(action)
        if why:
            title = _READ_ONLY_TITLE if why.startswith(SENTENCE) else ""
            self.notify(why, title=title, severity="warning", markup=False)
        return bool(why)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """No demo's keys where nothing may be broken."""
        if self.limits.read_only and action in ("tour", "mend"):
            return False
        return super().check_action(action, parameters)

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """Those that are possible."""
        broken = {one.title for one in self.guide.scenarios} if self.limits.read_only else set()
        for command in super().get_system_commands(screen):
            if command.title not in broken and not command.title.startswith("Mend: "):
                yield command
