"""The links and paths of a fleet over time, as rows of text. Pure but for Textual's Content."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import median

from msgspec import Struct
from rich.cells import cell_len
from textual.content import Content

from fleetctl.health.network.causes import Way
from fleetctl.health.round_trips import highest
from fleetctl.marks import Mark, Tone, mark, verdict
from fleetctl.model.bench import Flow, PastBench, Port
from fleetctl.model.expectations import ExpectedReach
from fleetctl.model.node_status import ReachStatus
from fleetctl.model.samples import Point
from fleetctl.model.status import FleetStatus
from fleetctl.model.timeline import columns, figures
from fleetctl.quantities import bandwidth, duration, rtt
from fleetctl.tui.eliding import among
from fleetctl.tui.past.axis import Cell, moment, painted
from fleetctl.tui.past.stretch import Stretch, Wanted
from fleetctl.tui.tones import toned
from fleetctl.undertakings import Snapshot
from fleetctl.words.sparkline import sparkline
from fleetctl.words.system import UNKNOWN, in_and_out

Key = tuple[str, str, str]
"""Of a path: node, peer, network of the peer's address."""

WANTED: Wanted = {"link": ("rtt_ms", "jitter_ms", "loss_percent")}
LEGEND = "gap: lost, x: lossy, ·: not known"
LOSSY_PERCENT, LOSSY_TIMES = 5.0, 3.0
"""Losses count from so much on, and from so many times what is expected."""
_LEAST_END = 8
"""Columns of a node's name, where its network is named, too."""
NARROW = 0.8
"""A transfer is doubtful below this share of what is expected."""
MOST_LOSSES = 3
"""So many are listed, the newest."""
ALL_PERCENT = 99.9
"""Values are kept as 32-bit floats."""


class Link(Struct, frozen=True):
    """One path in one direction, and what is known of it over time."""

    key: Key
    stations: tuple[str, ...]
    """The nodes on it, in order."""
    control: bool
    """Whether it is over a network of SSH."""
    expected_rtt_ms: float | None
    expected_loss_percent: float
    rtt: Sequence[Point]
    jitter: Sequence[Point]
    loss: Sequence[Point]
    bench: PastBench | None
    turned: bool
    """Whether that was measured from the other end."""

    @property
    def label(self) -> str:
        """``pi4 → mini3 → mini1 (fabric)``."""
        return f"{' → '.join(self.stations)} ({self.key[2]})"

    def short(self, columns: int, names: Sequence[str] = ()) -> str:
        """As much of :attr:`label` as fits: ``pi4→mini3→mini1 fabric``, its ends, these elided.

        :param names: of nodes, from which the ends can be told.
        """
        first, last = self.stations[0], self.stations[-1]
        arrow = "→" if len(self.stations) == 2 else "⇢"
        network = f" {self.key[2]}"
        for text in (
            self.label,
            "→".join(self.stations) + network,
            f"{first}{arrow}{last}{network}",
            f"{first}{arrow}{last}",
        ):
            if cell_len(text) <= columns:
                return text
        room = columns - 1
        if columns >= 2 * _LEAST_END + 1 + cell_len(network):
            room -= cell_len(network)
        else:
            network = ""
        return f"{among(first, names, room // 2)}{arrow}{among(last, names, room // 2)}{network}"

    @property
    def there(self) -> Flow:
        """The last transfer in this direction."""
        if self.bench is None:
            return Flow()
        return self.bench.newest.back if self.turned else self.bench.newest.there

    @property
    def back(self) -> Flow:
        """The last transfer in the other direction."""
        if self.bench is None:
            return Flow()
        return self.bench.newest.there if self.turned else self.bench.newest.back

    @property
    def best_mbit_s(self) -> float | None:
        """The best transfer so far, of both directions."""
        best = self.bench.best if self.bench else None
        known = [b for b in (best.there_mbit_s, best.back_mbit_s) if b] if best else []
        return max(known, default=None)

    @property
    def ports(self) -> tuple[Port, ...]:
        """Of both ends of each hop, by the last bench."""
        return self.bench.newest.ports if self.bench else ()

    @property
    def was_lost(self) -> bool:
        """Whether it carried nothing for a while."""
        return any(point.high >= ALL_PERCENT for point in self.loss)

    @property
    def was_lossy(self) -> bool:
        """Whether it lost more than it may for a while."""
        return any(point.high > self.most_percent for point in self.loss)

    @property
    def most_percent(self) -> float:
        """What may be lost of a few echoes without a doubt of the link."""
        return max(LOSSY_TIMES * self.expected_loss_percent, LOSSY_PERCENT)


