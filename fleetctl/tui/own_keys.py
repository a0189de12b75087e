"""The keys that tui.toml may change: those of every screen, by the names of their actions. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from textual.binding import Binding, BindingType

from fleetctl.tui.keymap import defaults, with_ids
from fleetctl.tui.logs.panel import LogPanel
from fleetctl.tui.screens.action import ActionScreen
from fleetctl.tui.screens.bench import BenchScreen
from fleetctl.tui.screens.check import CheckScreen
from fleetctl.tui.screens.choice import ChoiceScreen
from fleetctl.tui.screens.dashboard import Dashboard
from fleetctl.tui.screens.fix import FixScreen
from fleetctl.tui.screens.links import LinksScreen
from fleetctl.tui.screens.node import NodeScreen
from fleetctl.tui.screens.problem import ProblemScreen
from fleetctl.tui.screens.timeline import TimelineScreen
from fleetctl.tui.screens.training import TrainingScreen
from fleetctl.tui.widgets.nodes_panel import NodesPanel
from fleetctl.tui.widgets.topology_panel import TopologyPanel

EVERYWHERE: Sequence[BindingType] = with_ids(
    [Binding("D", "write_screen", "screen as text", show=False)]
)
"""Of the app, on every screen."""
_TOGETHER: Sequence[tuple[type, ...]] = (
    (Dashboard, NodesPanel),
    (Dashboard, TopologyPanel),
    (LogPanel,),  # its keys go before those of the dashboard
    (NodeScreen,),
    (LinksScreen,),
    (TrainingScreen,),
    (TimelineScreen,),
    (BenchScreen,),
    (CheckScreen,),
    (FixScreen,),
    (ProblemScreen,),
    (ActionScreen,),
    (ChoiceScreen,),
)
"""Screens, each with a panel that may have the cursor: their keys are pressed in one place."""


def _keys(owners: Sequence[type]) -> Iterator[tuple[str, str]]:
    for owner in owners:
        for base in owner.__mro__:
            yield from defaults(vars(base).get("BINDINGS", ()))
    yield from defaults(EVERYWHERE)


KEYS: Mapping[str, str] = {
    name: ",".join(dict.fromkeys(key for other, key in found if other == name))
    for found in (list(_keys([one for owners in _TOGETHER for one in owners])),)
    for name, _ in found
}
"""By the name of an action: its keys, with commas between."""
PLACES: Sequence[frozenset[str]] = [frozenset(n for n, _ in _keys(owners)) for owners in _TOGETHER]
"""Names of which no two may have the same key."""
