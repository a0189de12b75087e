"""What the figures of a path mean: quick enough, wide enough, and if not, the likeliest reason.
Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from math import exp, log

from msgspec import Struct

from fleetctl.health.network.loss import UNLIKELY
from fleetctl.health.round_trips import highest
from fleetctl.model.bench import BenchPath, Best, Flow, Measured, Port
from fleetctl.model.topology import Fleet
from fleetctl.quantities import bandwidth, rtt

LEAST_OF_EXPECTED = 0.9
"""A path is too narrow below this share of what nodes.yaml expects of it."""
LEAST_OF_BEST = 0.6
"""The same of the best so far, which one good moment may have made."""
RTT_OF_BEST = 3.0
RTT_SLACK_MS = 1.0
"""A median is too long if it exceeds the best so far by this factor and by this much."""
RESENT_SHARE = 0.001
"""Of all segments. A sound link resends a few while TCP finds its speed."""
ECHOES_LOST_PERCENT = 2.0
CARRIED = 0.95
"""Of an Ethernet's speed, the share that TCP carries: 1448 of the 1538 bytes of a frame are
payload, 94.1 %."""
ETHERNETS_MBIT_S = (10.0, 100.0, 1000.0, 2500.0, 5000.0, 10000.0)
BUSY_PERCENT = 90.0
_SEGMENT_BYTES = 1448


class Judged(Struct, frozen=True):
    """Whether a figure is as it must be."""

    ok: bool | None
    """None: not measured, or there is nothing to hold it against."""
    where: str = ""
    """What it was held against: ``where 800 Mbit/s are expected``."""
    reason: str = ""
    """Why it is not known."""
    limit: float | None = None


def expected_rtt_ms(fleet: Fleet, path: BenchPath) -> float | None:
    """What nodes.yaml says: the sum over its hops; None if one of them has none."""
    rtts = [fleet.networks[hop.network].expect_rtt_ms for hop in path.hops]
    known = [ms for ms in rtts if ms is not None]
    return sum(known) if known and len(known) == len(rtts) else None


def expected_mbit_s(fleet: Fleet, path: BenchPath) -> float | None:
    """What nodes.yaml says: that of its narrowest hop; None if one of them has none."""
    widths = [fleet.networks[hop.network].expect_bandwidth_mbps for hop in path.hops]
    known = [mbit_s for mbit_s in widths if mbit_s is not None]
    return min(known) if known and len(known) == len(widths) else None


def held_against(fleet: Fleet, path: BenchPath, best: Best) -> Best:
    """The best figures that later ones are held against: none over Wi-Fi, where the air changes."""
    steady = all(fleet.networks[hop.network].kind != "wifi" for hop in path.hops)
    return best if steady else Best()


def expected_loss_percent(fleet: Fleet, path: BenchPath) -> float:
    """Of its echoes, what may be lost over all its hops."""
    passed = 1.0
    for hop in path.hops:
        passed *= 1 - fleet.networks[hop.network].expect_loss_percent / 100
    return 100 * (1 - passed)


def whole(measured: Measured, expected_percent: float) -> Judged:
    """Whether no more echoes were lost than chance makes of what is expected.

    As ``check`` judges it: the likelihood of the expected share, over that of the observed one,
    bounds how likely it is that so many are lost by chance (Chernoff).
    """
    echoes = measured.echoes
    if not echoes.sent or not echoes.received:
        return Judged(None, reason=echoes.reason or "no echo came back")
    lost = 1 - echoes.received / echoes.sent
    expected = min(max(expected_percent / 100, 1e-9), 1 - 1e-9)
    if lost <= expected:
        return Judged(True)
    rarity = lost * log(lost / expected) + (1 - lost) * log((1 - lost) / (1 - expected))
    if exp(-echoes.sent * rarity) >= UNLIKELY:
        return Judged(True)
    where = (
        f"{100 * lost:.0f} % of the echoes are lost, where {expected_percent:.2g} % are expected"
    )
    return Judged(False, where, limit=expected_percent)


def quick(measured: Measured, expected_ms: float | None, best: Best) -> Judged:
    """Whether the round trips are as short as expected, and not much longer than they were."""
    median_ms = measured.echoes.median_ms
    if median_ms is None:
        return Judged(None, reason=measured.echoes.reason or "round trips were not measured")
    if expected_ms is not None and median_ms > highest(expected_ms):
        return Judged(False, f"where {rtt(expected_ms)} is expected", limit=expected_ms)
    before_ms = best.rtt_ms
    if before_ms is not None and median_ms > max(before_ms * RTT_OF_BEST, before_ms + RTT_SLACK_MS):
        return Judged(False, f"where it was {rtt(before_ms)} {on(best.rtt_at)}", limit=before_ms)
    if expected_ms is None and before_ms is None:
        return Judged(None, reason="nothing to hold it against: no expect.rtt_ms, never measured")
    return Judged(True)


def wide(measured: Measured, expected: float | None, best: Best) -> Judged:
    """Whether the bandwidth is as expected both ways, and not much less than it was."""
    wheres: list[str] = []
    unknown: list[str] = []
    pairs = (
        (measured.there, best.there_mbit_s, best.there_at),
        (measured.back, best.back_mbit_s, best.back_at),
    )
    for flow, before, at in pairs:
        if flow.mbit_s is None:
            unknown.append(flow.reason or "bandwidth was not measured")
            continue
        if expected is not None and flow.mbit_s < expected * LEAST_OF_EXPECTED:
            wheres.append(f"where {bandwidth(expected)} are expected")
        if before is not None and flow.mbit_s < before * LEAST_OF_BEST:
            wheres.append(f"{share(flow.mbit_s / before)} what it was {on(at)}")
    if wheres:
        return Judged(False, "; ".join(dict.fromkeys(wheres)), limit=expected)
    if unknown:
        return Judged(None, reason="; ".join(dict.fromkeys(unknown)))
    if expected is None and None in (best.there_mbit_s, best.back_mbit_s):
        why = "nothing to hold it against: no expect.bandwidth_mbps, never measured"
        return Judged(None, reason=why)
    return Judged(True)


def too_fast(measured: Measured, ports: Sequence[Port]) -> str | None:
    """The sentence for more than a port on the way can carry: packets take another way."""
    slowest = _slowest(ports)
    fastest = max((f.mbit_s or 0.0 for f in (measured.there, measured.back)), default=0.0)
    if slowest is None or slowest.mbit_s is None or fastest <= slowest.mbit_s * 1.1:
        return None
    return (
        f"{bandwidth(fastest)} are more than {slowest.interface} of {slowest.node} can carry "
        f"({slowest.says}): the packets take another way"
    )


def narrow_because(measured: Measured, ports: Sequence[Port], wanted: float | None) -> str:
    """The likeliest reason for too little bandwidth, as far as the figures say it.

    :param wanted: what is expected, or the best so far, in Mbit/s.
    """
    return next(_reasons(measured, ports, wanted), "the figures do not say why")


def _reasons(measured: Measured, ports: Sequence[Port], wanted: float | None) -> Iterator[str]:
    there, back = measured.there.mbit_s, measured.back.mbit_s
    slowest = _slowest(ports)
    if slowest and slowest.mbit_s and wanted and slowest.mbit_s * CARRIED < wanted:
        yield (
            f"{slowest.interface} of {slowest.node} runs at {bandwidth(slowest.mbit_s)} "
            f"({slowest.says}), negotiated with the other end"
        )
    known = [mbit_s for mbit_s in (there, back) if mbit_s is not None]
    for speed in ETHERNETS_MBIT_S:
        if known and wanted and speed * 2 <= wanted and all(_is_all_of(m, speed) for m in known):
            yield (
                f"{bandwidth(max(known))} is all that a link of {bandwidth(speed)} carries: it was "
                f"probably negotiated down to that"
            )
    lost = measured.echoes.loss_percent or 0.0
    resent = [_resent(flow) for flow in (measured.there, measured.back)]
    if max(resent) >= RESENT_SHARE:
        yield (f"{100 * max(resent):.2g} % of the segments were sent again: packets are lost")
    if lost >= ECHOES_LOST_PERCENT:
        yield f"{lost:g} % of the echoes are lost, too"
    if there and back and max(there, back) * LEAST_OF_BEST > min(there, back):
        slow, quick_one = ("there", "back") if there < back else ("back", "there")
        yield (
            f"only the way {slow} is narrow, the way {quick_one} is not: the sending port or "
            f"machine of that direction, or another way of the packets"
        )
    busy = [flow.busy_percent or 0.0 for flow in (measured.there, measured.back)]
    if max(busy) >= BUSY_PERCENT:
        yield f"a processor core at one end was busy ({max(busy):.0f} %): it is not the link"


def _slowest(ports: Sequence[Port]) -> Port | None:
    known = [port for port in ports if port.mbit_s is not None]
    return min(known, key=lambda port: port.mbit_s or 0.0, default=None)


def _is_all_of(mbit_s: float, speed: float) -> bool:
    """Whether it is what TCP gets out of an Ethernet of that speed."""
    return 0.89 * speed <= mbit_s <= 0.97 * speed


def _resent(flow: Flow) -> float:
    if not flow.retransmits or not flow.sent_bytes:
        return 0.0
    return flow.retransmits * _SEGMENT_BYTES / flow.sent_bytes


_SHARES = ((0.5, "half of"), (1 / 3, "a third of"), (0.25, "a quarter of"), (0.1, "a tenth of"))


def share(part: float) -> str:
    """A share of something: ``half of``, ``a tenth of``, ``37 % of``."""
    for value, words in _SHARES:
        if abs(part - value) <= 0.06 * value:
            return words
    return f"{100 * part:.2g} % of"


def on(at: datetime | None) -> str:
    """The local day: ``on 12 May 2026``."""
    if at is None:
        return "before"
    local = at.astimezone()
    return f"on {local.day} {local:%b %Y}"


def figures(measured: Measured) -> str:
    """``94 Mbit/s there and 93 Mbit/s back``."""
    pairs = ((measured.there, "there"), (measured.back, "back"))
    said = [f"{bandwidth(f.mbit_s)} {way}" for f, way in pairs if f.mbit_s is not None]
    return " and ".join(said) or "no bandwidth"