def reach_rows(snapshot: Snapshot) -> dict[Key, ReachStatus]:
    """What is asked now: paths that must carry something, and others that do all the same."""
    return {
        (name, row.node, row.network): row
        for name, node in snapshot.status.nodes.items()
        for row in node.reachability
        if row.expected or row.observed
    }


def links(snapshot: Snapshot, stretch: Stretch, benched: Mapping[Key, PastBench]) -> list[Link]:
    """All links and paths: first those that are not as they should be now, then those that lost
    something, then as in nodes.yaml, the networks of SSH last."""
    checked = snapshot.checked
    ways = {(r.node, r.peer, r.network): r for r in checked.expectations.reach}
    now = reach_rows(snapshot)
    found = [
        _link(snapshot, key, ways.get(key), stretch, benched)
        for key in now
        if key[2] in checked.fleet.networks
    ]
    networks = {name: place for place, name in enumerate(checked.fleet.networks)}

    def order(link: Link) -> tuple[bool, bool, bool, bool, int, int]:
        well, place = now[link.key].ok is not False, networks[link.key[2]]
        lossless = (not link.was_lost, not link.was_lossy)
        return well, *lossless, link.control, len(link.stations), place

    return sorted(found, key=order)


def _link(
    snapshot: Snapshot,
    key: Key,
    reach: ExpectedReach | None,
    stretch: Stretch,
    benched: Mapping[Key, PastBench],
) -> Link:
    fleet = snapshot.checked.fleet
    node, peer, network = key
    hops = Way(fleet, snapshot.checked.expectations, reach).hops if reach else []
    crossed = [fleet.networks[hop[2]] for hop in hops] or [fleet.networks[network]]
    times = [n.expect_rtt_ms for n in crossed]
    known = [ms for ms in times if ms is not None]
    passed = 1.0
    for one in crossed:
        passed *= 1 - one.expect_loss_percent / 100
    bench = benched.get(key)
    turned = bench is None and len(crossed) == 1
    subject = f"{node}:{peer}/{network}"
    return Link(
        key,
        (node, *(hop[1] for hop in hops)) if hops else (node, peer),
        fleet.networks[network].control,
        sum(known) if len(known) == len(times) else None,
        100 * (1 - passed),
        stretch.of("link", subject, "rtt_ms"),
        stretch.of("link", subject, "jitter_ms"),
        stretch.of("link", subject, "loss_percent"),
        benched.get((peer, node, network)) if turned else bench,
        turned,
    )


# as text


def bars(link: Link, since_s: float, until_s: float, width: int) -> Content:
    """Its round trips over time, from zero: a gap where it was lost, if only for a moment."""
    times = columns(link.rtt, since_s, until_s, width)
    losses = columns(link.loss, since_s, until_s, width)
    most_ms = None if link.expected_rtt_ms is None else highest(link.expected_rtt_ms)
    top_ms = max([c.mean for c in times if c] + ([most_ms] if most_ms else []), default=0.0)
    parts: list[Cell] = []
    for time, loss in zip(times, losses, strict=True):
        if loss is not None and loss.high >= ALL_PERCENT:
            parts.append((" ", None))
        elif loss is not None and loss.high > link.most_percent:
            parts.append(("x", "bad"))
        elif time is None:
            parts.append(("·", "quiet"))
        else:
            tone: Tone | None = None
            if most_ms is not None:
                tone = "good" if time.mean <= most_ms else "doubt"
            parts.append((sparkline([time.mean], 1, top_ms or 1.0), tone))
    return painted(parts)


def sign(row: ReachStatus | None) -> Mark:
    """Whether it is now as it should be."""
    if row is None or row.ok is None:
        return mark("unknown")
    return verdict(row.ok)


def last(row: ReachStatus | None) -> Content:
    """The newest round trip."""
    if row is None or row.observed is None:
        return toned("?", "doubt")
    if not row.observed:
        return toned("lost", "bad" if row.expected else "quiet")
    return Content("heard" if row.rtt_ms is None else ms(row.rtt_ms))


def ms(value: float) -> str:
    """A round trip in at most six characters."""
    if value >= 999.5:
        return f"{value / 1000:.3g}s"
    if value >= 9.95:
        return f"{value:.0f}ms"
    return f"{value:.2g}ms" if value >= 0.0995 else f"{max(value, 0.01):.2f}ms"


