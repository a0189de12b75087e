"""The table of ``fleetctl top``: a row for each rank."""

from __future__ import annotations

from collections.abc import Sequence

from fleetctl.cli.render import cut, marked, plain, state, style, table, width
from fleetctl.health.kinds.instances import STRAGGLER
from fleetctl.marks import mark
from fleetctl.model.status import FleetStatus, ServiceStatus
from fleetctl.quantities import count, duration
from fleetctl.words.progress import job_words, number, rate, server_words
from fleetctl.words.system import UNKNOWN, cpu, network

_HEAD = ("INSTANCE", "STATE", "STEP", "BEHIND", "RATE", "LAST STEP", "LOSS", "CPU", "NOTE")
_OF_NODE = ("NODE CPU", "IN/OUT B/S")
_WIDE = 110
"""From so many columns on there is room for how busy the nodes are."""
_AROUND = 4
"""Lines beside the rows: the first one, an empty one, the table's head, the last one."""


def tables(
    statuses: Sequence[FleetStatus], *, rows: int | None = None, foot: str = ""
) -> list[str]:
    """The table of each job, below one another; as :func:`top_lines`, which divides the screen
    evenly, but for what a small job leaves to those after it."""
    lines: list[str] = []
    for place, status in enumerate(statuses):
        if rows is None:
            lines += [*([""] if lines else []), *top_lines(status)]
            continue
        left = len(statuses) - place
        lines += top_lines(status, rows=(rows - len(lines)) // left, foot=foot if left == 1 else "")
    if rows is not None and len(lines) > rows:  # a table has five lines at least
        return [*lines[: rows - 1], plain(foot)]
    return lines


def top_lines(status: FleetStatus, *, rows: int | None = None, foot: str = "") -> list[str]:
    """The whole table, with the job in the first line.

    :param rows: lines of the screen; where not all instances fit, those that lag come first, and
        the last line says how many are left out. None: all are shown.
    :param foot: the last line.
    """
    lags = {n for p in status.problems if p.code == STRAGGLER.code for n in p.affects}
    names = list(status.services)
    room = len(names) if rows is None else max(1, rows - _AROUND)
    if len(names) > room:
        names = sorted(names, key=lambda name: _order(name, status.services[name], lags))
        foot = "; ".join(filter(None, (f"{len(names) - room} more, which lag less", foot)))
        names = names[:room]
    shown = [_row(name, status.services[name], name in lags) for name in names]
    last = [plain(foot)] if rows is not None else []
    head: tuple[str, ...] = _HEAD
    nodes = [status.nodes.get(status.services[name].node) for name in names]
    systems = [node.system if node else None for node in nodes]
    if width() >= _WIDE and any(cpu(s) != UNKNOWN or network(s) != UNKNOWN for s in systems):
        head = (*_HEAD[:-1], *_OF_NODE, _HEAD[-1])
        shown = [
            (*row[:-1], cpu(system), network(system), row[-1])
            for row, system in zip(shown, systems, strict=True)
        ]
    return [_headline(status), "", *table(head, shown), *last]


def _order(name: str, service: ServiceStatus, lags: set[str]) -> tuple[bool, bool, float]:
    progress = service.progress
    behind = progress.behind_steps if progress else None
    return (name not in lags, service.state == "ready", -(behind or 0))


def _headline(status: FleetStatus) -> str:
    """Where it does not fit, loss and rate are left out rather than the time."""
    progress = status.progress
    words = list(job_words(progress))
    if progress and progress.service:
        words[0] = f"{progress.service}: {words[0]}"
    if not words:
        words = [(progress.reason if progress else None) or "nothing of it runs"]
    name = status.fleet + (f"/{status.job}" if status.job else "")
    rest = [
        f"{status.ready}/{len(status.services)} ready",
        count(len(status.problems), "problem"),
        status.generated_at.astimezone().strftime("%H:%M:%S"),
    ]
    while len(" · ".join([name, *words, *rest])) > width() and len(words) > 1:
        words.pop()
    return style(cut(plain(" · ".join([name, *words, *rest]))), None, bold=True)


def _row(name: str, service: ServiceStatus, lags: bool) -> tuple[str, ...]:
    known = service.progress
    if known is None:
        dashes = (UNKNOWN,) * 6
        return (name, state(service.state), *dashes, service.reason or "")
    note = known.reason or ""
    if lags:
        note = f"{marked(mark('warning'))} lags"
    elif known.step is None and (words := server_words(known)):
        note = " · ".join(words)
    return (
        name,
        state(service.state),
        UNKNOWN if known.step is None else str(known.step),
        UNKNOWN if known.behind_steps is None else str(known.behind_steps),
        rate(known.steps_per_s),
        UNKNOWN if known.since_step_s is None else f"{duration(known.since_step_s)} ago",
        number(known.loss),
        UNKNOWN if known.cpus_busy is None else f"{known.cpus_busy:.2g}",
        note,
    )
