"""A hundred echo requests to one address, and what their round trips come to. Pure."""

from __future__ import annotations

import re
from itertools import pairwise
from statistics import fmean, median

from fleetctl.bench.scripts import WATCHED
from fleetctl.escaping import visible
from fleetctl.model.bench import Echoes
from fleetctl.model.topology import OS
from fleetctl.probes.parsers.number import decimal
from fleetctl.probes.parsers.ping import parse_ping
from fleetctl.probes.parsers.unparsed import Unparsed

COUNT = 100
INTERVALS_S = (0.01, 0.1, 0.2)
"""Tried one after the other until ping allows one without root: iputils since 2019 and macOS 15
allow 2 ms, macOS before that 0.1 s, older iputils 0.2 s (docs/operating-systems.md, "Ping")."""
WAIT_S = 1
LONGEST_S = COUNT * INTERVALS_S[-1] + 10
"""Seconds in which it has ended, whatever the interval and whatever is lost."""

_TIME = re.compile(r"\btime[=<]([0-9.]{1,18}) ?ms\b", re.ASCII)


def echoes_text(address: str, os: OS | None) -> str:
    """The sh text that pings ``address`` and prints what ping said."""
    flags = f"-W {WAIT_S * 1000} -t {int(LONGEST_S)}" if os == "macos" else f"-W {WAIT_S}"
    # -t is whole seconds until ping ends on macOS, and a TTL on Linux
    return (
        f"{WATCHED}for i in {' '.join(map(str, INTERVALS_S))}; do\n"
        f"said=$(watched {int(LONGEST_S)} ping -n -c {COUNT} -i $i {flags} {address} 2>&1)\n"
        'case $said in *"too short"*|*"cannot flood"*|*"nvalid"*) ;; *) break ;; esac\n'
        "done\nprintf '%s\\n' \"$said\"\n"
    )


def read_echoes(text: str) -> Echoes:
    """What came of it; never raises.

    Counts are ping's own: macOS prints no line for some replies that it counts.
    """
    told = parse_ping(text)
    if isinstance(told, Unparsed):
        last = (text.strip().splitlines() or ["it printed nothing"])[-1]
        return Echoes(reason=f"ping: {visible(last[:200])}")
    if not told.transmitted:
        return Echoes(reason=visible(told.error_text or told.answer_text or "ping sent nothing"))
    received = min(told.received, told.transmitted)
    lost = round(100 * (1 - received / told.transmitted), 1)
    why = visible(told.error_text or told.answer_text or "") if not received else None
    times = [ms for found in _TIME.findall(text) if (ms := decimal(found)) is not None]
    if not times:
        return Echoes(
            told.transmitted, received, lost, told.min_ms, reason=why or _no_times(received)
        )
    ordered = sorted(times)
    steps = [abs(later - earlier) for earlier, later in pairwise(times)]
    return Echoes(
        sent=told.transmitted,
        received=received,
        loss_percent=lost,
        min_ms=ordered[0],
        median_ms=round(median(ordered), 3),
        p99_ms=ordered[-(len(ordered) // 100 + 1)],
        jitter_ms=round(fmean(steps), 3) if steps else None,
    )


def _no_times(received: int) -> str:
    return "ping printed no times" if received else "no echo came back"
