"""``ping`` of macOS, of iputils old and new, and of BusyBox: its statistics and its errors.

The lines of single replies are not read: with a short ``-W`` macOS omits replies that it still
counts (network_cmds ping.c), and iputils prints no line for a lost packet.
"""

from __future__ import annotations

import re

from msgspec import Struct

from fleetctl.model.network import Echo
from fleetctl.patterns import pattern
from fleetctl.probes.parsers.failures import absent, phrase, unparsed
from fleetctl.probes.parsers.number import decimal, whole
from fleetctl.probes.parsers.unparsed import Unparsed

_COUNTS = pattern(
    r"(?<!\d)(\d{1,18}) packets? transmitted, (\d{1,18}) (?:packets? )?received(.*)", re.ASCII
)
_LOSS = pattern(r"(?<![\d.])([\d.]{1,18})% packet loss", re.ASCII)
_DUPLICATES = pattern(r"(?<!\d)(\d{1,18}) duplicates", re.ASCII)
_ICMP_ERRORS = pattern(r"\+(\d{1,18}) errors", re.ASCII)
_LATE = pattern(r"(?<!\d)(\d{1,18}) packets? out of wait time", re.ASCII)
_TIMES = pattern(
    r"(?:rtt|round-trip) min/avg/max(?:/(?:mdev|stddev|std-dev))? = "
    r"([\d.]+)/([\d.]+)/([\d.]+)(?:/([\d.]+))? ms",
    re.ASCII,
)
_ROUTER = pattern(
    r"(?:From |\d+ bytes from ).*?"
    r"((?:Destination|Source|Network|Host|Port|Packet|Time to live|Redirect|Frag|Communication)"
    r"\b[A-Za-z ,.()=\d:>-]*)",
    re.ASCII,
)
_OWN = pattern(
    r"(?:ping|ping6|connect|sendmsg|sendto)\b.*?: ?.*|usage: ping.*|do you want to ping.*",
    re.IGNORECASE,
)


class PingSummary(Struct, frozen=True):
    """The statistics; with an ``error`` and nothing transmitted, ping did not start."""

    transmitted: int = 0
    received: int = 0
    loss_percent: float | None = None
    duplicates: int = 0
    icmp_errors: int = 0
    """ICMP errors from routers, if ping counts them (iputils)."""
    late: int = 0
    """Replies after the timeout (macOS)."""
    min_ms: float | None = None
    avg_ms: float | None = None
    max_ms: float | None = None
    deviation_ms: float | None = None
    """macOS stddev, iputils mdev; BusyBox has none."""
    error: str | None = None
    """A short stable word for ping's own error: ``unknown_host``, ..."""
    error_text: str | None = None
    """The line with the error."""
    answer_text: str | None = None
    """What a router on the way answered: ``Destination Host Unreachable``."""

    def echo(self) -> Echo:
        return Echo(
            sent=self.transmitted,
            received=self.received,
            rtt_min_ms=self.min_ms,
            error=self.error_text or self.answer_text,
            deviation_ms=self.deviation_ms if self.received > 1 else None,
        )


def parse_ping(text: str) -> PingSummary | Unparsed:
    """The summary in ``text``, which is stdout and stderr."""
    counts = times = answer = None
    error = error_text = None
    for line in text.splitlines():
        counted, timed = _COUNTS.search(line), _TIMES.search(line)
        if counted is not None:
            counts, times = counted, None
        elif timed is not None:
            times = timed
        elif error is None and not absent(line):
            error = _error(line)
            error_text = None if error is None else line.strip()
        if answer is None and (answered := _ROUTER.match(line)) is not None:
            answer = answered[1].strip()
    sent, received = (None, None) if counts is None else (whole(counts[1]), whole(counts[2]))
    if counts is None or sent is None or received is None:
        if error is None:
            return unparsed(
                text, "incomplete" if re.search(r"^PING ", text, re.M) else "unrecognised"
            )
        return PingSummary(error=error, error_text=error_text)
    rest = counts[3]
    values = (None,) * 4 if times is None else tuple(decimal(value) for value in times.groups())
    return PingSummary(
        transmitted=sent,
        received=received,
        loss_percent=_first(_LOSS, rest),
        duplicates=int(_first(_DUPLICATES, rest) or 0),
        icmp_errors=int(_first(_ICMP_ERRORS, rest) or 0),
        late=int(_first(_LATE, rest) or 0),
        min_ms=values[0],
        avg_ms=values[1],
        max_ms=values[2],
        deviation_ms=values[3],
        error=error,
        error_text=error_text,
        answer_text=answer,
    )


def _first(pattern: re.Pattern[str], text: str) -> float | None:
    match = pattern.search(text)
    return None if match is None else decimal(match[1])


def _error(line: str) -> str | None:
    """The word for an error of ping itself; None for lines of other programs."""
    if not _OWN.match(line.strip()):
        return None
    if line.strip().lower().startswith("usage:"):
        return "usage"
    word = phrase(line)
    if word == "bad_address":
        return "unknown_host"  # BusyBox's "bad address"
    if word is None and re.search(r"invalid|bad |out of range|illegal", line):
        return "invalid_argument"
    return word