def figure_cells(link: Link) -> tuple[str, str, str, str]:
    """Median, p99 and jitter of the round trips, and the share that was lost."""
    told = figures(link.rtt) if link.rtt else None
    jitters = [point.mean for point in link.jitter]
    sent = sum(point.count for point in link.loss)
    lost = sum(point.mean * point.count for point in link.loss) / sent if sent else None
    return (
        ms(told.median) if told else "-",
        ms(told.p99) if told else "-",
        ms(median(jitters)) if jitters else "-",
        "-" if lost is None else f"{lost:.2g}%",
    )


def bench_cells(link: Link) -> tuple[Content, ...]:
    """There and back by the last bench, what is expected, the best so far, the ports' speed."""
    expected = link.bench.expected_mbit_s if link.bench else None
    return (
        _flow(link.there, expected),
        _flow(link.back, expected),
        Content(_width(expected)),
        Content(_width(link.best_mbit_s)),
        Content(_width(min((p.mbit_s for p in link.ports if p.mbit_s is not None), default=None))),
    )


def _flow(flow: Flow, expected: float | None) -> Content:
    narrow = flow.mbit_s is not None and expected and flow.mbit_s < NARROW * expected
    text = _width(flow.mbit_s)
    return toned(f"▲ {text}", "doubt") if narrow else Content(text)


def _width(mbit_s: float | None) -> str:
    return "-" if mbit_s is None else bandwidth(mbit_s)


def about(link: Link, snapshot: Snapshot | None) -> Iterator[Content]:
    """What is known of a link, a line each: expected, now, in and out, bandwidth, ports."""
    row = reach_rows(snapshot).get(link.key) if snapshot else None
    wanted = f"loss up to {link.expected_loss_percent:.2g}%"
    if link.expected_rtt_ms is not None:
        wanted = f"round trips of {rtt(link.expected_rtt_ms)}, {wanted}"
    else:
        wanted += "; no round trip (expect: rtt_ms)"
    yield Content.assemble((link.label, "bold"), f"  expected: {wanted}")
    why = f"now: {row.reason}" if row and row.reason and not row.ok else ""
    if why:
        yield toned(why, "doubt")
    if lost := list(_losses(link)):
        more = f", and {len(lost) - MOST_LOSSES} times before" if len(lost) > MOST_LOSSES else ""
        yield toned(f"lost {', '.join(lost[:MOST_LOSSES])}{more}", "bad")
    if snapshot and (use := _in_use(link, snapshot.status)):
        yield Content(f"in/out now: {use} bytes/s")
    yield _benched(link)
    if link.ports:
        yield Content("ports: " + "; ".join(_port(port) for port in link.ports))


def _losses(link: Link) -> Iterator[str]:
    """When it carried nothing, and for how long altogether then, the newest first."""
    found: list[list[Point]] = []
    for point in link.loss:
        if point.high < ALL_PERCENT:
            continue
        if found and point.at_s - found[-1][-1].at_s <= found[-1][-1].length_s:
            found[-1].append(point)
        else:
            found.append([point])
    for points in reversed(found):
        lost_s = sum(p.length_s * p.mean / 100 for p in points)
        span_s = link.loss[-1].at_s - link.loss[0].at_s
        yield f"{moment(points[0].at_s, span_s)} for {duration(max(lost_s, 1.0))}"


def _in_use(link: Link, status: FleetStatus) -> str:
    """What goes through the interfaces at its ends; empty: not known."""
    ends = [
        f"{node} {address.interface} {use}"
        for node in (link.stations[0], link.stations[-1])
        for address in status.nodes[node].addresses
        if address.network == link.key[2]
        and (use := in_and_out(address.in_bytes_per_s, address.out_bytes_per_s)) != UNKNOWN
    ]
    return "; ".join(ends)


def _benched(link: Link) -> Content:
    if link.bench is None:
        return toned("bandwidth: never measured here; b measures it", "quiet")
    there, back, expected, best, _ = bench_cells(link)
    at = f"{link.bench.newest.at.astimezone():%Y-%m-%d %H:%M}"
    held = f"expected {expected}" if expected != "-" else "nothing is expected"
    return Content.assemble(
        f"bandwidth on {at}: ", there, " there, ", back, f" back; {held}, best so far {best}"
    )


def _port(port: Port) -> str:
    speed = port.says or (_width(port.mbit_s) if port.mbit_s is not None else "speed not known")
    return f"{port.node} {port.interface or port.network} {speed}"
