"""The third pane: all that is known of what the cursor is on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content

from fleetctl.model.status import FleetStatus, Problem
from fleetctl.quantities import count, duration
from fleetctl.tui.counting import among_nodes
from fleetctl.tui.seen import Seen
from fleetctl.tui.sheets import (
    heading,
    joined,
    line_row,
    node_sheet,
    problem_sheet,
    reach_row,
    service_words,
    table,
)
from fleetctl.tui.tones import state, toned
from fleetctl.tui.under_cursor import UnderCursor
from fleetctl.tui.widgets.sheet import Sheet
from fleetctl.undertakings import Snapshot
from fleetctl.words.check import node_lines
from fleetctl.words.problems import nodes_of

MANY = 3
"""More nodes or problems than these are counted, not told one by one."""
LINES = 12
"""The newest lines of an instance's log that are shown."""


class DetailPanel(VerticalScroll):
    """A node with its instance and the end of its log, a problem, or a link."""

    ALLOW_MAXIMIZE = True
    BORDER_TITLE = "Details"
    DEFAULT_CSS = """
    DetailPanel { border: round $panel-lighten-2; border-title-color: $foreground-muted;
                  padding: 0 1; scrollbar-size-vertical: 1; }
    DetailPanel:focus { border: round $accent; border-title-color: $text; }
    """

    def __init__(self, seen: Seen) -> None:
        super().__init__()
        self._seen = seen

    def compose(self) -> ComposeResult:
        yield Sheet()

    def show(self, under: UnderCursor, snapshot: Snapshot | None, lines: Sequence[str]) -> None:
        """Show what is known of ``under``.

        :param lines: the newest ones of its log.
        """
        text = joined(_sheet(under, snapshot, lines, self._seen, self.size.width))
        title = f"Details · {under.name}" if under.name else "Details"
        if title != self.border_title:
            self.border_title = title
            self.scroll_home(animate=False)
        self.query_one(Sheet).show(text)


def _sheet(
    under: UnderCursor,
    snapshot: Snapshot | None,
    lines: Sequence[str],
    seen: Seen,
    columns: int,
) -> Iterator[Content]:
    if not under.name:
        yield toned("The cursor is on no row.", "quiet")
    elif snapshot is None:
        yield toned("asking …", "busy")
    elif len(under.problems) > MANY:
        yield from group_sheet(under.problems, snapshot)
    elif under.problems:
        for problem in under.problems:
            yield from problem_sheet(problem, _age(snapshot, problem.node))
            yield Content("")
    elif under.network:
        yield from link_sheet(snapshot.status, under.nodes[0], under.network)
    elif len(under.nodes) > MANY:
        yield from many_sheet(under, snapshot)
    else:
        yield from _instances(under, snapshot, lines)
        for node in under.nodes:
            facts = snapshot.checked.facts.get(node)
            age, bars = _age(snapshot, node), seen.usage_bars(node)
            yield from node_sheet(snapshot.status, node, facts, age, bars, columns)


def _age(snapshot: Snapshot, node: str | None) -> str:
    heard = snapshot.heard_at.get(node or "")
    if heard is None:
        return "never" if node else "just now"
    return f"{duration(max(0.0, (snapshot.status.generated_at - heard).total_seconds()))} ago"


def _instances(under: UnderCursor, snapshot: Snapshot, lines: Sequence[str]) -> Iterator[Content]:
    for instance in under.instances:
        if service := snapshot.status.services.get(instance.name):
            words = toned(service_words(service), "quiet")
            yield Content.assemble(state(service.word), f"  {instance.name}  ", words)
    if lines:
        yield Content("")
        yield heading("Its last lines")
        yield from map(Content, lines)
    if under.instances:
        yield Content("")


def group_sheet(problems: Sequence[Problem], snapshot: Snapshot) -> Iterator[Content]:
    """The same cause on many nodes: all of these, and the first as an example."""
    first, nodes = problems[0], nodes_of(problems)
    yield heading(f"{first.code} on {count(len(nodes), 'node')}")
    yield Content(", ".join(nodes))
    hits = dict.fromkeys(name for p in problems for name in p.affects)
    if hits:
        yield Content("")
        yield heading(f"What they affect ({len(hits)})")
        yield Content(", ".join(hits))
    yield Content("")
    yield heading(f"The first of them, on {nodes[0]}")
    yield from problem_sheet(first, _age(snapshot, first.node))


def many_sheet(under: UnderCursor, snapshot: Snapshot) -> Iterator[Content]:
    """Many nodes: how many are how, and which."""
    status = snapshot.status
    yield heading(under.name)
    yield Content(f"{among_nodes(under.nodes, status.problems)}.")
    services = [status.services[i.name] for i in under.instances if i.name in status.services]
    for title, words in (
        ("Nodes", [status.nodes[name].state for name in under.nodes]),
        ("Instances", [service.word for service in services]),
    ):
        if words:
            yield Content("")
            yield heading(title)
        for word, number in Counter(words).most_common():
            yield Content.assemble(f"{number:4} ", state(word))
    yield Content("")
    yield heading("Which")
    yield Content(", ".join(under.nodes))


def link_sheet(status: FleetStatus, node: str, network: str) -> Iterator[Content]:
    """A node's link to a network, as it is now.

    What it was before belongs here, too: from the series that fleetctl/history keeps of the link,
    once the service hands them out.
    """
    yield heading(f"{node} on {network}")
    known = status.nodes.get(node)
    if known is None:
        yield toned("not known yet", "doubt")
        return
    addresses = [row.expected for row in known.addresses if row.network == network]
    lines = [line_row(x) for x in node_lines(known) if any(a in x.expected for a in addresses)]
    yield from table(lines, ("", "what", "expected", "observed", "after a reboot"))
    yield Content("")
    yield heading("What answers it there")
    mine = [row for row in known.reachability if row.network == network]
    yield from table([reach_row(r) for r in mine], ("", "address", "network", "must", "observed"))
    yield Content("")
    yield heading("What gets answers from it there")
    theirs = [
        [Content(asker), *reach_row(row)]
        for asker, other in status.nodes.items()
        for row in other.reachability
        if row.network == network and row.node == node
    ]
    yield from table(theirs, ("from", "", "address", "network", "must", "observed"))
