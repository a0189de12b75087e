"""The last line of the dashboard: the keys, and what they act on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from msgspec.structs import replace
from textual.events import Resize

from fleetctl.model.jobs import Job
from fleetctl.tui.eliding import among
from fleetctl.tui.selection import fix_words, stop_words
from fleetctl.tui.under_cursor import UnderCursor
from fleetctl.tui.widgets.key_line import KeyLine, NamedKey

_SPARE = frozenset({"app.attach", "app.check", "app.undo", "app.fix_all", "logs"})
"""Actions whose keys are named only where there is room."""
_FIRST_SPARE = frozenset({"app.restart", "app.look_at"})
"""Those that go next."""
_ROOM, _NARROW = 120, 80
"""So many columns have room for all, and so many for all but the spare ones."""
_NAMES: tuple[tuple[int, int], ...] = ((150, 54), (120, 24), (0, 16))
"""From how many columns on a name has how many."""


class TargetFooter(KeyLine):
    """A line of keys that names what is stopped and repaired: ``x stop worker@pi5``."""

    def __init__(self) -> None:
        super().__init__()
        self._targets: Mapping[str, str] = {}

    def on_resize(self, event: Resize) -> None:
        self.renew()

    def named(self) -> Iterator[NamedKey]:
        """Keys of what is refused here are not named; each says why it does nothing."""
        width = self.app.size.width
        hidden = _SPARE if width < _ROOM else frozenset[str]()
        if width < _NARROW:
            hidden |= _FIRST_SPARE
        for one in super().named():
            refused = self.app.limits.refusal(one.action.removeprefix("app."))
            if one.action not in hidden and not refused:
                yield replace(one, words=self._targets.get(one.action, one.words))

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
            self.renew()
