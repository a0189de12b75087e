"""``iperf3 -J``: the sums of one transfer, or why there are none. Pure.

The keys that are read are the same in 3.9, 3.12 and 3.16; what another version leaves out is not
known.
Version 3.12 ends with status 0 after errors, so what counts is the key ``error`` of its JSON.
"""

from __future__ import annotations

from typing import Any

from fleetctl.escaping import visible
from fleetctl.model.bench import Flow
from fleetctl.probes.parsers import json_text

_LONGEST = 200


def parse_iperf(text: str) -> Flow:
    """The transfer in ``text``, which may have other lines before it."""
    report = next((v for v in json_text.json_values(text) if isinstance(v, dict)), None)
    if report is None:
        if json_text.looks_like_json(text):
            return Flow(reason="the output of iperf3 was cut off")
        last = (text.strip().splitlines() or ["it printed nothing"])[-1]
        return Flow(reason=_said(last))
    if error := json_text.string(report.get("error")):
        return Flow(reason=_said(error))
    end = _object(report.get("end"))
    bits_s = _rate(end, "sum_received", "receiver")
    if bits_s is None:
        return Flow(reason="iperf3 ended without a sum of what arrived")
    if bits_s == 0:
        return Flow(mbit_s=0.0, reason="not a byte arrived")
    sent = _object(end.get("sum_sent"))
    busy = _object(end.get("cpu_utilization_percent"))
    shares = [_positive(busy.get(key)) for key in ("host_total", "remote_total")]
    return Flow(
        mbit_s=round(bits_s / 1e6, 2),
        retransmits=_whole(sent.get("retransmits")),
        sent_bytes=_whole(sent.get("bytes")),
        busy_percent=max((round(s, 1) for s in shares if s is not None), default=None),
    )


def _rate(end: dict[str, Any], total: str, side: str) -> float | None:
    """Bits a second: of the sum, or of all streams where there is no sum."""
    bits_s = _positive(_object(end.get(total)).get("bits_per_second"))
    if bits_s is not None:
        return bits_s
    streams = end.get("streams")
    rates = [
        _positive(_object(_object(stream).get(side)).get("bits_per_second"))
        for stream in (streams if isinstance(streams, list) else ())
    ]
    known = [rate for rate in rates if rate is not None]
    return sum(known) if known and len(known) == len(rates) else None


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _positive(value: object) -> float | None:
    number = json_text.decimal(value)
    return number if number is not None and 0 <= number < 1e18 else None


def _whole(value: object) -> int | None:
    number = json_text.integer(value)
    return number if number is not None and number >= 0 else None


def _said(text: str) -> str:
    text = text.strip().removeprefix("iperf3: ").removeprefix("error - ")
    return f"iperf3: {visible(text[:_LONGEST])}"
