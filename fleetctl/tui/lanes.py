"""The lanes of the timeline: what was reached, what ran, how fast, what was done, and why. Pure but
for Textual's Content."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import Struct
from textual.content import Content

from fleetctl.marks import mark
from fleetctl.model.events import Event
from fleetctl.model.jobs import Job
from fleetctl.model.samples import INSTANCE_STATES
from fleetctl.model.timeline import columns
from fleetctl.model.topology import Fleet
from fleetctl.tui.eliding import middle
from fleetctl.tui.past.axis import BLANK, Cell, column_of, painted, worse
from fleetctl.tui.past.stretch import Stretch, Wanted
from fleetctl.words.sparkline import sparkline

_RATES = (
    ("steps_per_s", "steps/s"),
    ("tokens_per_s", "tokens/s"),
    ("requests_per_s", "requests/s"),
    ("ready", "ready"),
)
WANTED: Wanted = {
    "node": ("reachable",),
    "instance": ("state",),
    "job": tuple(metric for metric, _ in _RATES),
}
LEGEND = "━ well, blank: not known"
LONGEST_LABEL, _LEAST_LABEL = 28, 18
_SSH = "ssh "
_KEYS = {"start": "s", "stop": "x", "restart": "r", "fix": "f", "undo": "u"}
"""Actions by the keys that ask for them."""
_WELL: Cell = ("━", "good")


class Lane(Struct, frozen=True):
    """One line, a character for each column of time."""

    label: str
    cells: Sequence[Cell]
    weight: int = 0
    """How bad it was, to choose which are shown by themselves."""


def lanes(
    fleet: Fleet,
    job: Job | None,
    stretch: Stretch,
    events: Iterable[Event],
    width: int,
    rows: int,
) -> list[Lane]:
    """At most ``rows`` lanes of ``width`` columns: root causes, nodes over SSH, instances, the
    job's rate, actions. Those that were well all the time are one where there is no room."""
    every = list(events)
    causes = _causes(every, stretch, width)
    nodes = [_reached(name, stretch, width) for name in fleet.nodes]
    nodes = [lane for lane in nodes if _known(lane)]
    instances = [
        _ran(i.name, f"{i.job}/{i.name}", stretch, width) for i in (job.instances if job else ())
    ]
    instances = [lane for lane in instances if _known(lane)]
    last = [*_rate(job, stretch, width), _actions(every, stretch, width)]
    groups = (causes, nodes, instances)
    left = max(rows - len(last), 3)
    room = _shared([min(len(g), sum(lane.weight > 0 for lane in g) + 1) for g in groups], left)
    more = _shared([len(g) - r for g, r in zip(groups, room, strict=True)], left - sum(room))
    room = [r + m if r + m >= len(g) else r for r, m, g in zip(room, more, groups, strict=True)]
    return [
        *_folded(causes, room[0], "causes"),
        *_folded(nodes, room[1], "nodes", _SSH),
        *_folded(instances, room[2], "instances"),
        *last,
    ]


def _shared(wanted: Sequence[int], room: int) -> list[int]:
    """How many each may have: one after the other gets one more, as long as there is room."""
    given = [0] * len(wanted)
    while sum(given) < room and any(g < w for g, w in zip(given, wanted, strict=True)):
        for place, most in enumerate(wanted):
            if given[place] < most and sum(given) < room:
                given[place] += 1
    return given


def _known(lane: Lane) -> bool:
    return any(cell != BLANK for cell in lane.cells)


def _folded(found: Sequence[Lane], room: int, noun: str, what: str = "") -> list[Lane]:
    """The worst by themselves, in their order, and the others as one."""
    if len(found) <= room or room < 1:
        return list(found[:room])
    bad = [lane for lane in found if lane.weight]
    worst = sorted(bad, key=lambda lane: -lane.weight)[: room - 1]
    alone = [lane for lane in found if lane in worst]
    others = [lane for lane in found if lane not in worst]
    cells: list[Cell] = [BLANK] * len(others[0].cells)
    for lane in others:
        cells = [worse(a, b) for a, b in zip(cells, lane.cells, strict=True)]
    return [*alone, Lane(f"{what}{len(others)} {'more ' if alone else ''}{noun}", cells)]


def _reached(name: str, stretch: Stretch, width: int) -> Lane:
    """Whether a node was reached over SSH: ``✖`` where it was not, if only for a moment."""
    found = columns(stretch.of("node", name, "reachable"), stretch.since_s, stretch.until_s, width)
    lost = mark("unreachable")
    bad: Cell = (lost.symbol, lost.tone)
    cells = [BLANK if c is None else _WELL if c.low >= 1 else bad for c in found]
    return Lane(_SSH + name, cells, sum(cell == bad for cell in cells))


