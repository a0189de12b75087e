"""How far the ranks of a job are, as rows of text; and what its loss did. Pure but for Textual's
Content."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct
from textual.content import Content

from fleetctl.health.differences import differences
from fleetctl.health.kinds.instances import SERVICE_SILENT, STRAGGLER
from fleetctl.marks import mark
from fleetctl.model.events import Event
from fleetctl.model.jobs import Instance, Job
from fleetctl.model.progress_status import ProgressStatus
from fleetctl.model.samples import Point
from fleetctl.model.status import ALIVE_STATES, FleetStatus, ServiceStatus
from fleetctl.model.timeline import columns
from fleetctl.quantities import first_ones
from fleetctl.tui.braille import curve
from fleetctl.tui.eliding import among
from fleetctl.tui.job_line import ago, grouped, rank_trouble, silent_ranks, waiting_ranks
from fleetctl.tui.past.axis import BLANK, Cell, column_of, painted, time_axis, worse
from fleetctl.tui.past.stretch import Stretch, Wanted
from fleetctl.tui.sheets import table
from fleetctl.tui.tones import drawn, toned
from fleetctl.undertakings import Snapshot
from fleetctl.words.history import number as figure
from fleetctl.words.progress import number, rate, server_words
from fleetctl.words.system import UNKNOWN

CURVES = ("loss", "steps_per_s", "tokens_per_s", "requests_per_s")
"""What is drawn: the first of these that is known, or the one that was chosen."""
TITLES = {
    "loss": "loss",
    "steps_per_s": "steps a second",
    "tokens_per_s": "tokens a second",
    "requests_per_s": "requests a second",
}
WANTED: Wanted = {"job": CURVES}
HEAD = ("rank", "state", "step", "last", "rate", "behind", "loss")
MANY = 16
"""With more ranks, those that lag come first."""
_FIGURES, _LONGEST_NAME, _LONGEST_BAR = 66, 34, 40
_FULL_STEPS, _FULL_S = 10, 10.0
"""A bar is as long as there is room from so many steps on, and so many seconds of them."""
_SCALE = 9
"""Columns of the curve's scale."""
_NAMED = 3
"""So many ranks are named that hold the job up."""
_NOT_ALIKE = "nothing is known to differ there in load, memory, swap, heat, power or links"


class Rank(Struct, frozen=True):
    """One instance."""

    instance: Instance
    trouble: str
    idle: str
    """What is said of one that only waits, as all of its job do."""
    behind: int
    """In steps; 0 where that is not known, and for one that is ahead of the others."""


def ranks(job: Job | None, snapshot: Snapshot) -> list[Rank]:
    """All instances, in the order of nodes.yaml; of many, first those that lag."""
    status = snapshot.status
    silent, waiting = silent_ranks(status), waiting_ranks(status)
    found = []
    for instance in job.instances if job else ():
        if (service := status.services.get(instance.name)) is None:
            continue
        trouble = rank_trouble(status, instance.name, silent, snapshot.heard_at)
        behind = service.progress.behind_steps if service.progress else None
        idle = waiting.get(instance.name, "")
        found.append(Rank(instance, trouble, idle, max(0, behind or 0)))
    if len(found) > MANY:
        found.sort(key=lambda rank: (not rank.trouble, -rank.behind))
    return found


def rows(found: Sequence[Rank], status: FleetStatus, width: int) -> list[Content]:
    """A table with its head, in ``width`` columns; the bars have what the rest leaves."""
    names = [rank.instance.name for rank in found]
    room = min(max(width - _FIGURES, 12), _LONGEST_NAME)
    lines = []
    for rank in found:
        service = status.services[rank.instance.name]
        name = among(rank.instance.name, names, room)
        lines.append([_named(rank, service, name), *_cells(rank, service)])
    every = [[Content(head) for head in HEAD], *lines]
    used = sum(max(line[i].cell_length for line in every) + 2 for i in range(len(HEAD)))
    per_s = status.progress.steps_per_s if status.progress else None
    most = max([_FULL_STEPS, (per_s or 0) * _FULL_S, *(rank.behind for rank in found)])
    wide = min(max(width - used, len("lag")), _LONGEST_BAR)
    for rank, line in zip(found, lines, strict=True):
        bar = max(1, round(wide * rank.behind / most)) if rank.behind else 0
        line.append(toned("█" * bar, "doubt" if rank.trouble else "quiet"))
    return list(table(lines, (*HEAD, "lag")))


