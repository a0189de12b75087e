"""The last line of the dashboard: the keys, and what they act on."""

from __future__ import annotations

from collections.abc import Mapping

from textual.app import ComposeResult
from textual.binding import Binding
from textual.widgets import Footer
from textual.widgets._footer import FooterKey

from fleetctl.model.jobs import Job
from fleetctl.tui.eliding import among
from fleetctl.tui.host import Host
from fleetctl.tui.selection import fix_words, stop_words
from fleetctl.tui.under_cursor import UnderCursor

_SPARE = frozenset({"app.attach", "app.check", "app.undo", "app.fix_all", "logs"})
"""Actions whose keys are named only where there is room."""
_FIRST_SPARE = frozenset({"app.restart", "app.look_at"})
"""Those of which the same is true in fewer than 80 columns."""
_CHANGING = frozenset(
    {"app.start", "app.stop", "app.restart", "app.attach", "app.tour", "app.mend"}
)
"""Actions whose keys are not named where nothing may be changed; each says why it does nothing."""
_NAMES: tuple[tuple[int, int], ...] = ((150, 54), (120, 24), (0, 16))
"""From how many columns on a name has how many."""


class TargetFooter(Footer):
    """A footer that names what is stopped and repaired: ``x stop worker@pi5``."""

    app: Host

    def __init__(self) -> None:
        super().__init__(show_command_palette=False)
        self._targets: Mapping[str, str] = {}
        self._shown: list[tuple[Binding, bool]] | None = None

    def _keys(self) -> list[tuple[Binding, bool]]:
        """The keys to be named, and whether each may be pressed now."""
        bindings = self.screen.active_bindings.values()
        hidden = _CHANGING if self.app.read_only else frozenset()
        return [
            (bound.binding, bound.enabled)
            for bound in bindings
            if bound.binding.show and bound.binding.action not in hidden
        ]

    async def recompose(self) -> None:
        """Textual asks for it whenever the focus moves; mostly the keys stay the same."""
        if self._keys() != self._shown:
            await super().recompose()

    def compose(self) -> ComposeResult:
        self._shown = self._keys() if self._bindings_ready else None
        for key in super().compose():
            if isinstance(key, FooterKey):
                key.set_class(key.action in _SPARE, "-spare")
                key.set_class(key.action in _FIRST_SPARE, "-first-spare")
                if self.app.read_only and key.action in _CHANGING:
                    key.display = False
                key.description = self._targets.get(key.action, key.description)
            yield key

    def show(self, under: UnderCursor, job: Job | None) -> None:
        """Name what the keys act on."""
        columns = next(most for least, most in _NAMES if self.app.size.width >= least)
        wide = self.app.size.width >= _NAMES[0][0]
        repaired = fix_words(under) if wide or (under.problems and columns > _NAMES[2][1]) else ""
        names = [n for i in (job.instances if job else ()) for n in (i.name, i.node)]
        targets = {
            "app.stop": f"stop {among(stop_words(under, job), names, columns)}".rstrip(),
            "app.fix": f"fix {among(repaired, names, columns)}".rstrip(),
        }
        if targets != self._targets:
            self._targets = targets
            for key in self.query(FooterKey):
                if key.action in targets and key.description != targets[key.action]:
                    moved = len(key.description) != len(targets[key.action])
                    key.description = targets[key.action]
                    key.refresh(layout=moved)  # that of the whole screen takes long
