"""The columns of the nodes' table: which fit, how wide they are, and what stands in them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import lru_cache

from msgspec import Struct
from rich.cells import cell_len
from textual.content import Content

from fleetctl.health.attachments import DataState
from fleetctl.health.round_trips import highest
from fleetctl.marks import mark, verdict
from fleetctl.model.node_status import NodeStatus, SystemStatus
from fleetctl.model.status import ServiceStatus
from fleetctl.model.topology import Node
from fleetctl.quantities import duration, rtt, size
from fleetctl.tui.eliding import apart
from fleetctl.tui.job_line import grouped
from fleetctl.tui.seen import HISTORY
from fleetctl.tui.tones import drawn, toned
from fleetctl.words.sparkline import sparkline
from fleetctl.words.system import cpu, disk_free, load, memory, network

STALE_S = 10.0
"""Facts older than this are shown with their age."""
FIGURE = 8
"""The columns of a round trip before its bars."""
LEAST_BARS = 8
NODE, ROLE = "node", "role"
NET = "in/out B/s"
_IMPORTANT = ("rtt", "step", "load", "mem")
_LEAST_NAMES = {NODE: 6, ROLE: 4}
_EMPTY = Content("")
_BESIDES = 4
"""Columns of border and scrollbar."""


class Column(Struct, frozen=True):
    """A column with its heading, which is also the key of its cells."""

    head: str
    width: int
    right: bool = False


_STATE = Column("state", 14)
_OPTIONAL = (
    Column("rtt", FIGURE + LEAST_BARS),
    Column("step", 9, right=True),
    Column("load", 5, right=True),
    Column("mem", 4, right=True),
    Column("cpu", 4, right=True),
    Column(NET, 11, right=True),
    Column("temp", 5, right=True),
    Column("since", 7, right=True),
    Column("disk", 5, right=True),
    Column("restarts", 8, right=True),
    Column("pid", 7, right=True),
)
"""The most important first."""


class Names(Struct, frozen=True):
    """The names in the table."""

    nodes: tuple[str, ...]
    roles: tuple[str, ...]
    steps: bool = False
    """Whether the job prints steps."""


def columns(names: Names, width: int) -> list[Column]:
    """The columns that fit, in their order. State and marks always do, from 40 columns on.

    What is left over goes to the bars of the round trips.

    :param width: of the panel.
    """
    room = width - _BESIDES - sum(c.width + 1 for c in _always())
    wide = _name_columns(names, room - 2)
    found = [*_always()[:-1], Column(NODE, wide[NODE]), Column(ROLE, wide[ROLE]), _STATE]
    room -= sum(wide.values()) + 2
    for column in _optional(names):
        if room < column.width + 1:
            break
        room -= column.width + 1
        found.append(column)
    more = min(max(room, 0), HISTORY - LEAST_BARS)
    return [Column("rtt", c.width + more) if c.head == "rtt" else c for c in found]


def wanted(names: Names) -> int:
    """The columns of a panel in which nothing is elided, and round trips, load and memory fit."""
    wide = _name_columns(names, 1000)
    always = sum(c.width + 1 for c in _always()) + sum(wide.values()) + 2
    return _BESIDES + always + sum(c.width + 1 for c in _optional(names) if c.head in _IMPORTANT)


def wanted_by_all(names: Names) -> int:
    """The columns of a panel that has every column."""
    return wanted(names) + sum(c.width + 1 for c in _OPTIONAL if c.head not in _IMPORTANT)


def _always() -> tuple[Column, ...]:
    return (Column("ssh", 3), Column("data", 5), _STATE)


def _optional(names: Names) -> Iterator[Column]:
    return (column for column in _OPTIONAL if column.head != "step" or names.steps)


def _name_columns(names: Names, room: int) -> dict[str, int]:
    """What nodes and roles take: as much as they are long, or as there is room."""
    node = max(4, *map(cell_len, names.nodes))
    role = max(4, *map(cell_len, names.roles), 0)
    if node + role > room:
        role = min(role, max(_LEAST_NAMES[ROLE], room // 3, room - node))
        node = min(node, max(_LEAST_NAMES[NODE], room - role))
    return {NODE: node, ROLE: role}


def elided(names: Iterable[str], shown: Sequence[Column], head: str) -> Mapping[str, str]:
    """Names as they stand in their column, told apart."""
    return apart(tuple(names), next(c.width for c in shown if c.head == head))


def head_line(shown: Sequence[Column]) -> str:
    """The headings."""
    return " ".join(c.head.rjust(c.width) if c.right else c.head.ljust(c.width) for c in shown)


def line(shown: Sequence[Column], cells: Mapping[str, Content]) -> Content:
    """A row."""
    parts: list[Content | str] = []
    for column in shown:
        cell = cells.get(column.head, _EMPTY).truncate(column.width, ellipsis=True)
        gap = " " * (column.width - cell.cell_length)
        parts += [gap, cell, " "] if column.right else [cell, gap, " "]
    return Content.assemble(*parts[:-1])  # once: there are hundreds of rows


def ssh_mark(node: NodeStatus) -> Content:
    """Whether it can be asked; ``▲``: through another node alone."""
    if node.state == "external":
        return drawn(mark("external"))
    return drawn(mark("degraded") if node.ssh.via else verdict(node.ssh.reachable))


def data_mark(node: Node, data: DataState, networks: frozenset[str]) -> Content:
    """Whether the job's network works there; of what is wrong, the number.

    :param networks: of the job.
    """
    if networks.isdisjoint((*node.networks, *node.via)):
        return toned("-", "quiet")
    if data.ok is False and data.wrong:
        return toned(f"✖ {data.wrong}", "bad")
    return drawn(mark("degraded") if data.ok and data.poor else verdict(data.ok))


def late(node: NodeStatus, heard: datetime | None, at: datetime) -> str:
    """The age of a node's facts, when they are old; else empty.

    :param heard: when it answered last.
    """
    if node.state == "external" or (heard is None and node.state != "unreachable"):
        return ""
    if heard is None:
        return "never answered"
    age_s = (at - heard).total_seconds()
    if node.state == "unreachable":
        return f"lost {duration(max(0.0, age_s))} ago"
    return f"{duration(age_s)} old" if age_s > STALE_S else ""


def round_trips(history: Sequence[float | None], expected_ms: float | None, width: int) -> Content:
    """The newest, and bars of those before it; coloured where one is expected."""
    if not history:
        return toned("-", "quiet")
    newest, bars = history[-1], max(width - FIGURE, 0)
    figure = (rtt(newest) if newest is not None else "-").ljust(FIGURE)
    if newest is None or expected_ms is None:
        return Content(figure + sparkline(history, bars))
    most_ms = highest(expected_ms)
    text = figure + sparkline(history, bars, most_ms)
    return toned(text, "good" if newest <= most_ms else "doubt")


def of_system(node: NodeStatus) -> Sequence[tuple[str, Content]]:
    """Load, processors, memory, disk, network and heat."""
    return _of_system(node.system) if node.system else ()


@lru_cache(maxsize=1024)
def _of_system(system: SystemStatus) -> Sequence[tuple[str, Content]]:
    """Each key may draw every row anew, of which none says anything else."""
    return tuple(_drawn(system))


def _drawn(system: SystemStatus) -> Iterator[tuple[str, Content]]:
    doubts = _doubtful(system)
    yield "load", toned(load(system), "doubt") if "load" in doubts else Content(load(system))
    yield "mem", toned(memory(system), "doubt") if "mem" in doubts else Content(memory(system))
    yield "disk", Content(disk_free(system))
    yield "cpu", Content(cpu(system))
    yield NET, Content(network(system))
    if system.temperature_c is not None:
        text = f"{system.temperature_c:.0f}°C"
        yield "temp", toned(text, "doubt") if "temp" in doubts else Content(text)


def doubtful(
    node: NodeStatus, service: ServiceStatus | None, data: DataState | None = None
) -> list[str]:
    """The columns with a figure that is out of the ordinary by itself."""
    found = ["restarts"] if service and service.restarts else []
    if data and data.rtt_ms and data.expect_rtt_ms and data.rtt_ms > highest(data.expect_rtt_ms):
        found.append("rtt")
    return [*found, *_doubtful(node.system)] if node.system else found


def _doubtful(system: SystemStatus) -> list[str]:
    found = []
    if system.load1 is not None and system.cpus and system.load1 > 2 * system.cpus:
        found.append("load")
    if (system.memory_percent or 0) >= 95:
        found.append("mem")
    if (system.temperature_c or 0) >= 80 or system.throttled:
        found.append("temp")
    return found


def of_many(
    nodes: Sequence[NodeStatus], services: Sequence[ServiceStatus], rtts: Sequence[float]
) -> Iterator[tuple[str, Content]]:
    """Of equal rows, of each figure the one that is worst: ``≤`` is the highest, ``≥`` the lowest.

    :param rtts: the newest round trips, in ms.
    """
    systems = [node.system for node in nodes if node.system]
    if rtts:
        yield "rtt", Content(f"≤{rtt(max(rtts))}")
    steps = [s.progress.step for s in services if s.progress and s.progress.step is not None]
    if steps:
        yield "step", Content(f"≥{grouped(min(steps))}")
    if loads := [system.load1 for system in systems if system.load1 is not None]:
        yield "load", Content(f"≤{max(loads):.1f}")
    if busy := [s.cpu_percent for s in systems if s.cpu_percent is not None]:
        yield "cpu", Content(f"≤{max(busy):.0f}%")
    if used := [s.memory_percent for s in systems if s.memory_percent is not None]:
        yield "mem", Content(f"≤{max(used)}%")
    if heat := [s.temperature_c for s in systems if s.temperature_c is not None]:
        yield "temp", Content(f"≤{max(heat):.0f}°")
    ways = [(s.net_in_bytes_per_s, s.net_out_bytes_per_s) for s in systems]
    if net := [(i, o) for i, o in ways if i is not None and o is not None]:
        yield NET, Content("≤" + "/".join(size(max(way)) for way in zip(*net, strict=True)))
    if free := [s.disk_free_bytes for s in systems if s.disk_free_bytes is not None]:
        yield "disk", Content(f"≥{size(min(free))}")


def of_service(service: ServiceStatus, now: datetime) -> Iterator[tuple[str, Content]]:
    """Step, since when it runs, restarts and process."""
    if service.progress and service.progress.step is not None:
        yield "step", Content(grouped(service.progress.step))
    if service.pid is None:
        return
    yield "pid", Content(str(service.pid))
    if service.started_at:
        yield "since", Content(duration(max(0.0, (now - service.started_at).total_seconds())))
    again = str(service.restarts)
    yield "restarts", toned(again, "doubt") if service.restarts else toned("-", "quiet")