def _ran(name: str, subject: str, stretch: Stretch, width: int) -> Lane:
    """The worst state of an instance in each column."""
    found = columns(
        stretch.of("instance", subject, "state"), stretch.since_s, stretch.until_s, width
    )
    worst = [None if c is None else int(c.high) for c in found]
    return Lane(name, [_state(n) for n in worst], max((n for n in worst if n), default=0))


def _state(number: int | None) -> Cell:
    if number is None:
        return BLANK
    word = INSTANCE_STATES[min(max(number, 0), len(INSTANCE_STATES) - 1)]
    what = mark(word)
    return _WELL if word == "ready" else (what.symbol, what.tone)


def _rate(job: Job | None, stretch: Stretch, width: int) -> list[Lane]:
    """Bars of how fast the job was; else of how many instances were ready."""
    for metric, said in _RATES if job else ():
        assert job
        if points := stretch.of("job", job.name, metric):
            found = columns(points, stretch.since_s, stretch.until_s, width)
            bars = sparkline([None if c is None else c.mean for c in found], width)
            cells: list[Cell] = [
                BLANK if c is None else ("▁" if bar == " " else bar, None)
                for c, bar in zip(found, bars, strict=True)
            ]
            return [Lane(f"{job.name} {said}", cells)]
    return []


def _actions(events: Iterable[Event], stretch: Stretch, width: int) -> Lane:
    """What was done, by its key; ``•`` is anything else."""
    cells: list[Cell] = [BLANK] * width
    for event in events:
        place = column_of(event.at.timestamp(), stretch, width)
        if event.kind == "action" and place is not None:
            cells[place] = worse(cells[place], (_key(event), mark(event.state).tone))
    return Lane("actions", cells)


def _key(event: Event) -> str:
    word = event.action or event.text.partition(",")[0].partition(" ")[0].lower()
    return _KEYS.get(word.strip(":"), "•")


def _causes(events: Iterable[Event], stretch: Stretch, width: int) -> list[Lane]:
    """A lane for each root cause on each node, from its begin to its end."""
    found: dict[str, list[Cell]] = {}
    weights: dict[str, int] = {}
    for event in events:
        if event.kind != "problem" or not event.code or event.part_of or event.state == "ok":
            continue
        cells = _span(event, stretch, width)
        if cells is None:
            continue
        label = _cause(event)
        before = found.get(label, cells)
        found[label] = [worse(a, b) for a, b in zip(before, cells, strict=True)]
        long = sum(cell != BLANK for cell in cells)
        weights[label] = max(weights.get(label, 0), long + (width if event.state == "error" else 0))
    order = sorted(found, key=lambda label: -weights[label])
    return [Lane(label, found[label], weights[label]) for label in order]


def _cause(event: Event) -> str:
    return f"{event.code} {event.node or event.subject}".strip()


def _span(event: Event, stretch: Stretch, width: int) -> list[Cell] | None:
    """Its mark, ``━`` as long as it went on, and ``▸`` where it still does."""
    begin_s = event.at.timestamp()
    end_s = event.until.timestamp() if event.until else stretch.until_s
    if begin_s > stretch.until_s or end_s < stretch.since_s:
        return None
    first = column_of(max(begin_s, stretch.since_s), stretch, width)
    last = column_of(min(end_s, stretch.until_s), stretch, width)
    assert first is not None
    assert last is not None
    what = mark(event.state)
    cells: list[Cell] = [BLANK] * width
    cells[first : last + 1] = [("━", what.tone)] * (last + 1 - first)
    if event.until is None:
        cells[last] = ("▸", what.tone)
    cells[first] = ("━" if begin_s < stretch.since_s and last > first else what.symbol, what.tone)
    return cells


def drawn(found: Sequence[Lane], label: int, cursor: int) -> list[Content]:
    """Each lane after its label, which is ``label`` columns wide; the cursor's column stands
    out."""
    lines = []
    for lane in found:
        line = painted(lane.cells).stylize("reverse", cursor, cursor + 1)
        lines.append(Content.assemble(middle(lane.label, label).ljust(label), " ", line))
    return lines


def label_width(fleet: Fleet, job: Job | None, events: Iterable[Event], width: int) -> int:
    """How wide the labels are, of a screen of ``width`` columns."""
    names = [_SSH + name for name in fleet.nodes]
    names += [i.name for i in (job.instances if job else ())]
    names += [_cause(event) for event in events if event.code]
    longest = max(map(len, names), default=0)
    return min(max(longest, _LEAST_LABEL), LONGEST_LABEL, max(10, width // 3))