def _named(rank: Rank, service: ServiceStatus, name: str) -> Content:
    idle = (rank.trouble or rank.idle) and service.state == "ready"
    return Content.assemble(drawn(mark("degraded" if idle else service.word)), f" {name}")


def _cells(rank: Rank, service: ServiceStatus) -> list[Content]:
    known = service.progress or ProgressStatus()
    per_s = rate(known.steps_per_s)
    if known.step is None and (words := server_words(known)):
        per_s = words[0]
    return [
        toned(rank.trouble, "bad") if rank.trouble else Content(rank.idle or service.word),
        Content(UNKNOWN if known.step is None else grouped(known.step)),
        Content(UNKNOWN if known.since_step_s is None else ago(known.since_step_s)),
        Content(per_s),
        Content(UNKNOWN if known.behind_steps is None else str(rank.behind)),
        Content(number(known.loss)),
    ]


def straggler(found: Sequence[Rank], job: Job, snapshot: Snapshot) -> Iterator[Content]:
    """Which ranks hold the job up, and what differs there."""
    status = snapshot.status
    if not any(service.state in ALIVE_STATES for service in status.services.values()):
        return
    late = sorted((rank for rank in found if rank.trouble), key=lambda rank: -rank.behind)
    for rank in late[:_NAMED]:
        name = rank.instance.name
        lags = (p for p in status.problems if p.code == STRAGGLER.code and name in p.affects)
        told = next((p.summary for p in lags), "")
        if " differs there" not in told:
            told = f"{told or f'{name}: {rank.trouble}'}; {_differs(rank.instance, job, snapshot)}"
        yield Content.assemble(drawn(mark("warning")), f" {told}")
    if len(late) > _NAMED:
        yield toned(f"and {len(late) - _NAMED} more", "doubt")


def _differs(own: Instance, job: Job, snapshot: Snapshot) -> str:
    facts = snapshot.checked.facts
    if own.node not in facts:
        return f"{own.node} does not answer, so nothing is known of what differs there"
    causes = [
        f"{problem.code} on {problem.node}"
        for problem in snapshot.status.problems
        if problem.severity == "error" and {own.node, own.name} & {*problem.affects}
    ]
    if causes:
        return f"affected by {first_ones(causes)}"
    service = job.services[own.service]
    peers = [i for i in service.instances if i.node != own.node and i.node in facts]
    others = [facts[i.node] for i in peers]
    lags = (STRAGGLER.code, SERVICE_SILENT.code)
    beside = [p for p in snapshot.status.problems if p.code not in lags]
    clauses = list(differences(own, facts[own.node], others, beside))
    return f"what differs there: {', '.join(clauses)}" if clauses else _NOT_ALIKE


# the curve


def known_curves(stretch: Stretch, job: str | None) -> list[str]:
    """Of which values there is a curve."""
    return [metric for metric in CURVES if job and stretch.of("job", job, metric)]


def curve_lines(
    points: Sequence[Point],
    metric: str,
    stretch: Stretch,
    events: Sequence[Event],
    width: int,
    height: int,
) -> Iterator[Content]:
    """The curve with its scale at the left, marks of events above, times below."""
    wide, tall = max(8, width - _SCALE), max(1, height - 2)
    found = columns(points, stretch.since_s, stretch.until_s, wide * 2)
    values = [None if column is None else column.mean for column in found]
    known = [v for v in values if v is not None]
    low, high = (min(known), max(known)) if known else (0.0, 0.0)
    yield Content.assemble(" " * _SCALE, event_marks(events, stretch, wide))
    for place, line in enumerate(curve(values, wide, tall)):
        told = {0: figure(metric, high), tall - 1: figure(metric, low)}.get(place, "")
        yield Content.assemble(toned(f"{told:>{_SCALE - 2}} ", "quiet"), toned("│", "quiet"), line)
    yield toned(" " * _SCALE + time_axis(stretch, wide), "quiet")


def event_marks(events: Sequence[Event], stretch: Stretch, width: int) -> Content:
    """A mark where something happened; of several in one column, the worst."""
    cells: list[Cell] = [BLANK] * width
    for event in events:
        place = column_of(event.at.timestamp(), stretch, width)
        if place is not None:
            what = mark(event.state)
            cells[place] = worse(cells[place], (what.symbol, what.tone))
    return painted(cells)
