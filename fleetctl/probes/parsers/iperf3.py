"""``iperf3 -J -c HOST``: one JSON object; its status is 0 also when it failed (3.12)."""

from __future__ import annotations

import re
from typing import Any

from msgspec import Struct

from fleetctl.probes.parsers import json_text
from fleetctl.probes.parsers.failures import absent, phrase, unparsed
from fleetctl.probes.parsers.unparsed import Unparsed

_ERROR = re.compile(r"iperf3: (?:error|interrupt|parameter error) - (.+)")


class Bandwidth(Struct, frozen=True):
    """A measurement, or why there is none."""

    sent_bps: float | None = None
    """Bits a second, as the sender counted them."""
    received_bps: float | None = None
    retransmits: int | None = None
    """None on macOS, which does not count them."""
    seconds: float | None = None
    reverse: bool = False
    host: str | None = None
    error: str | None = None
    """A short stable word: ``refused``, ``timeout``, ``busy``, ...; then nothing was measured."""
    error_text: str | None = None


def parse_iperf3(text: str) -> Bandwidth | Unparsed:
    """The result in ``text``, which holds what came on either stream."""
    for value in json_text.json_values(text):
        if isinstance(value, dict) and ("end" in value or "error" in value):
            return _result(text, value)
    match = _ERROR.search(text)
    if match is not None and not absent(text):
        return Bandwidth(error=_word(match[1]), error_text=match[1].strip())
    return unparsed(text, "bad_json" if json_text.looks_like_json(text) else "unrecognised")


def _result(text: str, value: dict[str, Any]) -> Bandwidth | Unparsed:
    error = json_text.string(value.get("error"))
    if error is not None:
        error = error.removeprefix("error - ")
        return Bandwidth(error=_word(error), error_text=error)
    start, end = _inner(value, "start"), _inner(value, "end")
    sent, received = _inner(end, "sum_sent"), _inner(end, "sum_received")
    if not sent and not received:
        return Unparsed(text, "incomplete")
    return Bandwidth(
        sent_bps=json_text.decimal(sent.get("bits_per_second")),
        received_bps=json_text.decimal(received.get("bits_per_second")),
        retransmits=json_text.integer(sent.get("retransmits")),
        seconds=json_text.decimal(sent.get("seconds")),
        reverse=_inner(start, "test_start").get("reverse") in (1, True),
        host=json_text.string(_inner(start, "connecting_to").get("host")),
    )


def _inner(value: dict[str, Any], key: str) -> dict[str, Any]:
    inner = value.get(key)
    return inner if isinstance(inner, dict) else {}


def _word(error: str) -> str:
    if "server is busy" in error:
        return "busy"
    if "closed unexpectedly" in error or "server has terminated" in error:
        return "closed"
    return phrase(error) or "failed"
