"""The keys that tui.toml may change: those of every screen, by the names of their actions. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from functools import cache
from typing import NamedTuple

from textual.binding import Binding, BindingType

from fleetctl.tui.keymap import defaults, with_ids
from fleetctl.tui.logs.panel import LogPanel
from fleetctl.tui.screens.dashboard import Dashboard
from fleetctl.tui.widgets.nodes_panel import NodesPanel
from fleetctl.tui.widgets.topology_panel import TopologyPanel

EVERYWHERE: Sequence[BindingType] = with_ids(
    [Binding("D", "write_screen", "screen as text", show=False)]
)
"""Of the app, on every screen."""
_DASHBOARD: Sequence[tuple[type, ...]] = (
    (Dashboard, NodesPanel),
    (Dashboard, TopologyPanel),
    (LogPanel,),  # its keys go before those of the dashboard
)
"""Screens, each with a panel that may have the cursor: their keys are pressed in one place."""


class OwnKeys(NamedTuple):
    """The keys of some screens."""

    keys: Mapping[str, str]
    """By the name of an action: its keys, with commas between."""
    places: Sequence[Set[str]]
    """Names of which no two may have the same key."""


@cache
def of_dashboard() -> OwnKeys:
    """Those that work as soon as it is drawn."""
    return _of(_DASHBOARD)


@cache
def of_all() -> OwnKeys:
    """Those of every screen, all of which are imported for it."""
    from fleetctl.tui.screens.action import ActionScreen
    from fleetctl.tui.screens.bench import BenchScreen
    from fleetctl.tui.screens.check import CheckScreen
    from fleetctl.tui.screens.choice import ChoiceScreen
    from fleetctl.tui.screens.fix import FixScreen
    from fleetctl.tui.screens.links import LinksScreen
    from fleetctl.tui.screens.node import NodeScreen
    from fleetctl.tui.screens.problem import ProblemScreen
    from fleetctl.tui.screens.timeline import TimelineScreen
    from fleetctl.tui.screens.training import TrainingScreen

    others = (NodeScreen, LinksScreen, TrainingScreen, TimelineScreen, BenchScreen, CheckScreen,
              FixScreen, ProblemScreen, ActionScreen, ChoiceScreen)  # fmt: skip
    return _of([*_DASHBOARD, *((screen,) for screen in others)])


def key(action: str) -> str:
    """The keys of ``action``, with commas between; empty: it has none."""
    return of_dashboard().keys.get(action) or of_all().keys.get(action, "")


def _of(together: Sequence[tuple[type, ...]]) -> OwnKeys:
    found: dict[str, dict[str, None]] = {}
    for name, pressed in _keys([owner for owners in together for owner in owners]):
        found.setdefault(name, {})[pressed] = None
    keys = {name: ",".join(pressed) for name, pressed in found.items()}
    return OwnKeys(keys, [frozenset(name for name, _ in _keys(owners)) for owners in together])


def _keys(owners: Sequence[type]) -> Iterator[tuple[str, str]]:
    for owner in owners:
        for base in owner.__mro__:
            yield from defaults(vars(base).get("BINDINGS", ()))
    yield from defaults(EVERYWHERE)
